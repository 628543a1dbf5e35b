import { createHmac } from 'node:crypto'
import { decimalText, fitsDecimal, parseDecimal, tenThousandths } from '../core/decimal.ts'
import type { Counted, Dimension, FactNeeds, HistoryFact } from '../core/facts.ts'
import { canonicalJson, type JsonObject, type JsonValue } from '../core/json.ts'
import { pointerTokens, valuesAt } from '../core/pointers.ts'
import { LIMITS } from '../limits.ts'
import type { CounterAnswer, CounterQuestion, Reservation, StreakCounter } from '../ports/recorder.ts'
import type { Subject } from './subject.ts'
import type { Parts } from './stages.ts'

/** Who counts together, and under which key. */
export type Counting = Pick<Parts, 'organisation' | 'factKey'>
/** What of a call counters look at: the same for a fresh call and for one in the record. */
export type CountedCall = Pick<Subject, 'input'> & {
  operation: Pick<Subject['operation'], 'id'>
  agent: string
  owner: string
  subject: string | null
}

/** Why something is not known, for people; and a sentence for the agent where that helps it. */
export interface Gap {
  readonly error: string
  readonly advice?: string
}

/** What one call asks of the counters and adds to them. */
export interface History {
  readonly counters: readonly CounterQuestion[]
  /** One for each key. */
  readonly reserves: readonly Reservation[]
  /** Why what the call does could not be counted; null where it can. */
  readonly uncounted: Gap | null
  /** The facts by name, and why those are missing that could not be computed. */
  facts(answers: ReadonlyMap<string, CounterAnswer>): { history: JsonObject; missing: readonly Gap[] }
}

/** A value that cannot be had of this call, and why. */
class NotCountable extends Error {
  override readonly name = 'NotCountable'
}

/** Null where nothing is read and nothing is counted. */
export function historyOf(counting: Counting, call: CountedCall, needs: FactNeeds): History | null {
  if (needs.history.length === 0 && needs.counted.length === 0) return null
  const keys = new Keys(counting, call)
  const asked = needs.history.map((fact) => ask(keys, call, fact))
  const { reserves, uncounted } = reserve(keys, call, needs.counted)
  return {
    counters: asked.flatMap(({ question }) => question ?? []),
    reserves,
    uncounted,
    facts(answers) {
      const told = asked.map(({ fact, tell }) => ({ fact, ...tell(answers.get(fact.name)) }))
      return {
        history: Object.fromEntries(told.flatMap(({ fact, value }) => (value === undefined ? [] : [[fact.name, value]]))),
        missing: told.flatMap(({ fact, why }) => (why === undefined ? [] : [gap(`history \`${fact.name}\` is not known`, why)])),
      }
    },
  }
}

/** Counters of clean approvals that a call's approval or refusal changes. */
export function streakCounters(counting: Counting, call: CountedCall, { counted }: Pick<FactNeeds, 'counted'>): readonly StreakCounter[] {
  const keys = new Keys(counting, call)
  const found = new Map<string, StreakCounter>()
  for (const fact of counted.filter(({ kind }) => kind === 'streak')) {
    for (const key of attempt(() => keys.of(fact, sameOf(fact, call))).value ?? [])
      found.set(key, { series: seriesOf(counting, fact), key })
  }
  return [...found.values()]
}

/** What a call of the past would have reserved for one fact; empty where it could not be counted. */
export const reservationsOf = (counting: Counting, call: CountedCall, fact: HistoryFact): readonly Reservation[] =>
  reserve(new Keys(counting, call), call, [fact]).reserves

/** Where the cause is an argument, the agent is told which; names of facts are not its business. */
const gap = (what: string, why: string): Gap => ({ error: `${what}: ${why}`, ...(why.startsWith('`/') ? { advice: `${why}.` } : {}) })

type Told = { value?: JsonValue; why?: string }
interface Asking {
  fact: HistoryFact
  /** Absent where there is nothing to ask. */
  question?: CounterQuestion
  tell(answer: CounterAnswer | undefined): Told
}

function ask(keys: Keys, call: CountedCall, fact: HistoryFact): Asking {
  const made = attempt(() => questionFor(keys, call, fact))
  if (!made.value) return { fact, tell: () => ({ why: made.why }) }
  const { question, present } = made.value
  if (question.keys.length === 0) return { fact, tell: () => ({ value: 0 }) }
  return {
    fact,
    question,
    tell(answer) {
      if (!answer) return { why: 'nobody counted' }
      if (answer.kind === 'unknown') return { why: answer.why }
      return factValue(fact, answer.value, present)
    },
  }
}

/** The question, and what the present call adds to its answer: ten-thousandths for a sum, calls for a count. */
function questionFor(keys: Keys, call: CountedCall, fact: HistoryFact): { question: CounterQuestion; present: bigint } {
  const { name, kind, windowMs } = fact
  const counted = fact.of.get(call.operation.id)
  if (kind === 'unseen' && !counted) throw new NotCountable('the operation is not among those whose values are remembered')
  const found = keys.of(fact, sameOf(fact, call), kind === 'unseen' ? (counted?.values ?? []) : undefined)
  if (found === null) throw new NotCountable('the call is made for nobody')
  const present = !fact.inclusive || !counted ? 0n : kind === 'sum' ? amountOf(counted, call.input) : 1n
  return { question: { fact: name, kind, series: seriesOf(keys.counting, fact), keys: found, windowMs }, present }
}

function factValue({ kind }: HistoryFact, value: string | number | null, present: bigint): Told {
  switch (kind) {
    case 'sum': {
      const before = typeof value === 'string' ? parseDecimal(value) : undefined
      if (before === undefined || !fitsDecimal(before + present)) return { why: 'the sum is beyond what a decimal holds' }
      return { value: decimalText(before + present) }
    }
    case 'last':
      return { value: typeof value === 'number' ? new Date(value).toISOString() : null }
    default:
      return typeof value === 'number' ? { value: value + Number(present) } : { why: 'nobody counted' }
  }
}

/** What the call adds, each counter once: equal series share one. What has no value of its own, such as a subject where there is none, is not counted. */
function reserve(keys: Keys, call: CountedCall, counted: readonly HistoryFact[]): Pick<History, 'reserves' | 'uncounted'> {
  const amounts = new Map<string, string | null>()
  for (const fact of counted) {
    const of = fact.of.get(call.operation.id)
    if (!of || fact.kind === 'streak') continue
    const made = attempt(() => {
      const amount = fact.kind === 'sum' ? decimalText(amountOf(of, call.input)) : null
      for (const key of keys.of(fact, of.same, fact.kind === 'unseen' ? of.values : undefined) ?? [])
        amounts.set(key, amount ?? amounts.get(key) ?? null)
      if (amounts.size > LIMITS.factKeysPerCallMax) throw new NotCountable(`more than ${LIMITS.factKeysPerCallMax} values are named`)
    })
    if (made.why !== undefined) return { reserves: [], uncounted: gap(`the call cannot be counted in \`${fact.name}\``, made.why) }
  }
  return { reserves: [...amounts].map(([key, amount]) => ({ key, amount })), uncounted: null }
}

/** Pointers to what must be the same, as this operation has them. */
const sameOf = (fact: HistoryFact, { operation }: CountedCall): readonly string[] => fact.of.get(operation.id)?.same ?? fact.same

/** The one amount of a counted call. Throws NotCountable. */
function amountOf({ values: [pointer = ''] }: Counted, input: JsonObject): bigint {
  const [value, ...more] = valuesAt(input, pointer)
  if (value === undefined) throw new NotCountable(`\`${pointer}\` is absent`)
  const amount = more.length > 0 || typeof value !== 'number' ? undefined : tenThousandths(value)
  if (amount === undefined || !fitsDecimal(amount))
    throw new NotCountable(`\`${pointer}\` is no number with at most four decimal places that policy can hold: give one`)
  if (amount < 0n) throw new NotCountable(`\`${pointer}\` is negative`)
  return amount
}

/** A series under the installation's key: under another key all counters are others, so what was counted under the old one must not answer for them. */
export const seriesOf = (counting: Counting, { series }: HistoryFact): string => digestOf(counting, ['series', series])

const digestOf = ({ factKey }: Counting, of: JsonValue): string => createHmac('sha256', factKey).update(canonicalJson(of)).digest('hex')

/** Names of counters for one call. */
class Keys {
  constructor(
    readonly counting: Counting,
    readonly call: CountedCall,
  ) {}

  /** One key, or for `values` one for each different value at these pointers. Null where the fact's dimension has no value. Throws NotCountable. */
  of({ series, by }: HistoryFact, same: readonly string[], values?: readonly string[]): readonly string[] | null {
    const dimension = this.#dimension(by)
    if (dimension === null) return null
    const common = [series, dimension, same.map((pointer) => this.#same(pointer))]
    if (values === undefined) return [this.#key(common)]
    const all = values.flatMap((pointer) => valuesAt(this.call.input, pointer))
    const distinct = [...new Set(all.map(canonicalJson))]
    if (distinct.length > LIMITS.factKeysPerCallMax)
      throw new NotCountable(`\`${values.join('`, `')}\` name more than ${LIMITS.factKeysPerCallMax} values`)
    return distinct.sort().map((value) => this.#key([...common, value]))
  }

  #dimension(by: Dimension): JsonValue {
    const { agent, subject, owner } = this.call
    switch (by) {
      case 'agent':
        return [by, agent]
      case 'subject':
        return subject === null ? null : [by, subject]
      case 'agent-and-subject':
        return subject === null ? null : [by, agent, subject]
      case 'owner':
        return [by, owner]
      case 'organisation':
        return [by, this.counting.organisation]
    }
  }

  #same(pointer: string): JsonValue {
    const found = valuesAt(this.call.input, pointer)
    const [only] = found
    if (only === undefined) throw new NotCountable(`\`${pointer}\` is absent`)
    return pointerTokens(pointer).includes('*') ? found : only
  }

  #key(of: JsonValue): string {
    return digestOf(this.counting, of)
  }
}

function attempt<T>(make: () => T): { value: T; why?: never } | { value?: never; why: string } {
  try {
    return { value: make() }
  } catch (error) {
    if (error instanceof NotCountable) return { why: error.message }
    throw error
  }
}
