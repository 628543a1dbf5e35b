import { createHash } from 'node:crypto'
import { durationMs } from '../../gateway/core/duration.ts'
import type { Counted, Dimension, HistoryFact, HistoryKind } from '../../gateway/core/facts.ts'
import type { OperationId } from '../../gateway/core/ids.ts'
import { canonicalJson, isJsonObject, type JsonObject, type JsonValue } from '../../gateway/core/json.ts'
import type { Operation } from '../../gateway/core/operation.ts'
import { LIMITS } from '../../gateway/limits.ts'
import { type Declaration, scalarKind, shown } from './declaration.ts'
import type { Field, Shape } from './input-shape.ts'
import { shapesAt } from './pointer-shape.ts'

const KINDS: readonly HistoryKind[] = ['sum', 'count', 'unseen', 'last', 'streak']
const DIMENSIONS: readonly Dimension[] = ['agent', 'subject', 'agent-and-subject', 'owner', 'organisation']

/** A history fact with the kinds of what must be the same: equal values of other kinds would never meet. */
export interface TypedHistoryFact {
  readonly fact: HistoryFact
  readonly sameKinds: readonly string[]
}

/**
 * Reads one entry of `history`: `{sum: /amount, of, window}`, `{count: operations, same, window, inclusive}`, `{unseen: pointers, of, window}`,
 * `{last: operations, same, window}` or `{streak: approved-unedited, of}`, each with `by` and `same`. Undefined, with faults, where it does not hold.
 */
export function historyFact(declared: Declaration): TypedHistoryFact | undefined {
  const kind = declared.kind(KINDS)
  if (!kind) return undefined
  const { body } = declared
  const where = kind === 'count' || kind === 'last' ? kind : 'of'
  const windowed = kind === 'streak' ? [] : ['window']
  declared.refuseOtherKeys([...new Set([kind, where]), 'same', 'by', ...windowed, ...(kind === 'count' ? ['inclusive'] : [])])
  const values = kind === 'sum' || kind === 'unseen' ? declared.pointers([kind], body[kind]) : []
  if (kind === 'sum' && values.length > 1) declared.fault([kind], '`sum` adds up one amount: give one pointer, with `*` for many items')
  if (kind === 'streak' && body.streak !== 'approved-unedited')
    declared.fault(['streak'], `\`${shown(body.streak ?? null)}\` cannot be counted in a row: write \`approved-unedited\``)
  const same = declared.pointers(['same'], body.same)
  const of = countedOperations(declared, kind, where, { values, same })
  const sameKinds = sameKindsOf(declared, where, of, same.length)
  const by = declared.choice('by', DIMENSIONS, 'agent')
  const windowMs = kind === 'streak' ? 0 : windowOf(declared)
  const inclusive = kind === 'sum' || inclusiveOf(declared)
  if (declared.faulty) return undefined
  const counted = new Map([...of].map(([operation, one]) => [operation.id, one]))
  const series = seriesOf(kind, by, counted)
  return { fact: { name: declared.name, kind, series, by, windowMs, inclusive, of: counted, same }, sameKinds }
}

function windowOf(declared: Declaration): number {
  const { window = null } = declared.body
  const ms = typeof window === 'string' ? durationMs(window) : undefined
  if (ms === undefined || ms % 1_000 !== 0 || ms > LIMITS.factWindowMsMax) {
    const days = LIMITS.factWindowMsMax / 86_400_000
    const cause = window === null ? `\`${declared.name}\` has no \`window\`` : `\`${shown(window)}\` is no window`
    declared.fault(
      window === null ? [] : ['window'],
      `${cause}: write whole seconds up to ${days} days, as \`30s\`, \`5m\`, \`1h\`, \`7d\` or ISO 8601`,
    )
  }
  return ms ?? 0
}

function inclusiveOf(declared: Declaration): boolean {
  const { inclusive = false } = declared.body
  if (typeof inclusive !== 'boolean') declared.fault(['inclusive'], `\`inclusive\` is \`${shown(inclusive)}\`: write \`true\` or \`false\``)
  return inclusive === true
}

/** `where` lists operations, or maps each to its own pointers where they differ from the fact's. */
function countedOperations(declared: Declaration, kind: HistoryKind, where: string, own: Counted): ReadonlyMap<Operation, Counted> {
  const listed = declared.body[where]
  const entries: [keys: readonly (string | number)[], id: JsonValue, over: JsonValue][] = Array.isArray(listed)
    ? listed.map((id, index) => [[where, index], id, null])
    : isJsonObject(listed)
      ? Object.entries(listed).map(([id, over]) => [[where, id], id, over])
      : []
  if (entries.length === 0)
    declared.fault(
      listed === undefined ? [] : [where],
      `\`${declared.name}\` counts no operation: list them in \`${where}\`, as in \`[erp.releasePayment]\``,
    )
  const of = new Map<Operation, Counted>()
  for (const [keys, id, over] of entries) {
    const operation = declared.operation(keys, id)
    if (!operation) continue
    if (of.has(operation)) declared.fault(keys, `\`${operation.id}\` stands twice: remove one`)
    of.set(operation, countedIn(declared, kind, keys, over, own))
  }
  for (const [operation, counted] of of) checkCounted(declared, kind, where, operation, counted)
  return of
}

function countedIn(declared: Declaration, kind: HistoryKind, keys: readonly (string | number)[], over: JsonValue, own: Counted): Counted {
  const main = kind === 'sum' || kind === 'unseen' ? kind : 'same'
  if (over === null) return own
  if (!isJsonObject(over)) {
    const pointers = declared.pointers(keys, over)
    return main === 'same' ? { ...own, same: pointers } : { ...own, values: pointers }
  }
  const known = [...new Set([main, 'same'])]
  for (const key of Object.keys(over))
    if (!known.includes(key)) declared.fault([...keys, key], `unknown key \`${key}\`: use ${known.map((k) => `\`${k}\``).join(', ')}`)
  return {
    values: main === 'same' || over[main] === undefined ? own.values : declared.pointers([...keys, main], over[main]),
    same: over.same === undefined ? own.same : declared.pointers([...keys, 'same'], over.same),
  }
}

function checkCounted(declared: Declaration, kind: HistoryKind, where: string, operation: Operation, { values }: Counted): void {
  if (kind === 'sum' && values.length > 1) declared.fault([where, operation.id], '`sum` adds up one amount: give one pointer')
  for (const pointer of values) {
    const kindThere = scalarKind(declared.shapes([kind], operation, pointer))
    if (declared.faulty) continue
    if (kind === 'sum' && kindThere !== 'decimal')
      declared.fault([kind], `\`${pointer}\` of \`${operation.id}\` is no number: a sum needs one`)
    if (kind === 'unseen' && kindThere === undefined)
      declared.fault(
        [kind],
        `\`${pointer}\` of \`${operation.id}\` is no text, number or boolean: name the values themselves, with \`*\` for items`,
      )
  }
}

/** The kinds of what must be the same, equal in every operation that is counted. */
function sameKindsOf(declared: Declaration, where: string, of: ReadonlyMap<Operation, Counted>, expected: number): readonly string[] {
  let first: { id: OperationId; kinds: readonly string[] } | undefined
  for (const [operation, { same }] of of) {
    if (same.length !== expected) {
      declared.fault(
        [where, operation.id],
        `\`${operation.id}\` gives ${same.length} pointers for the ${expected} of \`same\`: give as many`,
      )
      continue
    }
    const kinds = same.map((pointer) => sameKind(declared, operation, pointer))
    if (first && first.kinds.join() !== kinds.join() && !declared.faulty)
      declared.fault([where], `\`same\` has other types in \`${operation.id}\` than in \`${first.id}\`: their values would never meet`)
    first ??= { id: operation.id, kinds }
  }
  return first?.kinds ?? []
}

function sameKind(declared: Declaration, operation: Operation, pointer: string): string {
  if (pointer.split('/').includes('*')) declared.fault(['same'], `\`${pointer}\` can be many values: \`same\` needs one`)
  const found = declared.shapes(['same'], operation, pointer)
  const kind = scalarKind(found)
  if (kind === undefined && found.length > 0)
    declared.fault(['same'], `\`${pointer}\` of \`${operation.id}\` is no text, number or boolean: \`same\` compares plain values`)
  return kind ?? ''
}

function seriesOf(kind: HistoryKind, by: Dimension, of: ReadonlyMap<OperationId, Counted>): string {
  const counted: JsonObject = Object.fromEntries([...of].map(([id, { values, same }]) => [id, [[...values], [...same]]]))
  return createHash('sha256')
    .update(canonicalJson({ kind, by, of: counted }))
    .digest('hex')
}

/**
 * Whether an operation's policies can read the fact: where it is counted, and, for all but `unseen`, wherever the arguments say what must be the same.
 */
export function historyExists({ fact: { kind, of, same }, sameKinds }: TypedHistoryFact, operation: Operation, input: Shape): boolean {
  if (of.has(operation.id)) return true
  if (kind === 'unseen') return false
  return same.every((pointer, i) => {
    const found = shapesAt(input, pointer)
    return found !== undefined && scalarKind(found) === sameKinds[i]
  })
}

const FIELDS: Readonly<Record<HistoryKind, Field>> = {
  sum: { shape: { kind: 'amount' }, required: true },
  count: { shape: { kind: 'long' }, required: true },
  unseen: { shape: { kind: 'long' }, required: true },
  streak: { shape: { kind: 'long' }, required: true },
  last: { shape: { kind: 'datetime' }, required: false },
}

/** How policy sees the fact: `sum` a decimal, `count`, `unseen` and `streak` a Long, `last` an optional datetime. */
export const historyField = ({ kind }: HistoryFact): Field => FIELDS[kind]
