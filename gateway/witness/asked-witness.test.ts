import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { instant } from '../core/clock.ts'
import { createDialer } from '../egress/dialer.ts'
import { LIMITS } from '../limits.ts'
import type { Cosignature } from '../ports/log.ts'
import { type Cosigner, cosigner } from '../record/signed-note.ts'
import { parseWitnessRequest } from '../record/witness-request.ts'
import { AskedWitness } from './asked-witness.ts'
import { numbered, TestLog } from './test-log.ts'

const log = new TestLog('log.example', randomBytes(32), numbered(20))
const key = cosigner('witness.example', randomBytes(32))
const AT = instant(1_790_000_000_000)
const NEVER = new AbortController().signal

/** A witness that answers as a test says, and what it was asked. */
let answer: (request: { old: number; body: string }, response: ServerResponse) => unknown
let asked: { path: string; old: number }[]
let server: ReturnType<typeof createServer>
let url: string
let told: string[]
let refusals: number
let witness: AskedWitness

async function bodyOf(req: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of req) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

function open(egress: readonly string[] = ['127.0.0.1']): AskedWitness {
  const say = (fields: Readonly<Record<string, unknown>>) => void told.push(String((fields.error as Error).message))
  return new AskedWitness({
    settings: { vkey: key.vkey, name: key.name, url: `${url}/below`, egress },
    dialer: createDialer({ development: false }),
    telemetry: {
      count: () => {
        refusals += 1
      },
      log: { info: say, warn: say, error: say },
    },
    prove: (older, newer) => log.proof(older, newer),
    size: async () => 20,
  })
}

beforeEach(async () => {
  asked = []
  told = []
  refusals = 0
  answer = (_request, response) => response.writeHead(500).end()
  server = createServer((req, res) => {
    void bodyOf(req).then((body) => {
      const { old } = parseWitnessRequest(body)
      asked.push({ path: `${req.method} ${req.url}`, old })
      answer({ old, body }, res)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  witness = open()
})
afterEach(async () => {
  await witness.close()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

const checkpoint = async (size: number) => ({ size, note: await log.checkpoint(size), at: AT })
const last = (size: number): Cosignature => ({ witness: key.vkey, size, line: '', at: AT })
const cosigning = (by: Cosigner, size: number) => async (_request: unknown, response: ServerResponse) =>
  void response.writeHead(200).end(`${by.cosign(await log.text(size), AT)}\n`)

describe('a witness, asked', () => {
  test('gives its cosignature', async () => {
    answer = cosigning(key, 12)
    const line = key.cosign(await log.text(12), AT)
    expect(await witness.ask(await checkpoint(12), last(5), NEVER)).toEqual({ witness: key.vkey, line, at: AT })
    expect(asked).toEqual([{ path: 'POST /below/add-checkpoint', old: 5 }])
  })

  test('among others, which are passed over', async () => {
    answer = async (_request, response) => {
      const text = await log.text(12)
      response.end(`${cosigner('other.example', randomBytes(32)).cosign(text, AT)}\n${key.cosign(text, AT)}\n`)
    }
    expect((await witness.ask(await checkpoint(12), undefined, NEVER))?.line).toContain('witness.example')
  })

  test('says what it has, and is asked from there', async () => {
    answer = ({ old }, response) =>
      old === 7 ? cosigning(key, 12)({}, response) : response.writeHead(409, { 'content-type': 'text/x.tlog.size' }).end('7\n')
    expect(await witness.ask(await checkpoint(12), undefined, NEVER)).toBeDefined()
    expect(asked.map(({ old }) => old)).toEqual([0, 7])
  })

  const says =
    (status: number, text = '') =>
    (_request: unknown, response: ServerResponse) =>
      void response.writeHead(status).end(text)

  test.each<[string, typeof answer, RegExp, boolean]>([
    ['it found the log forked', says(422, 'no\n'), /does not go on from what it has cosigned: "no\\n"/, true],
    ['it has more than there is', says(409, '21\n'), /it has cosigned 21 entries of this log, and there are only 20/, true],
    ['it was asked by another gateway meanwhile', says(409, '15\n'), /a newer checkpoint meanwhile/, false],
    ['it never says the same', ({ old }, response) => says(409, `${old === 3 ? 4 : 3}\n`)({}, response), /answered 409/, false],
    ['it says no size', says(409, 'many\n'), /409 without the size/, false],
    ['it says a size past all numbers', says(409, `${'9'.repeat(40)}\n`), /409 without the size/, false],
    ['it does not know the log', says(404), /has to name the key of the log/, false],
    ['it knows another key', says(403), /another key for this log/, false],
    ['it is broken', says(500, 'x'.repeat(300)), /^it answered 500: "x{200}"$/, false],
    ['it leads elsewhere', says(302), /it answered 302/, false],
    ['it says nothing', says(200), /no cosignature by its key/, false],
    ['it says something else', says(200, '<html>\n'), /malformed/, false],
    ['another key cosigned', cosigning(cosigner('witness.example', randomBytes(32)), 12), /no cosignature by its key/, false],
    ['it cosigned another tree', cosigning(key, 11), /does not verify/, false],
    ['it gave no time', async (_r, response) => response.end(`${key.cosign(await log.text(12), instant(0))}\n`), /does not verify/, false],
    ['it does not end', says(200, 'x'.repeat(LIMITS.witnessAnswerBytesMax + 1)), /larger than/, false],
    ['it hangs up', (_request, response) => response.destroy(), /broke/, false],
  ])('%s', async (_title, how, why, isRefusal) => {
    answer = how
    expect(await witness.ask(await checkpoint(12), undefined, NEVER)).toBeUndefined()
    expect(told).toEqual([expect.stringMatching(why)])
    expect(refusals).toBe(isRefusal ? 1 : 0)
    expect(asked.length).toBeLessThan(3)
  })

  test('is given up when it does not answer in time', async () => {
    answer = () => undefined
    expect(await witness.ask(await checkpoint(12), undefined, NEVER)).toBeUndefined()
    expect(told).toEqual([expect.stringMatching(/in time/)])
  })

  test('is left alone for a while after a failure, and asked again for a newer date only later', async () => {
    expect(witness.isDue(12, undefined)).toBe(true)
    expect(witness.isDue(12, last(12))).toBe(true)
    answer = cosigning(key, 12)
    await witness.ask(await checkpoint(12), undefined, NEVER)
    expect(witness.isDue(12, last(12))).toBe(false)
    expect(witness.isDue(13, last(12))).toBe(true)
    answer = says(500)
    await witness.ask(await checkpoint(13), undefined, NEVER)
    expect(witness.isDue(13, last(12))).toBe(false)
  })

  test('is not reached at a private address that is not named', async () => {
    await witness.close()
    witness = open([])
    expect(await witness.ask(await checkpoint(12), undefined, NEVER)).toBeUndefined()
    expect(told).toEqual([expect.stringMatching(/refused/)])
    expect(asked).toEqual([])
  })

  test('is ended in the midst of it, and nothing is told', async () => {
    const closing = new AbortController()
    answer = () => closing.abort()
    expect(await witness.ask(await checkpoint(12), undefined, closing.signal)).toBeUndefined()
    expect(told).toEqual([])
  })
})
