import { domainToASCII } from 'node:url'
import type { Instant } from '../../gateway/core/clock.ts'
import { decimalText, tenThousandths } from '../../gateway/core/decimal.ts'
import { canonicalJson, type JsonObject, type JsonValue } from '../../gateway/core/json.ts'
import { valuesAt } from '../../gateway/core/pointers.ts'
import { type Declaration, meant, scalarKind, shown } from './declaration.ts'
import { CannotEncode } from './encode.ts'
import type { Field, Shape } from './input-shape.ts'
import { isTimeZone, localTime, timeZones } from './local-time.ts'
import { shapesAt } from './pointer-shape.ts'

const KINDS = ['count', 'sum', 'min', 'max', 'length', 'distinct', 'outside_domains', 'weekday', 'minute_of_day'] as const
type DerivedKind = (typeof KINDS)[number]

/** A pure function of the arguments, or of the time, that policy cannot express. */
export interface DerivedFact {
  readonly name: string
  readonly kind: DerivedKind
  readonly pointers: readonly string[]
  /** Of `outside_domains`: lower-case ASCII; one with a dot in front stands for all its subdomains. */
  readonly domains: readonly string[]
  /** Of `weekday` and `minute_of_day`: whose clock is read. */
  readonly zone?: string
}

/**
 * Reads one entry of `derived`: one of the kinds with its pointers, and `domains` for `outside_domains`; `weekday` and `minute_of_day` with a time zone
 * instead. Undefined, with faults, where it does not hold.
 */
export function derivedFact(declared: Declaration): DerivedFact | undefined {
  const kind = declared.kind(KINDS)
  if (!kind) return undefined
  if (kind === 'weekday' || kind === 'minute_of_day') return localTimeFact(declared, kind)
  declared.refuseOtherKeys(kind === 'outside_domains' ? [kind, 'domains'] : [kind])
  const pointers = declared.pointers([kind], declared.body[kind])
  const domains = kind === 'outside_domains' ? domainsOf(declared) : []
  return declared.faulty ? undefined : { name: declared.name, kind, pointers, domains }
}

function localTimeFact(declared: Declaration, kind: 'weekday' | 'minute_of_day'): DerivedFact | undefined {
  declared.refuseOtherKeys([kind])
  const zone = declared.body[kind]
  if (typeof zone === 'string' && isTimeZone(zone))
    return declared.faulty ? undefined : { name: declared.name, kind, pointers: [], domains: [], zone }
  const word = shown(zone ?? null)
  declared.fault([kind], `there is no time zone \`${word}\`: ${meant(word, timeZones(), 'write `Europe/Berlin` or `+01:00`')}`)
  return undefined
}

function domainsOf(declared: Declaration): readonly string[] {
  const { domains = null } = declared.body
  const list = Array.isArray(domains) ? domains : domains === null ? [] : [domains]
  if (list.length === 0) declared.fault([], `\`${declared.name}\` has no \`domains\`: list your own, as in \`[acme.example]\``)
  return list.flatMap((domain, index) => {
    const dot = typeof domain === 'string' && domain.startsWith('.') ? '.' : ''
    const ascii = typeof domain === 'string' ? asciiDomain(domain.slice(dot.length)) : undefined
    if (ascii === undefined)
      declared.fault(
        ['domains', index],
        `\`${shown(domain)}\` is no domain: write \`acme.example\`, or \`.acme.example\` for its subdomains`,
      )
    return ascii === undefined ? [] : [dot + ascii]
  })
}

const asciiDomain = (domain: string): string | undefined => {
  const ascii = domainToASCII(domain.normalize('NFC').replace(/\.$/, ''))
  return /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/.test(ascii) ? ascii : undefined
}

/** What the values must be for the fact to exist; undefined where anything will do. */
const OPERAND: Readonly<Record<DerivedKind, 'decimal' | 'string' | undefined>> = {
  count: undefined,
  sum: 'decimal',
  min: 'decimal',
  max: 'decimal',
  length: 'string',
  distinct: undefined,
  outside_domains: 'string',
  weekday: undefined,
  minute_of_day: undefined,
}

/** Where all its pointers lead to something, of the type that it is made from. */
export function derivedExists({ kind, pointers }: DerivedFact, input: Shape): boolean {
  const operand = OPERAND[kind]
  return pointers.every((pointer) => {
    const found = shapesAt(input, pointer)
    return found !== undefined && (operand === undefined || scalarKind(found) === operand)
  })
}

/** For a fact that exists nowhere: what it would have needed. */
export const operandWords = ({ kind }: DerivedFact): string => {
  const operand = OPERAND[kind]
  return operand === undefined ? 'values' : operand === 'decimal' ? 'numbers' : 'texts'
}

const LONG: Field = { shape: { kind: 'long' }, required: true }
const OPTIONAL_DECIMAL: Field = { shape: { kind: 'amount' }, required: false }

/** How policy sees the fact: a Long; `sum` a decimal, `min` and `max` a decimal that is absent where there are no values. */
export function derivedField({ kind }: DerivedFact): Field {
  if (kind === 'sum') return { shape: { kind: 'amount' }, required: true }
  return kind === 'min' || kind === 'max' ? OPTIONAL_DECIMAL : LONG
}

/**
 * The fact for these arguments: `count` of the values, their exact `sum`, `min` and `max` as decimal text (null without values), `length` of all texts
 * in Unicode code points, how many are `distinct` as JSON, and how many addresses lie in none of the domains. Absent members and nulls are no values.
 * `weekday` is 1 for Monday to 7 for Sunday and `minute_of_day` 0 to 1439, both by the zone's clock at `now`, summer time included.
 * Throws CannotEncode where it cannot be computed.
 */
export function derive({ kind, pointers, domains, zone = 'UTC' }: DerivedFact, input: JsonObject, now: Instant): JsonValue {
  const found = pointers.flatMap((pointer) => valuesAt(input, pointer).map((value) => ({ pointer, value })))
  switch (kind) {
    case 'count':
      return found.length
    case 'distinct':
      return new Set(found.map(({ pointer, value }) => canonical(value, pointer))).size
    case 'length':
      return found.reduce((sum, { pointer, value }) => sum + [...text(value, pointer)].length, 0)
    case 'weekday':
      return localTime(zone, now).weekday
    case 'minute_of_day':
      return localTime(zone, now).minute
    case 'outside_domains':
      return found.filter(({ value }) => !liesIn(value, domains)).length
    default:
      return amount(
        kind,
        found.map(({ pointer, value }) => units(value, pointer)),
      )
  }
}

function amount(kind: 'sum' | 'min' | 'max', values: readonly bigint[]): string | null {
  if (kind === 'sum') return decimalText(values.reduce((sum, value) => sum + value, 0n))
  const [first, ...more] = values
  if (first === undefined) return null
  return decimalText(more.reduce((best, value) => ((kind === 'min' ? value < best : value > best) ? value : best), first))
}

function units(value: JsonValue, pointer: string): bigint {
  const exact = typeof value === 'number' ? tenThousandths(value) : undefined
  if (exact === undefined)
    throw new CannotEncode(`/input${pointer}`, 'has more than four decimal places or is too large: give at most four')
  return exact
}

function text(value: JsonValue, pointer: string): string {
  if (typeof value !== 'string') throw new CannotEncode(`/input${pointer}`, 'is not text')
  return value
}

function canonical(value: JsonValue, pointer: string): string {
  try {
    return canonicalJson(value)
  } catch {
    throw new CannotEncode(`/input${pointer}`, 'has no canonical JSON form')
  }
}

/** What a display name and a plain mailbox cannot have: comments, lists, quoted names and source routes are read in several ways, so they are not read. */
const NAME = /^[^<>@,;:"()[\]\\\p{C}]*$/u
const MAILBOX = /^[^\s<>@,;:"()[\]\\%!\p{C}]+@(?<domain>[^\s<>@,;:"()[\]\\%!\p{C}]+)$/u

/** `a@b.example` and `Name <a@b.example>`; empty for anything else with angle brackets. */
function mailbox(address: string): string {
  const at = address.indexOf('<')
  if (at < 0) return address
  return address.endsWith('>') && NAME.test(address.slice(0, at)) ? address.slice(at + 1, -1) : ''
}

/** Whether an address is certainly in one of the domains: an exact one, or below one that starts with a dot. */
function liesIn(value: JsonValue, domains: readonly string[]): boolean {
  if (typeof value !== 'string') return false
  const domain = asciiDomain(MAILBOX.exec(mailbox(value))?.groups?.domain ?? '')
  if (domain === undefined) return false
  return domains.some((own) => (own.startsWith('.') ? domain.endsWith(own) : domain === own))
}
