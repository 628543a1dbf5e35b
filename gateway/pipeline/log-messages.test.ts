import { describe, expect, test } from 'vitest'
import type { JsonValue } from '../core/json.ts'
import { LOG_LEVELS, type LogLevel, type LogMessage } from '../core/log-message.ts'
import { needlesOf } from '../credentials/needles.ts'
import { LIMITS } from '../limits.ts'
import { filterLogs } from './log-messages.ts'

const SECRET = 'k3y"/ä-of-the-system'

/** What a reader of this level is told. */
function told(messages: readonly LogMessage[], level: LogLevel = 'debug', secrets: readonly string[] = [SECRET]): LogMessage[] {
  const heard: LogMessage[] = []
  const reader = filterLogs({ level, tell: (message) => void heard.push(message) }, needlesOf(secrets))
  for (const message of messages) reader.tell(message)
  return heard
}
const info = (data: JsonValue): LogMessage => ({ level: 'info', data })

describe('every form of the secret is masked', () => {
  const bytes = Buffer.from(SECRET)
  test.each<[string, JsonValue]>([
    ['as text', `before ${SECRET} behind`],
    ['in capitals', { key: SECRET.toUpperCase().replace('Ä', 'ä') }],
    ['deep inside a value', { headers: [{ authorization: [`Bearer ${SECRET}`] }] }],
    ['as a name', { [SECRET]: true }],
    ['within JSON in a text', JSON.stringify({ key: SECRET })],
    ['in a URL', `https://host/?key=${encodeURIComponent(SECRET)}`],
    ['as hex', bytes.toString('hex')],
    ['as base64', Buffer.concat([Buffer.from('user:'), bytes]).toString('base64')],
    ['as base64url', Buffer.concat([Buffer.from('x'), bytes]).toString('base64url')],
  ])('%s', (_title, data) => {
    const [message] = told([{ level: 'info', logger: 'net', data }])
    expect(message).toMatchObject({ level: 'info', logger: 'net' })
    const text = JSON.stringify(message)
    expect(text).toContain('******')
    for (const form of [SECRET, JSON.stringify(SECRET).slice(1, -1), encodeURIComponent(SECRET), bytes.toString('hex')])
      expect(text.toLowerCase()).not.toContain(form.toLowerCase())
    expect(text).not.toContain(bytes.toString('base64').slice(4, -4))
    expect(told([{ level: 'info', logger: 'net', data }], 'debug', [])).toEqual([{ level: 'info', logger: 'net', data }])
  })

  test('in the name of who speaks', () => {
    expect(told([{ level: 'info', logger: `db ${SECRET}`, data: 1 }])[0]?.logger).toMatch(/^db \*+$/)
  })

  test('a secret that is a number leaves no number', () => {
    expect(told([info({ pin: 4815162342, kept: 1 })], 'debug', ['4815162342'])).toEqual([info('{"data":{"pin":**********,"kept":1}}')])
  })

  test('a message without it stays as it is', () => {
    const data = { a: [1, 2.5, null, true, 'ü'], b: {} }
    expect(told([info(data)])).toEqual([info(data)])
  })
})

describe('levels', () => {
  test.each(LOG_LEVELS)('%s and what is more severe', (level) => {
    const all = LOG_LEVELS.map((each) => ({ level: each, data: '' }))
    expect(told(all, level)).toEqual(all.slice(LOG_LEVELS.indexOf(level)))
  })

  test('the level is asked for each message, as it may change on the way', () => {
    const heard: unknown[] = []
    const own = { level: 'error' as LogLevel, tell: ({ data }: LogMessage) => void heard.push(data) }
    const reader = filterLogs(own, [])
    reader.tell(info('too mild'))
    own.level = 'info'
    reader.tell(info('read'))
    expect([heard, reader.level]).toEqual([['read'], 'info'])
  })
})

describe('bounds', () => {
  test('so many a call, of those that are read', () => {
    const unread = Array.from({ length: 500 }, (_, i): LogMessage => ({ level: 'debug', data: i }))
    const read = Array.from({ length: LIMITS.upstreamLogsPerCallMax + 50 }, (_, i) => info(i))
    expect(told([...unread, ...read], 'info')).toEqual(read.slice(0, LIMITS.upstreamLogsPerCallMax))
  })

  const frame = '{"data":""}'.length
  test.each([
    ['as large as the limit', LIMITS.upstreamLogCharsMax - frame, 1],
    ['larger', LIMITS.upstreamLogCharsMax - frame + 1, 0],
  ])('a message %s', (_title, chars, times) => {
    expect(told([info('x'.repeat(chars))])).toHaveLength(times)
  })

  test('a name counts as data does', () => {
    expect(told([{ level: 'info', logger: 'x'.repeat(LIMITS.upstreamLogCharsMax), data: '' }])).toEqual([])
  })

  const nested = (depth: number): JsonValue => {
    let value: JsonValue = 'inside'
    for (let i = 0; i < depth; i++) value = [value]
    return value
  }
  test('nesting beyond the limit comes as text, beyond the stack not at all', () => {
    expect(told([info(nested(LIMITS.inputDepthMax + 1))])).toEqual([info(JSON.stringify({ data: nested(LIMITS.inputDepthMax + 1) }))])
    expect(told([info(nested(100_000))])).toEqual([])
  })
})
