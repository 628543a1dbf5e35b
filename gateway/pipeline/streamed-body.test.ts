import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { UpstreamError } from '../ports/connector.ts'
import { type StreamEnd, StreamedBody } from './streamed-body.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

interface Bed {
  body: StreamedBody
  ends: StreamEnd[]
  leave: AbortController
  upstream: AbortSignal
}

function over(source: AsyncIterable<Uint8Array>, needles: Uint8Array[] = [], onEnd: () => Promise<void> = async () => undefined): Bed {
  const ends: StreamEnd[] = []
  const leave = new AbortController()
  const abort = new AbortController()
  const body = new StreamedBody(source, needles, leave.signal, abort, async (end) => {
    ends.push(end)
    await onEnd()
  })
  return { body, ends, leave, upstream: abort.signal }
}

async function* chunks(...texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield bytes(text)
}

async function* broken(...texts: readonly string[]): AsyncGenerator<Uint8Array> {
  yield* chunks(...texts)
  throw new UpstreamError('broken', 'the connection broke', true)
}

/** Never ends, never says anything more. */
async function* silent(text: string): AsyncGenerator<Uint8Array> {
  yield bytes(text)
  await new Promise(() => undefined)
}

async function read(body: AsyncIterable<Uint8Array>): Promise<string> {
  let text = ''
  for await (const chunk of body) text += Buffer.from(chunk).toString()
  return text
}

test.each<[string, string[], string]>([
  ['one piece', ['hello'], 'hello'],
  ['many', ['he', 'l', 'lo'], 'hello'],
  ['none', [], ''],
  ['a secret across pieces', ['my s3c', 'ret', '-key is it'], 'my ********** is it'],
  ['what only looked like one', ['my s3cr', 'atch'], 'my s3cratch'],
  ['a secret at the very end', ['s3cret', '-key'], '**********'],
  ['the start of one at the very end', ['x s3cret'], 'x s3cret'],
])('%s', async (_title, pieces, expected) => {
  const { body, ends } = over(chunks(...pieces), [bytes('s3cret-key')])
  expect(await read(body)).toBe(expected)
  expect(ends).toEqual([{ error: null, digest: sha256(expected), bytes: expected.length }])
})

test('the reader sees the end only after it was recorded', async () => {
  const recorded = Promise.withResolvers<void>()
  const { body } = over(chunks('a'), [], () => recorded.promise)
  const reader = body[Symbol.asyncIterator]()
  await reader.next()
  let seen = false
  const last = reader.next().then((step) => {
    seen = true
    return step
  })
  await new Promise((resolve) => setImmediate(resolve))
  expect(seen).toBe(false)
  recorded.resolve()
  expect(await last).toEqual({ done: true, value: undefined })
})

test('an end that cannot be recorded breaks the body off', async () => {
  const { body } = over(chunks('a'), [], () => Promise.reject(new Error('the record is away')))
  await expect(read(body)).rejects.toThrow('the record is away')
})

describe('the end comes once', () => {
  test.each<[string, AsyncIterable<Uint8Array>, (bed: Bed) => Promise<unknown>, string]>([
    ['broken upstream', broken('a'), ({ body }) => read(body).catch(() => null), 'the connection broke'],
    [
      'a reader that gives up',
      silent('a'),
      async ({ body }) => {
        for await (const _chunk of body) break
      },
      'the caller left',
    ],
    ['a caller that leaves before reading', silent('a'), async ({ leave }) => leave.abort(), 'the caller left'],
    [
      'a caller that leaves in the middle, whose reader gives up then',
      silent('a'),
      async ({ body, leave }) => {
        const reader = body[Symbol.asyncIterator]()
        await reader.next()
        leave.abort()
        await reader.return?.()
        leave.abort()
      },
      'the caller left',
    ],
    [
      'a broken body that is given up as well',
      broken(),
      async ({ body, leave }) => {
        const reader = body[Symbol.asyncIterator]()
        await reader.next().catch(() => null)
        await reader.return?.()
        leave.abort()
      },
      'the connection broke',
    ],
  ])('%s', async (_title, source, act, message) => {
    const bed = over(source)
    await act(bed)
    expect(bed.ends.map(({ error }) => error?.message)).toEqual([message])
    expect(bed.upstream.aborted).toBe(true)
    expect(await bed.body[Symbol.asyncIterator]().next()).toEqual({ done: true, value: undefined })
  })

  test('a caller that was gone before the body began', () => {
    const ends: StreamEnd[] = []
    const abort = new AbortController()
    new StreamedBody(silent('a'), [], AbortSignal.abort(), abort, async (end) => void ends.push(end))
    expect([ends.length, abort.signal.aborted]).toEqual([1, true])
  })

  test('a caller that leaves after the end changes nothing', async () => {
    const { body, ends, leave, upstream } = over(chunks('a'))
    await read(body)
    leave.abort()
    expect([ends.length, ends[0]?.error, upstream.aborted]).toEqual([1, null, false])
  })
})
