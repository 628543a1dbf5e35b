import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Instant, instant } from '../core/clock.ts'
import { LIMITS } from '../limits.ts'
import { openCheckpoint } from '../record/checkpoint.ts'
import { timedSignature } from '../record/cosignature.ts'
import { cosigner, noteSigner, openNote, parseVerifierKey, readSignature, signatureBy } from '../record/signed-note.ts'
import { createHttpServer, type HttpServer } from '../surfaces/server.ts'
import { witnessRoutes } from '../surfaces/witness.ts'
import { Evidence } from './evidence.ts'
import { KeptCheckpoints, originHash } from './kept-checkpoints.ts'
import { numbered, TestLog } from './test-log.ts'
import { createWitness } from './witness.ts'

const ORIGIN = 'log.example/one'
const seed = randomBytes(32)
const log = new TestLog(ORIGIN, seed, numbered(300))
/** The same up to entry 100, and written anew from there. */
const fork = new TestLog(ORIGIN, seed, [...numbered(100), ...numbered(200, 'another')])
const stranger = new TestLog('log.example/other', randomBytes(32), numbered(9))
const own = cosigner('witness.example', randomBytes(32))

let dir: string
let server: HttpServer | undefined
let url: string
let told: { message: string; fields: Readonly<Record<string, unknown>> }[]
let now: Instant

async function start(keys = [log.signer]): Promise<void> {
  await server?.close()
  const logs = new Map([[ORIGIN, keys.map(({ vkey }) => parseVerifierKey(vkey))]])
  const kept = await KeptCheckpoints.open(dir, logs.keys(), own)
  const lines = { error: (fields: Readonly<Record<string, unknown>>, message: string) => void told.push({ fields, message }) }
  const witnessLog = { info: () => undefined, warn: () => undefined, ...lines }
  const witness = createWitness({ cosigner: own, logs, kept, evidence: new Evidence(dir), clock: { now: () => now }, log: witnessLog })
  server = createHttpServer(witnessLog)
  server.serve(witnessRoutes(witness, witnessLog))
  url = `http://127.0.0.1:${await server.listen(0, '127.0.0.1')}`
}

async function ask(body: string | Uint8Array, path = '/add-checkpoint', method = 'POST') {
  const response = await fetch(`${url}${path}`, { method, ...(method === 'POST' ? { body: Buffer.from(body) } : {}) })
  return { status: response.status, type: response.headers.get('content-type') ?? '', text: await response.text() }
}
const added = async (from: TestLog, old: number, size: number) => ask(await from.request(old, size))
const latest = () => ask('', `/${originHash(ORIGIN)}/checkpoint`, 'GET')

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'gatehouse-witness-'))
  told = []
  now = instant(1_790_000_000_000)
  await start()
})
afterEach(async () => {
  await server?.close()
  server = undefined
  rmSync(dir, { recursive: true, force: true })
})

describe('a witness', () => {
  test('cosigns what goes on from what it cosigned, and serves the last of it with both signatures', async () => {
    expect((await latest()).status).toBe(404)
    for (const [old, size] of [
      [0, 1],
      [1, 7],
      [7, 7],
      [7, 256],
      [256, 300],
    ] as const) {
      const { status, text } = await added(log, old, size)
      expect(status, text).toBe(200)
      expect(text.endsWith('\n')).toBe(true)
      const signature = readSignature(text.trimEnd())
      expect(signatureBy(parseVerifierKey(own.vkey), await log.text(size), [signature])).toBeDefined()
      expect(timedSignature(signature.bytes)?.seconds).toBe(1_790_000_000)
    }
    const { signatures, size } = openCheckpoint((await latest()).text, [log.signer, own], ORIGIN)
    expect(size).toBe(300)
    expect(signatures.map(({ name }) => name)).toEqual([ORIGIN, 'witness.example'])
  })

  test('says what it cosigned last to who asks from elsewhere', async () => {
    expect(await added(log, 5, 9)).toEqual({ status: 409, type: 'text/x.tlog.size', text: '0\n' })
    await added(log, 0, 120)
    for (const [old, size] of [
      [0, 9],
      [119, 130],
      [121, 130],
    ] as const)
      expect(await added(log, old, size)).toEqual({ status: 409, type: 'text/x.tlog.size', text: '120\n' })
  })

  test('begins with an empty log, and goes on', async () => {
    expect((await added(log, 0, 0)).status).toBe(200)
    expect((await added(log, 0, 3)).status).toBe(200)
    expect((await latest()).text).toContain(`${ORIGIN}\n3\n`)
  })

  test('writes nothing for what it cosigned this second, and renews the date of what it cosigned before', async () => {
    const file = join(dir, 'checkpoints', originHash(ORIGIN))
    const first = await added(log, 0, 5)
    const { ino } = statSync(file)
    expect(await added(log, 5, 5)).toEqual(first)
    expect(statSync(file).ino).toBe(ino)
    now = instant(now + 1_000)
    const later = readSignature((await added(log, 5, 5)).text.trimEnd())
    expect(timedSignature(later.bytes)?.seconds).toBe(1_790_000_001)
    expect(statSync(file).ino).not.toBe(ino)
  })

  test('never dates a larger tree before a smaller one', async () => {
    await added(log, 0, 1)
    now = instant(now - 60_000)
    const { text } = await added(log, 1, 2)
    expect(timedSignature(readSignature(text.trimEnd()).bytes)?.seconds).toBe(1_790_000_000)
  })

  test('does not cosign a log that shrank', async () => {
    await added(log, 0, 120)
    expect((await added(log, 120, 90)).status).toBe(400)
  })

  test('takes any of the keys of a log', async () => {
    const later = noteSigner(ORIGIN, randomBytes(32))
    await start([log.signer, later])
    await added(log, 0, 5)
    const body = (await log.request(5, 6)).replace(/\n\n[\s\S]*/, `\n\n${await log.checkpoint(6, [later])}`)
    expect((await ask(body)).status).toBe(200)
  })
})

describe('what it refuses', () => {
  const requestOf = (change: (request: string) => string) => async () => change(await log.request(0, 6))

  test.each<[string, () => Promise<string>, number]>([
    ['nothing', async () => '', 400],
    ['no old size', requestOf((text) => text.replace('old 0\n', '')), 400],
    ['an old size with a zero before it', requestOf((text) => text.replace('old 0', 'old 00')), 400],
    ['an old size that is none', requestOf((text) => text.replace('old 0', 'old -1')), 400],
    ['an old size past all numbers', requestOf((text) => text.replace('old 0', `old ${'9'.repeat(30)}`)), 400],
    ['an old size above the checkpoint’s', async () => log.request(7, 6), 400],
    ['carriage returns', requestOf((text) => text.replaceAll('\n', '\r\n')), 400],
    ['a proof that is no base64', requestOf((text) => text.replace('old 0\n', 'old 0\n?\n')), 400],
    ['a hash of 31 bytes', requestOf((text) => text.replace('old 0\n', `old 0\n${Buffer.alloc(31).toString('base64')}\n`)), 400],
    ['64 hashes', requestOf((text) => text.replace('old 0\n', `old 0\n${`${'A'.repeat(43)}=\n`.repeat(64)}`)), 400],
    ['no checkpoint', async () => 'old 0\n\n', 400],
    ['a checkpoint without signatures', requestOf((text) => text.replace(/\n\n\u2014[\s\S]*$/, '\n')), 400],
    ['a checkpoint without its last newline', requestOf((text) => text.slice(0, -1)), 400],
    ['a size with a zero before it', requestOf((text) => text.replace('\n6\n', '\n06\n')), 400],
    ['bytes that are no UTF-8', requestOf((text) => text.replace(ORIGIN, '\ufffd')), 400],
    ['a log that is not known', async () => stranger.request(0, 5), 404],
    ['a signature of nobody', requestOf((text) => text.replace(/\u2014 \S+ \S+/, `\u2014 ${ORIGIN} ${'A'.repeat(92)}`)), 403],
    ['a signature of another key', async () => await new TestLog(ORIGIN, randomBytes(32), numbered(6)).request(0, 6), 403],
    ['a size that was not signed', requestOf((text) => text.replace('\n6\n', '\n5\n')), 403],
    ['a signature that is broken', requestOf((text) => text.replace(/.{6}\n$/, 'AAAAB=\n')), 400],
    ['a proof where none is needed', requestOf((text) => text.replace('old 0\n', `old 0\n${'A'.repeat(43)}=\n`)), 422],
  ])('%s', async (_title, make, status) => {
    const answer = await ask(await make())
    expect([answer.status, answer.text]).toEqual([status, expect.stringMatching(/./)])
    expect((await latest()).status).toBe(404)
    expect(readdirSync(join(dir, 'checkpoints'))).toEqual([])
  })

  test('an empty tree with a root of its own', async () => {
    const { signer } = log
    const text = `${ORIGIN}\n0\n${Buffer.alloc(32).toString('base64')}\n`
    const note = `${text}\n\u2014 ${signer.name} ${Buffer.concat([Buffer.from(signer.keyId, 'hex'), signer.sign(text)]).toString('base64')}\n`
    expect((await ask(`old 0\n\n${note}`)).status).toBe(422)
  })

  test.each<[string, string, string, number]>([
    ['another method', '/add-checkpoint', 'GET', 405],
    ['a post for what is read', `/${originHash(ORIGIN)}/checkpoint`, 'POST', 405],
    ['a log that is not known', `/${originHash('log.example/other')}/checkpoint`, 'GET', 404],
    ['another path', '/', 'GET', 404],
  ])('%s: %s %s', async (_title, path, method, status) => {
    expect((await ask('', path, method)).status).toBe(status)
  })

  test('a body that is too large', async () => {
    expect((await ask(Buffer.alloc(LIMITS.witnessBodyBytesMax + 1, 0x61))).status).toBe(413)
  })
})

describe('a fork', () => {
  const evidence = () =>
    readdirSync(join(dir, 'evidence')).map(
      (name) => JSON.parse(readFileSync(join(dir, 'evidence', name), 'utf8')) as Record<string, string>,
    )

  test('at one size is refused, told aloud and kept: two notes that the log signed', async () => {
    await added(log, 0, 200)
    const before = await latest()
    expect(await added(fork, 200, 200)).toMatchObject({ status: 422, text: expect.stringContaining('this log has two') })
    expect(told.map(({ message }) => message)).toEqual([expect.stringMatching(/^FORK/)])
    const [kept] = evidence()
    expect(kept).toMatchObject({ kind: 'fork', origin: ORIGIN })
    const roots = [kept?.cosigned, kept?.refused].map((note = '') =>
      Buffer.from(openCheckpoint(note, [log.signer], ORIGIN).root).toString('hex'),
    )
    expect(new Set(roots).size).toBe(2)
    expect(openNote(kept?.cosigned ?? '', [own]).signatures).toHaveLength(1)
    expect(await latest()).toEqual(before)
    expect((await added(log, 200, 201)).status).toBe(200)
  })

  test('that grew further is refused by its proof', async () => {
    await added(log, 0, 200)
    expect((await added(fork, 200, 250)).status).toBe(422)
    expect(evidence()).toMatchObject([{ kind: 'unproven', old: 200 }])
    expect(told).toMatchObject([{ fields: { file: expect.stringContaining('unproven-') } }])
  })

  test('before what was cosigned is none', async () => {
    await added(log, 0, 90)
    expect((await added(fork, 90, 250)).status).toBe(200)
  })

  test('is kept once, however often it comes, and not without end', async () => {
    await added(log, 0, 101)
    const count = LIMITS.witnessEvidenceFilesMax + 20
    const many = new TestLog(ORIGIN, seed, numbered(count + 200, 'other'))
    for (let at = 0; at < count; at += 1) await added(many, 101, 102 + at)
    await added(many, 101, 102)
    expect(evidence()).toHaveLength(LIMITS.witnessEvidenceFilesMax)
    // Definite forks have a place of their own, which others cannot fill.
    await added(many, 101, 101)
    expect(evidence().filter(({ kind }) => kind === 'fork')).toHaveLength(1)
  })
})

describe('what it remembers', () => {
  test('outlives it, and is for its owner alone', async () => {
    await added(log, 0, 200)
    await start()
    expect(await added(log, 0, 250)).toMatchObject({ status: 409, text: '200\n' })
    expect((await added(fork, 200, 250)).status).toBe(422)
    const [file = ''] = readdirSync(join(dir, 'checkpoints'))
    expect(file).toBe(originHash(ORIGIN))
    expect(statSync(join(dir, 'checkpoints', file)).mode & 0o777).toBe(0o600)
  })

  test.each<[string, (note: string) => string | Promise<string>]>([
    ['empty', () => ''],
    ['cut off', (note) => note.slice(0, 80)],
    ['another size', (note) => note.replace('\n200\n', '\n100\n')],
    ['not cosigned', () => log.checkpoint(100)],
    ['of another log', () => stranger.checkpoint(5)],
  ])('is not replaced: a file that is %s ends the start', async (_title, change) => {
    await added(log, 0, 200)
    const file = join(dir, 'checkpoints', originHash(ORIGIN))
    writeFileSync(file, await change(readFileSync(file, 'utf8')))
    await expect(start()).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining(file) })
  })

  test('cannot be written: nothing is cosigned, and nothing changed', async () => {
    await added(log, 0, 10)
    const before = await latest()
    rmSync(join(dir, 'checkpoints'), { recursive: true })
    expect((await added(log, 10, 20)).status).toBe(500)
    expect(await latest()).toEqual(before)
  })

  test('a draft that a crash left behind is none of it', async () => {
    await added(log, 0, 10)
    writeFileSync(join(dir, 'checkpoints', `${originHash(ORIGIN)}.draft`), 'half a')
    await start()
    expect((await added(log, 10, 20)).status).toBe(200)
  })
})

test('of two trees at once, one is cosigned', async () => {
  await added(log, 0, 100)
  const bodies = [...Array(10)].flatMap((_, at) => [log.request(100, 150 + at), fork.request(100, 150 + at)])
  const answers = await Promise.all((await Promise.all(bodies)).map((body) => ask(body)))
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
  expect(answers.filter(({ status }) => status === 409)).toHaveLength(answers.length - 1)
})

test('whatever it is asked, all that it cosigned is one tree', async () => {
  const step = fc.record({ forked: fc.boolean(), old: fc.option(fc.nat(300)), size: fc.nat(300), together: fc.boolean() })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 15 }), async (steps) => {
      rmSync(join(dir, 'checkpoints'), { recursive: true })
      await start()
      const cosigned = new Set<boolean>()
      let size = 0
      let running: Promise<void>[] = []
      for (const each of steps) {
        const tree = each.forked ? fork : log
        const body = await tree.request(each.old ?? size, each.size)
        const asked = ask(body).then(({ status }) => {
          if (status !== 200) return
          size = Math.max(size, each.size)
          if (size > 100) cosigned.add(each.forked)
        })
        running = each.together ? [...running, asked] : []
        if (!each.together) await asked
      }
      await Promise.all(running)
      expect(cosigned.size).toBeLessThan(2)
      if (size > 0) expect((await latest()).text).toContain(`${ORIGIN}\n${size}\n`)
    }),
    { numRuns: 40 },
  )
})
