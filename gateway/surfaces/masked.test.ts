import { describe, expect, test } from 'vitest'
import type { CallId } from '../core/ids.ts'
import { operationId } from '../core/ids.ts'
import type { JsonValue } from '../core/json.ts'
import type { Operation } from '../core/operation.ts'
import { CLASSES_KEYWORD } from '../core/output-shape.ts'
import { LIMITS } from '../limits.ts'
import type { Answer, CallResult } from '../ports/calls.ts'
import { editedHeader, maskedHeader, refusalOf } from './answer.ts'
import { fits, publishedOutput } from './mcp/output-schema.ts'
import { toolResult } from './mcp/tool-result.ts'

test.each<[string, readonly string[], Record<string, string>]>([
  ['nothing', [], {}],
  ['pointers', ['/email', '/items/*/phone'], { 'gatehouse-masked': '/email, /items/*/phone' }],
  ['the whole body', [''], { 'gatehouse-masked': '*' }],
  ['what no header holds', ['/größe, 100%\r\nx: y/\ud800'], { 'gatehouse-masked': '/gr%C3%B6%C3%9Fe%2C%20100%25%0D%0Ax:%20y/%EF%BF%BD' }],
  ['what is escaped', ['/a~1b'], { 'gatehouse-masked': '/a~1b' }],
  ['more than fits', ['/a', `/${'b'.repeat(LIMITS.maskedHeaderCharsMax)}`, '/c'], { 'gatehouse-masked': '/a, ...' }],
])('the header names %s', (_title, masked, expected) => {
  expect(maskedHeader(masked)).toEqual(expected)
})

const CALL = 'call_01m846mpde89wapkkzha6qnewk' as CallId
const operation: Operation = {
  id: operationId('docs', 'find'),
  connector: 'docs',
  name: 'find',
  jointName: 'docs_find',
  version: 'v',
  description: '',
  mode: 'read',
  reversibility: 'read-only',
  inputSchema: { type: 'object' },
  dataClasses: {},
  labels: [],
  idempotency: { kind: 'idempotent' },
  timeoutMs: 1_000,
  region: 'eu',
  route: { method: 'POST', path: '/find' },
}
const resultOf = (value: JsonValue, masked: readonly string[], status = 200): CallResult => ({
  status,
  headers: { 'content-type': 'application/json' },
  body: { kind: 'bytes', bytes: Buffer.from(JSON.stringify(value)) },
  value,
  masked,
})
const answered = (value: JsonValue, masked: readonly string[]): Answer => ({
  kind: 'result',
  callId: CALL,
  traceparent: '',
  result: resultOf(value, masked),
  replayed: false,
})

describe('a tool result', () => {
  test('has its mask in structured content, text and _meta alike', () => {
    const value = { id: 'c1', email: null }
    expect(toolResult(answered(value, ['/email']), operation)).toEqual({
      content: [{ type: 'text', text: JSON.stringify(value) }],
      structuredContent: value,
      _meta: { 'gatehouse/masked': ['/email'] },
    })
  })

  const MASKED = { type: 'text', text: 'The answer is masked: you may not read it.' }
  test.each<[string, JsonValue, readonly string[], unknown]>([
    ['its text', { text: null, items: [{}] }, ['/text'], [MASKED]],
    ['its items', { text: 'found', items: null }, ['/items'], [{ type: 'text', text: 'found' }]],
    ['what an item holds', { text: '', items: [{ type: 'image', data: null, mimeType: 'image/png' }] }, ['/items/*/data'], [MASKED]],
    [
      'one item of several',
      { text: '', items: [{}, { type: 'resource_link', uri: 'file:///b', name: 'b' }] },
      ['/text'],
      [{ type: 'resource_link', uri: 'file:///b', name: 'b' }],
    ],
  ])('of content says so where it is %s', (_title, value, masked, content) => {
    expect(toolResult(answered(value, masked), { ...operation, content: true })).toEqual({ content, _meta: { 'gatehouse/masked': masked } })
  })

  test('tells what people changed, beside an answer and beside a refusal', () => {
    const edited = {
      by: 'maria',
      changes: [
        { pointer: '/amount', from: 2400, to: 900 },
        { pointer: '/note', to: 'x' },
      ],
    }
    const said = 'The arguments of this call were edited by maria: /amount 2400 -> 900; /note (absent) -> "x". Only these arguments count.'
    const answer = { ...answered({ id: 'c1' }, []), edited }
    expect(toolResult(answer, operation)).toEqual({
      content: [
        { type: 'text', text: '{"id":"c1"}' },
        { type: 'text', text: said },
      ],
      structuredContent: { id: 'c1' },
      _meta: { 'gatehouse/edited': edited },
    })
    const denied: Answer = { kind: 'denied', callId: CALL, traceparent: '', reason: 'rejected', edited }
    expect(toolResult(denied, operation)).toMatchObject({
      isError: true,
      content: [{}, { text: said }],
      _meta: { 'gatehouse/edited': edited },
    })
    expect(refusalOf(denied)).toMatchObject({ code: 'DENIED', edited })
    expect(editedHeader(answer)).toEqual({ 'gatehouse-edited': '/amount, /note' })
    const back = { ...answer, edited: { by: 'maria', changes: [] } }
    expect(toolResult(back).content.at(-1)).toMatchObject({
      text: expect.stringMatching(/edited by maria: they are again as you sent them/),
    })
  })

  test('of a refusal says so, and repeats nothing', () => {
    const result = resultOf({ type: 'urn:gatehouse:problem:UPSTREAM' }, [''], 422)
    const answer: Answer = {
      ...{
        kind: 'failed',
        callId: CALL,
        traceparent: '',
        code: 'UPSTREAM',
        message: 'the system answered with status 422',
        inDoubt: false,
      },
      ...{ upstreamStatus: 422, result },
    }
    const { content, _meta } = toolResult(answer, operation)
    expect(content[1]).toEqual({
      type: 'text',
      text: 'What the system said is masked: you may not read all that this operation answers with.',
    })
    expect(_meta).toEqual({ 'gatehouse/masked': [''] })
  })
})

test('a published output schema takes null where a class may be masked, requires nothing and names no class', () => {
  const pii = { type: 'string', [CLASSES_KEYWORD]: ['pii'] }
  const item = { type: 'object', properties: { mail: pii }, required: ['mail'] }
  const outputSchema = {
    type: 'object',
    properties: { items: { type: 'array', items: item, [CLASSES_KEYWORD]: ['pii'] } },
    required: ['items'],
  }
  const published = publishedOutput({ ...operation, outputSchema })
  expect(JSON.stringify(published)).not.toMatch(/required|classes/)
  for (const value of [{ items: [{ mail: null }] }, { items: [null] }, { items: null }, {}]) expect(fits(published, value)).toBe(true)
})
