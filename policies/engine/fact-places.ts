import { instant } from '../../gateway/core/clock.ts'
import { decimalText, parseDecimal, tenThousandths } from '../../gateway/core/decimal.ts'
import type { HistoryFact } from '../../gateway/core/facts.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../../gateway/core/json.ts'
import type { Operation } from '../../gateway/core/operation.ts'
import { pointerTokens, valuesAt } from '../../gateway/core/pointers.ts'
import { LIMITS } from '../../gateway/limits.ts'
import type { Question } from '../../gateway/ports/decider.ts'
import type { Literals } from './atoms.ts'
import type { DerivedFact } from './derived.ts'
import type { OperationFacts } from './facts-file.ts'
import type { RecordShape, Shape } from './input-shape.ts'
import { localTime } from './local-time.ts'
import type { SchemaSamples } from './schema-samples.ts'

const DAY_MS = 24 * 3_600_000

/** How declared facts hang together with the arguments that they are made from. */
export class FactPlaces {
  readonly #operation: Operation
  /** Of both policy sets, which may declare a name differently. */
  readonly #declared: readonly OperationFacts[]

  constructor(operation: Operation, declared: readonly OperationFacts[]) {
    this.#operation = operation
    this.#declared = declared
  }

  /** The argument pointers that a fact depends on: what a derived one is made from, and what the present call adds to history. */
  pointersOf(section: string, name: string): readonly string[] {
    const found = this.#declared.flatMap(({ derived, history }) => {
      if (section === 'derived') return derived.get(name)?.pointers ?? []
      const fact = section === 'history' ? history.get(name)?.fact : undefined
      return fact && (fact.kind === 'sum' || fact.kind === 'unseen') ? (fact.of.get(this.#operation.id)?.values ?? []) : []
    })
    return [...new Set(found)]
  }

  /** Whether a fact is read from a clock. */
  readsClock(section: string, name: string): boolean {
    return section === 'derived' && this.#declared.some(({ derived }) => derived.get(name)?.zone !== undefined)
  }

  /** Moments around the base at which the facts that are read from a clock come to the literals and their neighbours: RFC 3339. */
  moments({ numbers }: Literals, baseMs: number): string[] {
    const midnight = baseMs - (baseMs % DAY_MS)
    const zones = new Set(this.#declared.flatMap(({ derived }) => [...derived.values()].flatMap(({ zone }) => zone ?? [])))
    const minutes = [...numbers].filter((n) => n >= 0 && n < 1_440).sort((a, b) => b - a)
    const times = [...zones].flatMap((zone) => {
      const ahead = localTime(zone, instant(midnight)).minute
      return minutes.flatMap((n) => [n, n - 1, n + 1].map((minute) => (((minute - ahead) % 1_440) + 1_440) % 1_440))
    })
    const days = [0, 1, 2, 3, 4, 5, 6].map((day) => midnight + day * DAY_MS)
    const noons = days.map((day) => day + DAY_MS / 2)
    const all = [...noons, ...days.flatMap((day) => [...new Set(times)].map((minute) => day + minute * 60_000))]
    return all.slice(0, LIMITS.boundaryMomentsMax).map((ms) => new Date(ms).toISOString())
  }

  /** Whether a fact counts the calls of a subject: without one it has no value. */
  needsSubject(section: string, name: string): boolean {
    return section === 'history' && this.#declared.some(({ history }) => history.get(name)?.fact.by.includes('subject'))
  }

  /** Facts without those that have no value when nobody is acted for. */
  known(history: JsonObject, subject: boolean): JsonObject {
    return subject ? history : Object.fromEntries(Object.entries(history).filter(([name]) => !this.needsSubject('history', name)))
  }

  /** The least that a history fact can be for these arguments: what the present call alone comes to. */
  least(name: string, input: JsonObject): JsonValue {
    const [fact] = this.#history(name)
    if (!fact) return null
    const counted = fact.inclusive ? fact.of.get(this.#operation.id) : undefined
    if (fact.kind === 'sum') return decimalText(amountAt(input, counted?.values ?? []))
    return fact.kind === 'last' ? null : Number(fact.kind === 'count' && counted !== undefined)
  }

  /** Whether what the facts say can be so for these arguments: sums include the present call, new values are among its own, the last one was before now. */
  isPossible({ facts: { history }, input, now }: Question): boolean {
    return Object.entries(history).every(([name, value]) =>
      this.#history(name).every(({ kind, of, inclusive }) => {
        const counted = of.get(this.#operation.id)
        const values = (counted?.values ?? []).flatMap((pointer) => valuesAt(input, pointer))
        if (kind === 'sum') return (parseDecimal(String(value)) ?? 0n) >= amountAt(input, counted?.values ?? [])
        if (kind === 'last') return typeof value !== 'string' || Date.parse(value) <= now
        if (kind === 'unseen') return Number(value) <= new Set(values.map((one) => JSON.stringify(one))).size
        return kind !== 'count' || !inclusive || !counted || Number(value) >= 1
      }),
    )
  }

  #history(name: string): readonly HistoryFact[] {
    return this.#declared.flatMap(({ history }) => history.get(name)?.fact ?? [])
  }

  /** Values for the argument that holds a pointer's values, so that the facts made from it come to the literals and their neighbours. */
  valuesFor(pointer: string, literals: Literals, samples: SchemaSamples): JsonValue[] {
    const facts = this.#declared.flatMap(({ derived }) => [...derived.values()].filter(({ pointers }) => pointers.includes(pointer)))
    const lists = [...facts.flatMap((fact) => listsOf(fact, literals)), ...countLists(literals, (i) => `value-${i}`)]
    const [before, inside] = cut(pointer)
    const schema = samples.at(before)
    return lists.flatMap((list) => {
      if (inside === undefined) return list.slice(0, 1)
      const items = schema && isJsonObject(schema.items) ? samples.sample(schema.items) : null
      return [list.map((leaf) => nested(items, inside, leaf))]
    })
  }
}

const amountAt = (input: JsonObject, pointers: readonly string[]): bigint =>
  pointers.flatMap((pointer) => valuesAt(input, pointer)).reduce((sum: bigint, value) => sum + (tenThousandths(Number(value)) ?? 0n), 0n)

/** `/to/*` is the argument `to` and what is inside each of its items. */
function cut(pointer: string): readonly [before: readonly string[], inside: readonly string[] | undefined] {
  const tokens = pointerTokens(pointer)
  const star = tokens.indexOf('*')
  return star < 0 ? [tokens, undefined] : [tokens.slice(0, star), tokens.slice(star + 1)]
}

/** The path in `context` of the argument that holds a pointer's values. */
export const placeOfPointer = (pointer: string): readonly string[] => ['input', ...cut(pointer)[0]]

/** A copy of an item with a value deep inside. */
function nested(item: JsonValue, [first, ...rest]: readonly string[], leaf: JsonValue): JsonValue {
  if (first === undefined) return leaf
  if (first === '*') return [nested(null, rest, leaf)]
  const own = isJsonObject(item) ? item : {}
  return { ...own, [first]: nested(own[first] ?? null, rest, leaf) }
}

/** Lists of leaves at which a derived fact comes to what it is compared with. */
function listsOf({ kind, domains }: DerivedFact, literals: Literals): JsonValue[][] {
  if (kind === 'outside_domains') {
    const own = domains.map((domain) => [domain.startsWith('.') ? `a@x${domain}` : `a@${domain}`])
    return [...own, ...countLists(literals, (i) => `a${i}@elsewhere.invalid`)]
  }
  if (kind === 'length') return lengths(literals).map((length) => ['x'.repeat(length)])
  if (kind === 'count' || kind === 'distinct' || kind === 'weekday' || kind === 'minute_of_day') return []
  const amounts = [...literals.decimals].flatMap((text) => parseDecimal(text) ?? [])
  const near = amounts.flatMap((n) => [n, n + 100n, n - 100n, n + 1n, n - 1n])
  return near.flatMap((n) => [[Number(n) / 10_000], [Number(n - 10_000n) / 10_000, 1]])
}

const countLists = (literals: Literals, leaf: (i: number) => string): JsonValue[][] =>
  lengths(literals).map((length) => Array.from({ length }, (_, i) => leaf(i)))

const lengths = ({ numbers }: Literals): number[] =>
  [...new Set([0, 1, 2, ...[...numbers].flatMap((n) => [n, n + 1, n - 1])])].filter((n) => n >= 0 && n <= LIMITS.boundaryListItemsMax)

/** The shape with a place in it that conditions look at only by way of a fact. `full` is the shape before it was cut down. */
export function withPlace(shape: RecordShape, full: RecordShape, [name = '', ...rest]: readonly string[]): RecordShape {
  const field = full.fields.get(name)
  if (!field) return shape
  const known = shape.fields.get(name)?.shape
  const inner: Shape =
    field.shape.kind === 'record' && rest.length > 0
      ? withPlace(known?.kind === 'record' ? known : { kind: 'record', fields: new Map() }, field.shape, rest)
      : field.shape
  return { kind: 'record', fields: new Map([...shape.fields, [name, { shape: inner, required: field.required }]]) }
}
