import { createHash } from 'node:crypto'
import { type IntentId, operationId } from '../core/ids.ts'
import type { JsonObject } from '../core/json.ts'
import type { CountedSeries, CounterQuestion, Deciding, NewCall, Reservation } from '../ports/recorder.ts'
import { denied, intentId, permitted, type Sample, type TestClock } from './test-units.ts'

const digest = (text: string): string => createHash('sha256').update(text).digest('hex')

/** A series of sums by agent over `/amount` of the sample operation, and its key. */
export const PAID = digest('series of payments')
export const paidBy = (agent: string): string => digest(`paid by ${agent}`)
/** A series of values at `/to`. */
export const SEEN = digest('series of recipients')
export const recipient = (name: string): string => digest(`recipient ${name}`)
export const CLEAN = digest('series of clean approvals')

export const YEAR_MS = 365 * 24 * 3_600_000

const eventsOf =
  (read: (input: JsonObject, agent: string) => readonly Reservation[]): CountedSeries['eventsOf'] =>
  ({ input, agent }) =>
    read(input, agent)

export const SERIES: readonly CountedSeries[] = [
  {
    series: PAID,
    kind: 'sum',
    windowMs: YEAR_MS,
    operations: [operationId('crm', 'orders')],
    eventsOf: eventsOf(({ amount }, agent) => (typeof amount === 'string' ? [{ key: paidBy(agent), amount }] : [])),
  },
  {
    series: SEEN,
    kind: 'unseen',
    windowMs: YEAR_MS,
    operations: [operationId('crm', 'orders')],
    eventsOf: eventsOf(({ to }) => (typeof to === 'string' ? [{ key: recipient(to), amount: null }] : [])),
  },
  { series: CLEAN, kind: 'streak', windowMs: 0, operations: [operationId('crm', 'orders')], eventsOf: () => [] },
]

export const asking = (kind: CounterQuestion['kind'], key: string, windowMs = 3_600_000): CounterQuestion => ({
  fact: kind,
  kind,
  series: kind === 'unseen' ? SEEN : kind === 'streak' ? CLEAN : PAID,
  keys: [key],
  windowMs,
})

interface PaymentSample {
  amount?: string
  cap?: number
  sample?: Sample
  make?: (clock: TestClock, sample: Sample) => NewCall
}

/** A payment that is permitted while the sum with it stays within the cap, and denied beyond and where the sum is not known. */
export function payment(
  clock: TestClock,
  { amount = '2000.0', cap = 5_000, sample = {}, make = permitted }: PaymentSample = {},
): Deciding & { would: NewCall; intent: IntentId } {
  const { agent = 'helper' } = sample
  const question = asking('sum', paidBy(agent))
  const yes = make(clock, { ...sample, input: { amount } })
  const no = denied(clock, { ...sample, input: { amount } })
  const refused: NewCall = { ...no, call: { ...no.call, id: yes.call.id } }
  return {
    callId: yes.call.id,
    agent,
    counters: [question],
    reserves: question.keys,
    repeats: { idempotency: yes.idempotency, joinKey: yes.joinKey },
    would: yes,
    intent: yes.intent ?? intentId(),
    decide(answers) {
      const answer = answers.get('sum')
      const before = answer?.kind === 'value' && typeof answer.value === 'string' ? Number(answer.value) : Number.NaN
      const unit = before + Number(amount) <= cap ? { ...yes, reserves: question.keys.map((key) => ({ key, amount })) } : refused
      return { kind: 'admit', unit }
    },
  }
}
