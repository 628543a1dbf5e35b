import type { OperationId } from './ids.ts'
import type { JsonObject } from './json.ts'

/** Whose calls a history fact counts together. Without a subject, `subject` and `agent-and-subject` have no value: what reads them is denied. */
export type Dimension = 'agent' | 'subject' | 'agent-and-subject' | 'owner' | 'organisation'
export type HistoryKind = 'sum' | 'count' | 'unseen' | 'last' | 'streak'

/** Where a counted operation's arguments hold what a fact looks at. Pointers may have `*` for every item. */
export interface Counted {
  /** `sum`: the one amount; `unseen`: the values; empty for the others. */
  readonly values: readonly string[]
  /** What must be the same, in the order of the fact's own `same`. */
  readonly same: readonly string[]
}

/** A fact about earlier calls: over executed, executing and in-doubt ones. */
export interface HistoryFact {
  readonly name: string
  readonly kind: HistoryKind
  /** SHA-256 hex over what is counted, for whom and under which pointers, but neither name nor window: equal series share counters. */
  readonly series: string
  readonly by: Dimension
  /** Milliseconds, whole seconds; a streak has none and says 0. */
  readonly windowMs: number
  /** Whether the present call counts: always for `sum`, by choice for `count`, never otherwise. */
  readonly inclusive: boolean
  readonly of: ReadonlyMap<OperationId, Counted>
  /** What must be the same, in an operation that reads the fact without being counted. */
  readonly same: readonly string[]
}

/** A value that the intent of a call adds to a counter. Given back where the call fails or never runs; kept where it is in doubt. */
export interface Reservation {
  /** HMAC-SHA256 hex under the installation's key over series, dimension and what is the same (for `unseen`: and the value). */
  key: string
  /** Decimal text, not negative, at most four places; null where only the call counts. */
  amount: string | null
}

/** A business object's present state, by one declared read operation of the same connector. */
export interface LookupFact {
  readonly name: string
  readonly operation: OperationId
  /** Argument of the read operation to pointer into the call's arguments. */
  readonly with: Readonly<Record<string, string>>
  /** Pointers into the answer; the last token is the attribute's name. */
  readonly fields: readonly string[]
}

/** What has to be known before one operation's calls can be decided and counted. One object for each operation and policy set. */
export interface FactNeeds {
  /** History that the operation's policies read. */
  readonly history: readonly HistoryFact[]
  /** History that counts the operation's calls, and that some policy anywhere reads. */
  readonly counted: readonly HistoryFact[]
  /** Lookups that the operation's policies read. */
  readonly lookups: readonly LookupFact[]
  readonly labels: boolean
  readonly findings: boolean
}

/** Facts of one call, as they go to policy and into the record. What is needed and absent could not be computed: that is a deny. */
export interface Facts {
  /**
   * By name. `sum`: decimal text with one to four places; `count`, `unseen`, `streak`: a whole number; `last`: RFC 3339 in UTC, or null where there was
   * none.
   */
  readonly history: JsonObject
  /** By name: the chosen fields by attribute name; a field that the answer lacks is absent. */
  readonly lookup: JsonObject
  /** Sorted. Absent where nobody looked. */
  readonly labels?: readonly string[]
  /** Sorted. Absent where nobody looked. */
  readonly findings?: readonly string[]
}

export const NO_FACTS: Facts = Object.freeze({ history: Object.freeze({}), lookup: Object.freeze({}) })

export const NO_NEEDS: FactNeeds = Object.freeze({
  history: Object.freeze([]),
  counted: Object.freeze([]),
  lookups: Object.freeze([]),
  labels: false,
  findings: false,
})
