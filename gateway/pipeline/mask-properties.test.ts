import fc from 'fast-check'
import { expect, test } from 'vitest'
import { operationId } from '../core/ids.ts'
import { type JsonObject, type JsonValue, pointerToken } from '../core/json.ts'
import type { JsonSchema, Operation } from '../core/operation.ts'
import { CLASSES_KEYWORD } from '../core/output-shape.ts'
import { maskFor } from './mask.ts'

const CLASSES = ['pii', 'confidential', 'secret'] as const

/** A place of an answer: what its schema says, and what stands there. */
type Place = { classes: readonly string[]; by: 'schema' | 'composition' | 'reference' | 'manifest' } & (
  | { kind: 'text' }
  | { kind: 'list'; item: Place; count: number }
  | { kind: 'map'; member: Place; names: readonly string[] }
  | { kind: 'object'; members: readonly Place[]; undeclared: boolean }
  | { kind: 'either'; members: readonly Place[]; others: readonly Place[] }
)

const KEYS = ['id', 'e-mail', 'a/b', 'm~n', '*', '__proto__', 'größe', '0', 'toString', '"q"']
/** No two places of a schema share a name, so what is moved elsewhere is declared nowhere. */
const keyOf = (i: number, pointer: string): string =>
  pointer === '' ? (KEYS[i % KEYS.length] ?? 'k') : `${KEYS[i % KEYS.length]} of ${pointer}`

const { place } = fc.letrec<{ place: Place }>((tie) => {
  const said = {
    classes: fc.subarray([...CLASSES], { maxLength: 2 }),
    by: fc.constantFrom('schema' as const, 'composition' as const, 'reference' as const, 'manifest' as const),
  }
  const rarely = { ...said, classes: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: said.classes }) }
  const members = fc.array(tie('place'), { maxLength: 4 })
  return {
    place: fc.oneof(
      { maxDepth: 4 },
      fc.record({ ...said, kind: fc.constant('text' as const) }),
      fc.record({ ...rarely, kind: fc.constant('list' as const), item: tie('place'), count: fc.nat(3) }),
      fc.record({
        ...rarely,
        kind: fc.constant('map' as const),
        member: tie('place'),
        names: fc.uniqueArray(fc.string({ minLength: 1 }), { maxLength: 3 }),
      }),
      fc.record({ ...rarely, kind: fc.constant('object' as const), members, undeclared: fc.boolean() }),
      fc.record({ ...rarely, kind: fc.constant('either' as const), members, others: members }),
    ),
  }
})

/** Everything that a schema says, in one of the ways in which documents say it. */
class Writer {
  readonly defs: JsonSchema = {}
  readonly dataClasses: Record<string, readonly string[]> = {}

  schema(here: Place, pointer: string): JsonSchema {
    const plain = this.#plain(here, pointer)
    const { classes, by } = here
    if (classes.length === 0) return plain
    const marked = { [CLASSES_KEYWORD]: [...classes] }
    if (by === 'manifest') this.dataClasses[pointer] = classes
    if (by === 'manifest') return plain
    if (by === 'composition') return { allOf: [plain, marked] }
    if (by === 'schema') return { ...plain, ...marked }
    const name = `D${Object.keys(this.defs).length}`
    this.defs[name] = plain
    return { $ref: `#/$defs/${name}`, ...marked }
  }

  #plain(here: Place, pointer: string): JsonSchema {
    switch (here.kind) {
      case 'text':
        return { type: 'string' }
      case 'list':
        return { type: 'array', items: this.schema(here.item, `${pointer}/*`) }
      case 'map':
        return { type: 'object', additionalProperties: this.schema(here.member, `${pointer}/*`) }
      case 'object':
        return this.#object(here.members, '', pointer)
      default:
        return { oneOf: [this.#object(here.members, '', pointer), this.#object(here.others, 'other ', pointer)] }
    }
  }

  #object(members: readonly Place[], prefix: string, pointer: string): JsonSchema {
    const properties = members.map((member, i) => {
      const key = prefix + keyOf(i, pointer)
      return [key, this.schema(member, `${pointer}/${pointerToken(key)}`)] as const
    })
    return { type: 'object', properties: Object.fromEntries(properties) }
  }
}

/** An answer of the declared form. Every text is its own place, so that it says where it came from. */
function answer(here: Place, at = '', pointer = ''): JsonValue {
  if (here.kind === 'text') return `canary ${at}`
  if (here.kind === 'list') return Array.from({ length: here.count }, (_, i) => answer(here.item, `${at}/${i}`, `${pointer}/*`))
  return Object.fromEntries(
    inside(here, pointer).map(([key, member, below]) => [
      key,
      member === null ? { canary: `canary ${at}/undeclared` } : answer(member, `${at}/${key}`, below),
    ]),
  )
}

/** What is left of it: nothing of a refused class, nothing undeclared, and all else. */
function left(here: Place, refused: ReadonlySet<string>, at = '', pointer = ''): JsonValue {
  if (here.classes.some((name) => refused.has(name))) return null
  if (here.kind === 'text') return `canary ${at}`
  if (here.kind === 'list') return Array.from({ length: here.count }, (_, i) => left(here.item, refused, `${at}/${i}`, `${pointer}/*`))
  return Object.fromEntries(
    inside(here, pointer).flatMap(([key, member, below]) => (member === null ? [] : [[key, left(member, refused, `${at}/${key}`, below)]])),
  )
}

/** Texts of places that are refused or not declared. */
function hidden(here: Place, refused: ReadonlySet<string>, at = '', pointer = '', above = false): string[] {
  const now = above || here.classes.some((name) => refused.has(name))
  if (here.kind === 'text') return now ? [`canary ${at}`] : []
  if (here.kind === 'list')
    return Array.from({ length: here.count }, (_, i) => hidden(here.item, refused, `${at}/${i}`, `${pointer}/*`, now)).flat()
  return inside(here, pointer).flatMap(([key, member, below]) =>
    member === null ? [`canary ${at}/undeclared`] : hidden(member, refused, `${at}/${key}`, below, now),
  )
}

/** Members with what is declared of them, and where; null for what is not declared. */
function inside(here: Exclude<Place, { kind: 'text' | 'list' }>, pointer: string): [string, Place | null, string][] {
  if (here.kind === 'map') return here.names.map((name) => [name, here.member, `${pointer}/*`])
  const members = here.members.map((member, i): [string, Place | null, string] => {
    const key = keyOf(i, pointer)
    return [key, member, `${pointer}/${pointerToken(key)}`]
  })
  return here.kind === 'object' && here.undeclared ? [...members, ['undeclared', null, pointer]] : members
}

function operationOf(top: Place): Operation {
  const writer = new Writer()
  const schema = writer.schema(top, '')
  return {
    id: operationId('crm', 'get'),
    connector: 'crm',
    name: 'get',
    jointName: 'crm_get',
    version: 'v',
    description: '',
    mode: 'read',
    reversibility: 'read-only',
    inputSchema: { type: 'object' },
    outputSchema: { ...schema, $defs: writer.defs },
    dataClasses: writer.dataClasses,
    labels: [],
    idempotency: { kind: 'idempotent' },
    timeoutMs: 1_000,
    region: 'eu',
    route: { method: 'GET', path: '/' },
  }
}

const refusals = fc.subarray([...CLASSES], { minLength: 1 }).map((names) => new Set<string>(names))
const spaces = fc.constantFrom(0, 2, '\t')

test('of any answer, what may not be read goes and all else stays', () => {
  fc.assert(
    fc.property(place, refusals, spaces, (top, refused, space) => {
      const masked = maskFor(operationOf(top), refused)?.(JSON.stringify(answer(top), null, space))
      const expected = left(top, refused)
      if (expected === null) expect(masked).toEqual({ kind: 'unlocatable', why: 'all of it is masked' })
      else expect(masked?.kind === 'masked' && JSON.parse(masked.text)).toEqual(expected)
    }),
    { numRuns: 1_000 },
  )
})

/** Puts something else where the schema expects a value of another form. */
const mutated = (value: JsonValue, path: readonly number[], by: JsonValue): JsonValue => {
  const [step, ...rest] = path
  if (step === undefined || value === null || typeof value !== 'object') return by
  const keys = Object.keys(value)
  const key = keys[step % Math.max(keys.length, 1)]
  if (key === undefined) return by
  if (Array.isArray(value)) return value.map((item, i) => (String(i) === key ? mutated(item, rest, by) : item))
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, name === key ? mutated(item, rest, by) : item]))
}

test('of an answer that is not of its form, nothing that may not be read is left either', () => {
  const other: fc.Arbitrary<JsonValue> = fc.constantFrom<JsonValue>({ x: 1 }, [1, [2]], 7, null, {}, [])
  fc.assert(
    fc.property(place, refusals, fc.array(fc.nat(5), { maxLength: 4 }), other, (top, refused, path, by) => {
      const whole = answer(top)
      // What stood elsewhere stands below what replaced it: a system that wraps its answers, or moves a field.
      const moved: JsonObject = { wrapped: whole }
      for (const text of [mutated(whole, path, by), mutated(whole, path, moved), mutated(whole, path, [whole])]) {
        const masked = maskFor(operationOf(top), refused)?.(JSON.stringify(text))
        if (masked?.kind !== 'masked') continue
        const told = new Set(texts(JSON.parse(masked.text) as JsonValue))
        const leaked = hidden(top, refused).filter((canary) => told.has(canary))
        // Moved into a place that is declared for values of any name, a value is one of that place.
        if (!hasMap(top)) expect(leaked).toEqual([])
      }
    }),
    { numRuns: 1_000 },
  )
})

const texts = (value: JsonValue): string[] =>
  typeof value === 'string' ? [value] : value === null || typeof value !== 'object' ? [] : Object.values(value).flatMap(texts)

function hasMap(here: Place): boolean {
  if (here.kind === 'map') return true
  if (here.kind === 'text') return false
  if (here.kind === 'list') return hasMap(here.item)
  return [...here.members, ...(here.kind === 'either' ? here.others : [])].some(hasMap)
}
