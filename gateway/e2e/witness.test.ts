import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { createPublicKey, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type AuditReport, verifyExport } from '../audit/verify-export.ts'
import { exportAudit } from '../cli/audit-export.ts'
import { createOutput } from '../cli/output.ts'
import { logKeySeed } from '../credentials/log-key.ts'
import { cosignedText, timedSignature } from '../record/cosignature.ts'
import { leafHash } from '../record/merkle.ts'
import { cosigner, noteSigner, parseVerifierKey, readNote, signatureBy } from '../record/signed-note.ts'
import { verifyProof } from '../record/tlog-proof.ts'
import { originHash } from '../witness/kept-checkpoints.ts'
import { numbered, TestLog } from '../witness/test-log.ts'
import { buildGo, HAS_GO } from './foreign-go.ts'
import { fields, items } from './send.ts'
import { ORIGIN, WitnessedGateway, WitnessProcess } from './witness-scene.ts'

// Witnesses are left alone for a while after they failed, and gauges are read every few seconds.
vi.setConfig({ testTimeout: 180_000 })
const SOON = { timeout: 60_000, interval: 50 }
const MAIN = fileURLToPath(new URL('../../dist/gateway/cli/main.js', import.meta.url))
const vaultKey = randomBytes(32)
const logKey = noteSigner(ORIGIN, logKeySeed(vaultKey)).vkey

let witnesses: [WitnessProcess, WitnessProcess]
let gateway: WitnessedGateway
let folder: string

const cosigned = (by: number[], above = 0) =>
  vi.waitFor(async () => {
    const now = await gateway.published(witnesses)
    expect(now.size).toBeGreaterThan(above)
    expect(now.by).toEqual(by)
    return now
  }, SOON)

async function exported(from: WitnessedGateway, name: string): Promise<string> {
  const sink = new Writable({ write: (_chunk, _encoding, done) => done() })
  const out = join(folder, name)
  const address = { url: from.url, token: await from.token('lee') }
  const whole = { out, since: null, until: null, calls: null, sample: null, payloads: true }
  expect(await exportAudit(createOutput(true, sink, sink), address, whole)).toBe(0)
  return out
}

const verified = (dir: string, needed: number | null = null): Promise<AuditReport> =>
  verifyExport(dir, { vkey: logKey, since: null, witnesses: { vkeys: witnesses.map(({ vkey }) => vkey), needed } })

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-witnessed-'))
  witnesses = [await new WitnessProcess('one.example', logKey).start(), await new WitnessProcess('two.example', logKey).start()]
  gateway = new WitnessedGateway(vaultKey, witnesses)
  await gateway.start()
})
afterAll(async () => {
  await gateway?.close()
  for (const witness of witnesses ?? []) await witness.close()
  rmSync(folder, { recursive: true, force: true })
})

describe('a log with two witnesses', () => {
  test('is published with what they cosigned, in the note, in GraphQL and in proofs', async () => {
    const id = await gateway.calls(3)
    await cosigned([0, 1])
    const query = 'query ($id: ID!) { checkpoint { note cosignatures { witness at } } call(id: $id) { logged { leaf proof } } }'
    const seen = await vi.waitFor(async () => {
      const { checkpoint, call } = await gateway.people('lee', query, { id })
      const logged = items(fields(call).logged).map(fields)
      expect(logged.length).toBeGreaterThan(2)
      for (const { proof } of logged) expect(proof).not.toBeNull()
      return { checkpoint: fields(checkpoint), logged }
    }, SOON)
    const told = items(seen.checkpoint.cosignatures).map(fields)
    expect(told.map(({ witness }) => witness).toSorted()).toEqual(witnesses.map(({ vkey }) => vkey).toSorted())
    for (const { at } of told) expect(Math.abs(Date.now() - Date.parse(String(at)))).toBeLessThan(60_000)
    const keys = [logKey, ...witnesses.map(({ vkey }) => vkey)].map(parseVerifierKey)
    for (const { leaf, proof } of seen.logged) {
      const { signatures } = verifyProof(String(proof), leafHash(Buffer.from(String(leaf))), keys, ORIGIN)
      expect(signatures.map(({ name }) => name)).toEqual([ORIGIN, 'one.example', 'two.example'])
    }
  })

  test('keeps no call waiting for one that is killed, publishes without it, and has it again when it is back', async () => {
    const [first] = witnesses
    const lag = () => gateway.metric('gatehouse_witness_lag_seconds', '{witness="one.example"}')
    for (let turn = 0; turn < 2; turn += 1) {
      const { size } = await cosigned([0, 1])
      await first.end('SIGKILL')
      await gateway.calls(4)
      const alone = await cosigned([1], size)
      await vi.waitFor(async () => expect(await lag()).toBeGreaterThan(1), SOON)
      await first.start()
      await cosigned([0, 1], alone.size - 1)
      await vi.waitFor(async () => expect(await lag()).toBe(0), SOON)
    }
    expect(await gateway.metric('gatehouse_witness_refusals_total', '{witness="one.example"}')).toBeNaN()
  })

  test('is told by each witness to whoever wants to compare', async () => {
    const { size } = await cosigned([0, 1])
    for (const witness of witnesses) expect(await witness.latest(originHash(ORIGIN))).toContain(`${ORIGIN}\n${size}\n`)
  })

  test('never shrinks where it is published, however fast it grows', async () => {
    let ended = false
    const sizes: number[] = []
    const watching = (async () => {
      while (!ended) sizes.push((await gateway.published(witnesses)).size)
    })()
    await gateway.calls(60)
    ended = true
    await watching
    expect(sizes).toEqual(sizes.toSorted((a, b) => a - b))
    await cosigned([0, 1], (sizes.at(-1) ?? 0) - 1)
  })

  test('exports what verifies with both, by the command too', async () => {
    await cosigned([0, 1])
    const dir = await exported(gateway, 'both')
    const report = await verified(dir)
    expect(report).toMatchObject({ ok: true, witnesses: { needed: 2, cosigned: [{ name: 'one.example' }, { name: 'two.example' }] } })
    const keys = join(folder, 'witnesses')
    writeFileSync(keys, `${witnesses.map(({ vkey }) => vkey).join('\n')}\n`)
    const run = (...args: string[]) =>
      spawnSync(process.execPath, [MAIN, 'audit', 'verify', dir, '--key', logKey, ...args], { encoding: 'utf8' })
    expect(run('--witness', keys)).toMatchObject({ status: 0, stdout: expect.stringContaining('2 needed, cosigned by one.example at') })
    const absent = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'
    expect(run('--witness', absent)).toMatchObject({ status: 1, stderr: expect.stringContaining('key of a log') })
    expect(run('--witness', witnesses[0].vkey, '--witnesses', '2')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('2 witnesses are needed'),
    })
  })
})

describe('code that nobody here wrote', () => {
  test('openssl verifies a cosignature', async () => {
    const { note } = await cosigned([0, 1])
    const { text, signatures } = readNote(note)
    const key = parseVerifierKey(witnesses[0].vkey)
    const timed = timedSignature(signatureBy(key, text, signatures)?.bytes ?? new Uint8Array())
    if (!timed) throw new Error('not cosigned')
    const raw = Buffer.from(key.vkey.split('+').slice(2).join('+'), 'base64').subarray(1)
    const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), raw])
    writeFileSync(
      join(folder, 'key.pem'),
      createPublicKey({ key: spki, format: 'der', type: 'spki' }).export({ format: 'pem', type: 'spki' }),
    )
    writeFileSync(join(folder, 'text'), cosignedText(text, timed.seconds))
    writeFileSync(join(folder, 'signature'), timed.signature)
    const args = ['pkeyutl', '-verify', '-pubin', '-inkey', 'key.pem', '-rawin', '-in', 'text', '-sigfile', 'signature']
    expect(execFileSync('openssl', args, { cwd: folder, encoding: 'utf8' })).toContain('Signature Verified Successfully')
  })
})

describe.skipIf(!HAS_GO)('Go', () => {
  test('opens a checkpoint by the keys of the log and of both witnesses, and no other', async () => {
    const program = buildGo('check-cosignatures', folder)
    const { note } = await cosigned([0, 1])
    const file = join(folder, 'checkpoint')
    const check = (text: string, ...keys: string[]) => {
      writeFileSync(file, text)
      return spawnSync(program, [file, logKey, ...keys], { encoding: 'utf8' })
    }
    const [one, two] = witnesses.map(({ vkey }) => vkey) as [string, string]
    expect(check(note, one, two)).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^one\.example 1\d{9}\ntwo\.example 1\d{9}\n$/),
    })
    const stranger = cosigner('one.example', randomBytes(32)).vkey
    expect(check(note, stranger)).toMatchObject({ status: 1, stderr: expect.stringContaining('only 1 of 2') })
    const forged = note.replace(/(\u2014 one\.example .{14})./, (_, kept: string) =>
      `${kept}_`.replace('_', note.includes(`${kept}A`) ? 'B' : 'A'),
    )
    expect(check(forged, one)).toMatchObject({ status: 1 })
  })

  test('is a witness that takes what the gateway asks, from the first entry on', async () => {
    const program = buildGo('witness', folder)
    const foreign = await startForeign(program)
    const own = new WitnessedGateway(vaultKey, [foreign])
    const published = (above: number) =>
      vi.waitFor(async () => {
        const now = await own.published([foreign])
        expect(now.size).toBeGreaterThan(above)
        expect(now.by, own.log()).toEqual([0])
        return now
      }, SOON)
    try {
      await own.start()
      let size = 0
      for (const count of [1, 3, 7, 90]) {
        await own.calls(count)
        size = (await published(size)).size
      }
      // Beyond one tile, once all that was called is in the log.
      if (size <= 256) await published(256)
      expect(await verifyExport(await exported(own, 'foreign'), of(foreign))).toMatchObject({ ok: true, witnesses: { needed: 1 } })
    } finally {
      foreign.child.kill('SIGKILL')
      await own.close()
    }
  })
})

const of = ({ vkey }: { vkey: string }) => ({ vkey: logKey, since: null, witnesses: { vkeys: [vkey], needed: null } })

async function startForeign(program: string) {
  const child = spawn(program, [logKey], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const [url = '', vkey = ''] = line.toString().trim().split(' ')
  return { child, url, vkey }
}

/** Somebody who has the log's key shows other people another log. */
describe('a split view', () => {
  test('at one size: the log signed two trees, and the witness keeps both', async () => {
    const { size } = await cosigned([0, 1])
    const forged = new TestLog(ORIGIN, logKeySeed(vaultKey), numbered(size))
    const response = await fetch(`${witnesses[1].url}/add-checkpoint`, { method: 'POST', body: await forged.request(size, size) })
    expect([response.status, await response.text()]).toEqual([422, expect.stringContaining('this log has two')])
    expect(witnesses[1].log).toContain('FORK')
    const [file = ''] = readdirSync(join(witnesses[1].dir, 'evidence'))
    const { cosigned: kept, refused } = JSON.parse(readFileSync(join(witnesses[1].dir, 'evidence', file), 'utf8')) as Record<string, string>
    for (const note of [kept, refused]) expect(signatureBy(parseVerifierKey(logKey), ...partsOf(note))).toBeDefined()
    await gateway.calls(1)
    await cosigned([0, 1], size)
  })

  test('by a second gateway with the same key: refused, seen, and found in its export, which is right in all else', async () => {
    await gateway.calls(20)
    await cosigned([0, 1])
    const other = new WitnessedGateway(vaultKey, witnesses)
    try {
      await other.start()
      await other.calls(2)
      const refusals = () => other.metric('gatehouse_witness_refusals_total', '{witness="two.example"}')
      await vi.waitFor(async () => expect(await refusals()).toBeGreaterThan(0), SOON)
      expect(other.log()).toContain('a witness REFUSED the log')
      await vi.waitFor(async () => expect((await other.published(witnesses)).size).toBeGreaterThan(5), SOON)
      expect((await other.published(witnesses)).by).toEqual([])
      const dir = await exported(other, 'split')
      expect(await verifyExport(dir, { vkey: logKey, since: null })).toMatchObject({ ok: true })
      expect(await verified(dir)).toMatchObject({ ok: false, faults: [{ what: 'witness', why: expect.stringContaining('0 of the 2') }] })
      // Its log grows past what was cosigned: now a proof is asked for, and it has none.
      const { size } = await gateway.published(witnesses)
      await other.calls(Math.ceil(size / 3) + 1)
      await vi.waitFor(() => expect(other.log()).toContain('does not go on from what it has cosigned'), SOON)
      expect(readdirSync(join(witnesses[0].dir, 'evidence')).filter((name) => name.startsWith('unproven-'))).not.toEqual([])
    } finally {
      await other.close()
    }
    expect((await gateway.published(witnesses)).by).toEqual([0, 1])
  })

  test('by an old backup of the database: refused, and seen', async () => {
    const backup = join(folder, 'backup')
    const before = await cosigned([0, 1])
    await gateway.stop()
    gateway.copyTo(backup)
    await gateway.start()
    await gateway.calls(5)
    await cosigned([0, 1], before.size + 14)
    await gateway.stop()
    gateway.restoreFrom(backup)
    await gateway.start()
    const refusals = () => gateway.metric('gatehouse_witness_refusals_total', '{witness="one.example"}')
    await vi.waitFor(async () => expect(await refusals()).toBeGreaterThan(0), SOON)
    expect(gateway.log()).toMatch(/it has cosigned \d+ entries of this log, and there are only \d+/)
    await gateway.calls(3)
    await vi.waitFor(async () => expect((await gateway.published(witnesses)).by).toEqual([]), SOON)
    const dir = await exported(gateway, 'rolled back')
    expect(await verified(dir, 1)).toMatchObject({ ok: false, faults: [{ what: 'witness' }] })
  })
})

function partsOf(note = ''): [string, ReturnType<typeof readNote>['signatures']] {
  const { text, signatures } = readNote(note)
  return [text, signatures]
}
