import { describe, expect, test } from 'vitest'
import { filterHeaders, fromStored, jsonOf, maskBytes, toStored } from './filter.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const NEEDLES = [bytes('s3cret-key'), bytes(Buffer.from('s3cret-key').toString('base64')), bytes('s3cret%2Dkey')]

describe('headers', () => {
  test.each<[string, Record<string, string | string[]>, Record<string, string>]>([
    [
      'what describes the body passes',
      { 'content-type': 'a/b', etag: '"1"', 'retry-after': '3' },
      { 'content-type': 'a/b', etag: '"1"', 'retry-after': '3' },
    ],
    [
      'nothing else does',
      {
        'set-cookie': ['a=b'],
        location: '/x',
        'www-authenticate': 'Basic',
        server: 'x',
        connection: 'etag',
        'transfer-encoding': 'chunked',
        'content-length': '3',
        'content-encoding': 'gzip',
        'access-control-allow-origin': '*',
        'gatehouse-call': 'call_x',
        traceparent: 'x',
        'x-anything': 'x',
      },
      {},
    ],
    ['a value of many is joined', { 'cache-control': ['no-store', 'private'] }, { 'cache-control': 'no-store, private' }],
    [
      'a reflected secret is masked in every form',
      { etag: `"S3CRET-KEY"`, 'content-type': 'x/s3cret%2dkey' },
      { etag: '"**********"', 'content-type': 'x/************' },
    ],
    ['Latin-1 stays what it is', { 'content-disposition': 'filename="ü"' }, { 'content-disposition': 'filename="ü"' }],
  ])('%s', (_title, headers, expected) => {
    expect(filterHeaders(headers, NEEDLES)).toEqual(expected)
  })

  test('without a credential nothing is searched', () => {
    expect(filterHeaders({ etag: '"s3cret-key"' }, [])).toEqual({ etag: '"s3cret-key"' })
  })
})

test('a body keeps its length where secrets are masked', () => {
  const body = bytes(`{"a":"s3cret-key","b":"${Buffer.from('s3cret-key').toString('base64')}"}`)
  const masked = Buffer.from(maskBytes(body, NEEDLES)).toString()
  expect(masked).toBe(`{"a":"**********","b":"****************"}`)
})

const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8' }

describe('a body as a value', () => {
  test.each<[string, Record<string, string>, Uint8Array, unknown]>([
    ['JSON', JSON_TYPE, bytes('{"a":[1,null]}'), { a: [1, null] }],
    ['JSON of a kind', { 'content-type': 'application/problem+json' }, bytes('{"a":1}'), { a: 1 }],
    ['JSON behind a byte order mark', JSON_TYPE, bytes('\ufeff{"a":1}'), { a: 1 }],
    ['empty', JSON_TYPE, bytes(''), null],
    ['text', { 'content-type': 'text/plain' }, bytes('{"a":1}'), '{"a":1}'],
    ['text without a type', {}, bytes('{"a":1}'), '{"a":1}'],
    ['what only says that it is JSON', JSON_TYPE, bytes('{"a":'), '{"a":'],
    ['bytes that are no text', JSON_TYPE, Uint8Array.of(0xff, 0xfe), '//4='],
    [
      'integers that a double rounds',
      JSON_TYPE,
      bytes('[9007199254740993,-9007199254740993,9007199254740991]'),
      ['9007199254740993', '-9007199254740993', 9007199254740991],
    ],
    ['numbers that no double holds', JSON_TYPE, bytes('[1e999,-1E+999,1e22,0.1]'), ['1e999', '-1E+999', 1e22, 0.1]],
    ['digits in a string', JSON_TYPE, bytes('{"a":"9007199254740993"}'), { a: '9007199254740993' }],
    ['nesting without end', JSON_TYPE, bytes('['.repeat(200_000)), '['.repeat(200_000)],
  ])('%s', (_title, headers, body, expected) => {
    expect(jsonOf(headers, body)).toEqual(expected)
  })
})

describe('what is kept is what came', () => {
  test.each<[string, Uint8Array, string]>([
    ['text', bytes('grüß'), 'utf8'],
    ['a byte order mark', bytes('\ufeff{}'), 'utf8'],
    ['NUL', bytes('a\0b'), 'utf8'],
    ['bytes', Uint8Array.of(0, 255, 128), 'base64'],
    ['nothing', bytes(''), 'utf8'],
  ])('%s', (_title, body, encoding) => {
    const stored = toStored({ status: 201, headers: JSON_TYPE, bytes: body, masked: [] })
    expect(stored.encoding).toBe(encoding)
    const result = fromStored(JSON.parse(JSON.stringify(stored)))
    expect([result.status, result.headers]).toEqual([201, JSON_TYPE])
    expect(Buffer.compare(Buffer.from(result.bytes), Buffer.from(body))).toBe(0)
  })
})
