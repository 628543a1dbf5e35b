import { decimalText, fitsDecimal, parseDecimal } from '../../gateway/core/decimal.ts'
import { durationMs } from '../../gateway/core/duration.ts'
import { isJsonObject, type JsonValue } from '../../gateway/core/json.ts'
import type { OperationId } from '../../gateway/core/ids.ts'
import type { Playbook, Playbooks } from '../../gateway/core/playbook.ts'
import { namespaceOf } from '../../gateway/core/operation.ts'
import { FINDINGS } from '../../gateway/ports/detector.ts'
import type { PolicySource } from '../../gateway/ports/policy-source.ts'
import { nearest } from '../engine/policy-text.ts'

/** What a value must fit into. */
export interface Surroundings extends Pick<PolicySource, 'catalogue' | 'approvals'> {
  readonly playbooks: Playbooks
}

/** A value as it stands in Cedar and in a fact; a type has one or both. */
export interface Rendered {
  readonly cedar?: string
  /** As it stands within a text, such as an annotation. */
  readonly words?: string
  readonly fact?: JsonValue
}

/** Says why a value does not fit its type: cause and remedy. */
export class Misfit extends Error {}

interface Type {
  /** For people, after the parameter's name. */
  readonly words: string
  render(value: JsonValue, around: Surroundings, of: readonly string[]): Rendered
}

/** Text as a Cedar string literal. Control characters, quotes and backslashes are escaped, so that a value never ends its literal. */
export function cedarString(text: string): string {
  return `"${Array.from(text, (char) => (/^[\p{C}"\\]$/u.test(char) ? `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}` : char)).join('')}"`
}

/** The same without the quotes, to stand within a literal. */
const withinString = (text: string): string => cedarString(text).slice(1, -1)

const TEXT_CHARS_MAX = 500
const LIST_ITEMS_MAX = 500

function textOf(value: JsonValue, example: string): string {
  if (typeof value !== 'string' || value.length === 0 || value.length > TEXT_CHARS_MAX || /[\p{Cc}\p{Cf}\p{Cs}]/u.test(value))
    throw new Misfit(`\`${shown(value)}\` is no text: write ${example}`)
  return value
}

const shown = (value: JsonValue): string => (typeof value === 'string' ? value.slice(0, 80) : JSON.stringify(value).slice(0, 80))

/** A list, or one value for a list of one. */
function listOf(value: JsonValue, example: string): readonly JsonValue[] {
  const list = Array.isArray(value) ? value : [value]
  if (list.length === 0 || list.length > LIST_ITEMS_MAX)
    throw new Misfit(`${list.length} values: give 1 to ${LIST_ITEMS_MAX}, as in \`${example}\``)
  return list
}

function oneOf(value: JsonValue, known: Iterable<string>, what: string): string {
  const all = [...known]
  const found = all.find((one) => one === value)
  if (found !== undefined) return found
  const near = typeof value === 'string' ? nearest(value, all) : undefined
  const list = all.length <= 12 ? `use one of ${all.map((one) => `\`${one}\``).join(', ')}` : 'look at the configured ones'
  throw new Misfit(`there is no ${what} \`${shown(value)}\`: ${near === undefined ? list : `did you mean \`${near}\`?`}`)
}

const entity = (type: string, id: string): string => `${type}::${cedarString(id)}`
const cedarList = (items: readonly string[]): string => `[${items.join(', ')}]`

function operationUid(value: JsonValue, { catalogue }: Surroundings): { id: string; uid: string } {
  const id = oneOf(value, catalogue.operations.keys(), 'operation') as OperationId
  const operation = catalogue.operations.get(id)
  return { id, uid: entity(`${namespaceOf(operation?.connector ?? '')}::Action`, operation?.name ?? '') }
}

const GROUPS = ['read', 'write', 'read-only', 'reversible', 'externally-reversible', 'irreversible']
const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']

const entities = (words: string, type: string, example: string): Type => ({
  words,
  render: (value) => ({ cedar: cedarList(listOf(value, `[${example}]`).map((one) => entity(type, textOf(one, `\`${example}\``)))) }),
})

const chosen = (words: string, known: readonly string[] | undefined, what: string): Type => ({
  words,
  render: (value, _around, of) => ({
    cedar: cedarList(listOf(value, '[...]').map((one) => cedarString(oneOf(one, known ?? of, what)))),
  }),
})

/** What one of the playbooks has; which of them is the policy's to ask. */
const ofPlaybooks = (words: string, all: (playbook: Playbook) => readonly string[], what: string, example: string): Type => ({
  words,
  render: (value, { playbooks }) => {
    const known = new Set(playbooks.all.flatMap(all))
    const found = listOf(value, `[${example}]`).map((one) => oneOf(one, known, what))
    return { cedar: cedarList(found.map(cedarString)), words: found.map(withinString).join(', ') }
  },
})

const TYPES = {
  text: { words: 'text', render: (value) => ({ cedar: cedarString(textOf(value, '`some words`')) }) },
  texts: {
    words: 'list of texts',
    render: (value) => ({
      cedar: cedarList(listOf(value, '[eu, ch]').map((one) => cedarString(textOf(one, '`eu`')))),
      fact: listOf(value, '[eu, ch]').map((one) => textOf(one, '`eu`')),
    }),
  },
  choice: { words: 'one of', render: (value, _around, of) => ({ fact: oneOf(value, of, 'choice') }) },
  labels: {
    words: 'list of labels',
    render: (value) => ({ cedar: cedarList(listOf(value, '[untrusted]').map((one) => cedarString(textOf(one, '`untrusted`')))) }),
  },
  findings: chosen('list of findings', FINDINGS, 'finding'),
  approval: {
    words: 'name of an approval',
    render: (value, { approvals }) => ({ cedar: cedarString(oneOf(value, approvals, 'approval')) }),
  },
  playbook: {
    words: 'name of a playbook',
    render: (value, { playbooks }) => {
      const found = oneOf(value, new Set(playbooks.all.map(({ name }) => name)), 'playbook')
      return { cedar: cedarString(found), words: withinString(found) }
    },
  },
  'playbook-versions': ofPlaybooks('list of versions of a playbook', ({ version }) => [version], 'version of a playbook', '"1"'),
  'playbook-outcomes': ofPlaybooks('list of outcomes of a playbook', ({ outcomes }) => outcomes, 'outcome of a playbook', 'pay'),
  operations: {
    words: 'list of operations',
    render: (value, around) => {
      const found = listOf(value, '[erp.releasePayment]').map((one) => operationUid(one, around))
      return { cedar: cedarList(found.map(({ uid }) => uid)), fact: found.map(({ id }) => id) }
    },
  },
  'operations-or-groups': {
    words: 'list of operations, or of `read`, `write`, `irreversible` and so on',
    render: (value, around) => ({
      cedar: cedarList(
        listOf(value, '[irreversible]').map((one) =>
          GROUPS.some((group) => group === one) ? entity('Gatehouse::Action', String(one)) : operationUid(one, around).uid,
        ),
      ),
    }),
  },
  'operations-with-pointers': {
    words: 'map of operations to pointers into their arguments',
    render: (value, around) => {
      if (!isJsonObject(value) || Object.keys(value).length === 0)
        throw new Misfit(`\`${shown(value)}\` is no map of operations: write \`{ erp.changeVendorBankAccount: /vendorId }\``)
      return { fact: Object.fromEntries(Object.entries(value).map(([id, pointer]) => [operationUid(id, around).id, pointerOf(pointer)])) }
    },
  },
  pointer: { words: 'pointer into the arguments', render: (value) => ({ fact: pointerOf(value) }) },
  pointers: {
    words: 'list of pointers into the arguments',
    render: (value) => ({ fact: listOf(value, '[/to/*]').map(pointerOf) }),
  },
  roles: entities('list of agent roles', 'Gatehouse::Role', 'accounts-payable'),
  groups: entities('list of groups of people', 'Gatehouse::Group', 'support'),
  connectors: {
    words: 'list of connectors',
    render: (value, { catalogue }) => {
      const known = catalogue.connectors.map(({ name }) => name)
      return { cedar: cedarList(listOf(value, '[erp]').map((one) => entity('Gatehouse::Connector', oneOf(one, known, 'connector')))) }
    },
  },
  'data-classes': entities('list of data classes', 'Gatehouse::DataClass', 'pii'),
  decimal: { words: 'amount with at most four decimal places', render: (value) => ({ cedar: `decimal("${amountOf(value)}")` }) },
  whole: {
    words: 'whole number',
    render: (value) => {
      if (typeof value !== 'number' || !Number.isSafeInteger(value))
        throw new Misfit(`\`${shown(value)}\` is no whole number: write \`10\``)
      return { cedar: String(value), words: String(value) }
    },
  },
  duration: {
    words: 'duration',
    render: (value) => {
      const ms = typeof value === 'string' ? durationMs(value) : undefined
      if (ms === undefined) throw new Misfit(`\`${shown(value)}\` is no duration: write \`30s\`, \`5m\`, \`1h\`, \`7d\` or ISO 8601`)
      return { cedar: `duration("${ms}ms")`, fact: value }
    },
  },
  time: {
    words: 'time of day, as in "08:00"',
    render: (value) => {
      const [, hour, minute] = (typeof value === 'string' && /^(\d{2}):([0-5]\d)$/.exec(value)) || []
      const minutes = Number(hour) * 60 + Number(minute)
      if (!(minutes <= 24 * 60)) throw new Misfit(`\`${shown(value)}\` is no time of day: write \`"08:00"\`, at most \`"24:00"\``)
      return { cedar: String(minutes) }
    },
  },
  'time-zone': { words: 'time zone, as in Europe/Berlin or +01:00', render: (value) => ({ fact: textOf(value, '`Europe/Berlin`') }) },
  weekdays: {
    words: 'list of mon, tue, wed, thu, fri, sat, sun',
    render: (value) => ({
      cedar: cedarList(listOf(value, '[mon, fri]').map((one) => String(WEEKDAYS.indexOf(oneOf(one, WEEKDAYS, 'weekday')) + 1))),
    }),
  },
} as const satisfies Readonly<Record<string, Type>>

export type ParameterType = keyof typeof TYPES

export const isParameterType = (name: unknown): name is ParameterType => typeof name === 'string' && Object.hasOwn(TYPES, name)

export const typeWords = (type: ParameterType, of: readonly string[]): string =>
  of.length > 0 ? `${TYPES[type].words} ${of.join(', ')}` : TYPES[type].words

/** The value as Cedar and facts write it. Throws Misfit. */
export function render(type: ParameterType, value: JsonValue, around: Surroundings, of: readonly string[]): Rendered {
  const known: Type = TYPES[type]
  return known.render(value, around, of)
}

function pointerOf(value: JsonValue): string {
  if (typeof value !== 'string' || !value.startsWith('/') || value.length > TEXT_CHARS_MAX)
    throw new Misfit(`\`${shown(value)}\` is no pointer: start it with \`/\`, as in \`/amount\``)
  return value
}

function amountOf(value: JsonValue): string {
  const text = typeof value === 'number' ? String(value) : value
  const units = typeof text === 'string' ? parseDecimal(text) : undefined
  if (units === undefined || !fitsDecimal(units))
    throw new Misfit(`\`${shown(value)}\` is no amount with at most four decimal places: write \`5000.00\``)
  return decimalText(units)
}
