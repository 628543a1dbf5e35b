import { decimalText, parseDecimal } from '../../gateway/core/decimal.ts'
import type { JsonValue } from '../../gateway/core/json.ts'
import { LIMITS } from '../../gateway/limits.ts'
import type { Literals } from './atoms.ts'
import type { Shape } from './input-shape.ts'

/** A value that is none of the texts of any policy, unless somebody writes it on purpose. */
const OTHER = 'another'
const SECOND_MS = 1_000
const DAY_MS = 24 * 3_600_000

/**
 * The values at which conditions over one place can change their mind: every literal and its neighbours on both sides, of the place's own type.
 * The plainest come first. `baseMs` is the moment that points in time lie around, ms since epoch.
 */
export function boundaryValues(shape: Shape, literals: Literals, baseMs: number, plain: Plain = NOTHING): readonly JsonValue[] {
  return distinct(valuesOf(shape, literals, baseMs, plain))
}

/** What the schema of a place says of its values. */
export interface Plain {
  /** Values for the items of an array. */
  readonly items: readonly JsonValue[]
  /** Texts are of some form: patterns are filled with what may fit. */
  readonly formed: boolean
}

const NOTHING: Plain = { items: [], formed: false }

function valuesOf(shape: Shape, literals: Literals, baseMs: number, plain: Plain): JsonValue[] {
  switch (shape.kind) {
    case 'long':
      return longs(literals)
    case 'decimal':
      return decimals(literals).map(Number)
    case 'amount':
      return decimals(literals)
    case 'bool':
      return [false, true]
    case 'datetime':
      return datetimes(literals, baseMs)
    case 'string':
      return texts(literals, plain.formed)
    case 'json':
      return texts(literals, plain.formed).flatMap(asJson)
    case 'set':
      return sets(shape.element, literals, baseMs, plain.items)
    case 'union':
      return [...shape.variants.values()].flatMap((variant) => valuesOf(variant, literals, baseMs, plain))
    default:
      return [...literals.records.values(), {}]
  }
}

/** Each number and its neighbours; sums, differences and quotients of two, since one of them may be a factor or a summand. */
function longs({ numbers }: Literals): number[] {
  const all = [...numbers]
  const made = all.flatMap((a) => all.flatMap((b) => (a === b ? [] : [a + b, a - b, ...(b === 0 ? [] : [Math.trunc(a / b)])])))
  return [1, 0, ...all.flatMap((n) => [n, n + 1, n - 1]), ...made.flatMap((n) => [n, n + 1, n - 1])].filter(Number.isSafeInteger)
}

/** Each decimal, a cent and the smallest step beside it, as decimal text. */
function decimals({ decimals: written }: Literals): string[] {
  const values = [...written].map(parseDecimal).filter((n) => n !== undefined)
  const near = values.flatMap((n) => [n, n + 100n, n - 100n, n + 1n, n - 1n])
  return [10_000n, 0n, ...near].map(decimalText)
}

const SPANS_COMBINED_MAX = 6

const UNITS: Readonly<Record<string, number>> = {
  toMilliseconds: 1,
  toSeconds: SECOND_MS,
  toMinutes: 60_000,
  toHours: 3_600_000,
  toDays: DAY_MS,
}

/** Around every written moment; as far from the base and from each of these as every written duration; at every time of day. RFC 3339, whole seconds. */
function datetimes(literals: Literals, baseMs: number): string[] {
  const base = baseMs - (baseMs % SECOND_MS)
  const midnight = base - (base % DAY_MS)
  const moments = [...literals.datetimes].map(momentOf).filter((ms) => ms !== undefined)
  const spans = [...literals.durations].map(spanOf).filter((ms) => ms !== undefined)
  for (const [name, unit] of Object.entries(UNITS))
    if (literals.functions.has(name)) spans.push(...[...literals.numbers].flatMap((n) => [n * unit, (n + 1) * unit]))
  const dated = literals.functions.has('toDate') || literals.functions.has('toTime')
  if (dated) spans.push(DAY_MS)
  const points = [base, ...moments]
  const written = spans.slice(0, SPANS_COMBINED_MAX)
  // One of two may be an offset of the other.
  for (const span of [...spans, ...written.flatMap((a) => written.flatMap((b) => (a === b ? [] : [a + b, a - b])))]) {
    if (span >= 0 && span <= DAY_MS) points.push(midnight + (span % DAY_MS))
    for (const from of [base, ...moments]) points.push(from - span, from + span)
  }
  if (dated) points.push(midnight)
  const near = points.flatMap((ms) => [ms, ms + SECOND_MS, ms - SECOND_MS])
  return near.filter((ms) => ms >= -8.64e13 && ms <= 8.64e13).map((ms) => new Date(ms).toISOString())
}

/** Milliseconds since epoch of a Cedar datetime: a date, or a date and time with `Z` or an offset such as `+0100`. */
function momentOf(text: string): number | undefined {
  const ms = Date.parse(text.replace(/([+-]\d{2})(\d{2})$/, '$1:$2'))
  return Number.isNaN(ms) ? undefined : ms
}

/** Milliseconds of a Cedar duration such as `1d2h3m4s5ms`. */
function spanOf(text: string): number | undefined {
  const match = /^(-?)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$/.exec(text)
  if (!match) return undefined
  const [, sign, ...parts] = match
  const units = [DAY_MS, 3_600_000, 60_000, SECOND_MS, 1]
  const ms = units.reduce((sum, unit, i) => sum + Number(parts[i] ?? 0) * unit, 0)
  return sign === '-' ? -ms : ms
}

/** Every text, one that is none of them, and texts that patterns match and barely miss. */
function texts(literals: Literals, formed: boolean): string[] {
  const patterns = [...literals.patterns.values()].slice(0, LIMITS.boundaryPatternsMax)
  const samples = patterns.flatMap((pattern) => [filled(pattern, ''), filled(pattern, 'x')])
  const parts = patterns.flatMap((pattern) => pattern.filter((part) => part !== null))
  const joint = patterns.flatMap((pattern) => [...samples, ...parts, ...literals.texts].map((text) => filled(pattern, text)))
  const missed = samples.flatMap((text) => [text.slice(0, -1), text.slice(1), `${text}x`, `x${text}`])
  const fitting = formed ? patterns.flatMap((pattern) => FILLS.map((text) => filled(pattern, text))) : []
  return [OTHER, ...literals.texts, ...samples, '', ...missed, ...joint, ...fitting]
}

/** What may stand for a wildcard where a text must have some form. */
const FILLS: readonly string[] = ['0', 'A', 'a', '9'].flatMap((letter) => Array.from({ length: 24 }, (_, i) => letter.repeat(i + 1)))

const filled = (pattern: readonly (string | null)[], text: string): string => pattern.map((part) => part ?? text).join('')

/** The value whose canonical text is the wanted one where there is such a value; and a text, an array and an object that hold it. */
function asJson(text: string): JsonValue[] {
  const holding = [text, [text], { x: text }]
  try {
    const value = JSON.parse(text) as JsonValue
    return JSON.stringify(value) === text ? [value, ...holding] : holding
  } catch {
    return holding
  }
}

/** None, each value alone, every written set, the same with one taken away or one more, and all values together. `items` are plain ones. */
function sets(element: Shape, literals: Literals, baseMs: number, items: readonly JsonValue[]): JsonValue[][] {
  const singles = distinct([...items, ...boundaryValues(element, literals, baseMs)])
  const written = [...literals.sets.values(), [...literals.texts], [...literals.numbers], [...literals.records.values()]]
  const near = written
    .filter((set) => set.length > 0)
    .flatMap((set) => {
      const one = singles.filter((value) => !set.some((own) => JSON.stringify(own) === JSON.stringify(value))).slice(0, 2)
      return [[...set], ...set.map((_, i) => set.toSpliced(i, 1)), ...one.map((value) => [...set, value])]
    })
  return [[], ...singles.map((value) => [value]), ...near, [...singles]].filter((set) =>
    set.every((value) => singles.some((known) => JSON.stringify(known) === JSON.stringify(value))),
  )
}

export function distinct<T extends JsonValue | undefined>(values: readonly T[]): T[] {
  return [...new Map(values.map((value) => [JSON.stringify(value), value])).values()]
}
