import { createHash } from 'node:crypto'
import type { Clock } from '../core/clock.ts'
import { type IntentId, operationId } from '../core/ids.ts'
import type { JsonObject } from '../core/json.ts'
import type { CountedSeries, CounterQuestion, Deciding, NewCall, Reservation } from '../ports/recorder.ts'
import { denied, intentId, permitted, type Sample } from './test-units.ts'

const digest = (text: string): string => createHash('sha256').update(text).digest('hex')

/** A series of sums by agent over `/amount` of the sample operation, and its key. */
export const PAID = digest('series of payments')
export const paidBy = (agent: string): string => digest(`paid by ${agent}`)
/** A series of values at `/to`. */
export const SEEN = digest('series of recipients')
export const recipient = (name: string): string => digest(`recipient ${name}`)
export const CLEAN = digest('series of clean approvals')
export const cleanOf = (agent: string): string => digest(`clean approvals of ${agent}`)

export const HOUR_MS = 3_600_000
export const DAY_MS = 24 * HOUR_MS
export const YEAR_MS = 365 * DAY_MS

const series = (
  name: string,
  kind: CountedSeries['kind'],
  windowMs: number,
  read: (input: JsonObject, agent: string) => readonly Reservation[],
): CountedSeries => ({
  series: name,
  kind,
  windowMs,
  operations: [operationId('crm', 'orders')],
  eventsOf: ({ input, agent }) => read(input, agent),
})

export const paidSeries = (windowMs = YEAR_MS): CountedSeries =>
  series(PAID, 'sum', windowMs, ({ amount }, agent) => (typeof amount === 'string' ? [{ key: paidBy(agent), amount }] : []))

export const SERIES: readonly CountedSeries[] = [
  paidSeries(),
  series(SEEN, 'unseen', YEAR_MS, ({ to }) => (typeof to === 'string' ? [{ key: recipient(to), amount: null }] : [])),
  series(CLEAN, 'streak', 0, () => []),
]

const SERIES_OF: Readonly<Record<CounterQuestion['kind'], string>> = { sum: PAID, count: PAID, last: PAID, unseen: SEEN, streak: CLEAN }

export const asking = (kind: CounterQuestion['kind'], keys: readonly string[], windowMs = HOUR_MS): CounterQuestion => ({
  fact: kind,
  kind,
  series: SERIES_OF[kind],
  keys,
  windowMs,
})

interface PaymentSample {
  amount?: string
  /** In whole units. */
  cap?: number
  sample?: Sample
  make?: (clock: Clock, sample: Sample) => NewCall
  /** Whose payments count together; else the agent's. */
  payer?: string
  /** Values that are used beside. */
  to?: readonly string[]
}

export type Payment = Deciding & { would: NewCall; intent: IntentId }

/** A payment that is permitted while the sum with it stays within the cap, and denied beyond it and where the sum is not known. */
export function payment(
  clock: Clock,
  { amount = '2000.0', cap = 5_000, sample = {}, make = permitted, to = [], payer }: PaymentSample = {},
): Payment {
  const { agent = 'helper' } = sample
  const key = paidBy(payer ?? agent)
  const question = asking('sum', [key])
  const yes = make(clock, { ...sample, input: { amount } })
  const no = denied(clock, { ...sample, input: { amount } })
  const refused: NewCall = { ...no, call: { ...no.call, id: yes.call.id } }
  const seen = to.map((name) => ({ key: recipient(name), amount: null }))
  const reserves: readonly Reservation[] = [{ key, amount }, ...seen]
  return {
    callId: yes.call.id,
    agent,
    counters: [question],
    reserves: reserves.map(({ key }) => key),
    repeats: { idempotency: yes.idempotency, joinKey: yes.joinKey },
    would: yes,
    intent: yes.intent ?? intentId(),
    decide(answers) {
      const answer = answers.get('sum')
      const before = answer?.kind === 'value' && typeof answer.value === 'string' ? Number(answer.value) : Number.NaN
      return { kind: 'admit', unit: before + Number(amount) <= cap ? { ...yes, reserves } : refused }
    },
  }
}
