import { describe, expect, test } from 'vitest'
import { ENTRY_KINDS } from './core/entry-kinds.ts'
import { payloadOf, withoutPayload } from './core/entry-payload.ts'
import { ENTRY_REFERENCE } from './core/entry-reference.ts'
import type { EntryBody } from './core/entry.ts'
import { isJsonObject, type JsonObject, type JsonValue } from './core/json.ts'
import { entriesPage } from './entries-page.ts'
import { BODIES } from './sinks/fixture-bodies.ts'

const plain = (value: unknown): JsonObject => JSON.parse(JSON.stringify(value)) as JsonObject
const tokens = (pointer: string): string[] => pointer.split('/').slice(1)

/** Every value at a pointer where `*` is every item, with the pointer that it stands at. */
function at(value: JsonValue | undefined, [token, ...rest]: readonly string[], path: readonly string[] = []): [string[], JsonValue][] {
  if (value === undefined) return []
  if (token === undefined) return [[[...path], value]]
  if (token === '*') return Array.isArray(value) ? value.flatMap((item, index) => at(item, rest, [...path, String(index)])) : []
  return isJsonObject(value) ? at(value[token], rest, [...path, token]) : []
}

function put(body: JsonObject, [token = '', ...rest]: readonly string[], value: JsonValue): void {
  if (rest.length === 0) body[token] = value
  else put(body[token] as JsonObject, rest, value)
}

/** Puts an entry together again from what the page says, and nothing else. */
function byTheBook(bare: JsonObject, payload: JsonObject, book: Readonly<Record<string, string>>): JsonObject {
  for (const [from, to] of Object.entries(book)) {
    for (const [path, value] of at(payload, tokens(from))) {
      const indices = path.filter((token) => /^\d+$/.test(token))
      const place = tokens(to).map((token) => (token === '*' ? (indices.shift() ?? token) : token))
      put(bare, place, value)
    }
  }
  return bare
}

const said = (kind: string, body: EntryBody) => ({ kind, body })
const lookups = [
  { fact: 'a', operation: 'erp.read', fields: { owner: 'sue' }, digest: 'd', error: null },
  { fact: 'b', operation: 'erp.read', fields: null, digest: null, error: 'gone' },
]
const withLookups = BODIES.decision.map((body) => {
  if (body.kind !== 'decision') return body
  const { decision, request } = body
  const asserted = { ...request.asserted, decisionRecord: { playbook: 'p', version: '1', outcome: 'o' } }
  return { ...body, request: { ...request, asserted }, decision: { ...decision, evidence: { ...decision.evidence, lookups } } } as EntryBody
})
const all = [...ENTRY_KINDS.flatMap((kind) => BODIES[kind].map((body) => said(kind, body))), ...withLookups.map((b) => said('decision', b))]

describe('what the reference of entries says is enough to read them', () => {
  test.each(all)('an entry $kind is put together again from its first part and its payload', ({ body }) => {
    const payload = payloadOf(body)
    const book = ENTRY_REFERENCE[body.kind].payload
    if (payload === null) return expect(withoutPayload(body)).toEqual(body)
    expect(byTheBook(plain(withoutPayload(body)), plain(payload), book ?? {})).toEqual(plain(body))
  })

  test.each(all)('every member of an entry $kind is in its table', ({ body }) => {
    const { kind, ...members } = plain(body)
    expect(Object.keys(ENTRY_REFERENCE[body.kind].members)).toEqual(expect.arrayContaining(Object.keys(members)))
    expect(kind).toBe(body.kind)
  })

  test('links of the page lead to headings of the page', () => {
    const page = entriesPage('')
    const headings = [...page.matchAll(/^### (.+)$/gm)].map(([, name = '']) => name.toLowerCase().replaceAll(' ', '-'))
    const links = [...page.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor]) => anchor)
    expect(links.length).toBeGreaterThan(30)
    expect(links.filter((anchor) => !headings.includes(anchor ?? ''))).toEqual([])
  })
})
