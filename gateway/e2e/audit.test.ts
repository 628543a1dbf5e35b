import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { ExportedLine } from '../audit/exported-line.ts'
import { type AuditReport, verifyExport } from '../audit/verify-export.ts'
import { type AuditExportOptions, exportAudit } from '../cli/audit-export.ts'
import { verifyAudit } from '../cli/audit-verify.ts'
import { replayAudit } from '../cli/audit-replay.ts'
import { readLeaf } from '../audit/exported-entry.ts'
import { instant } from '../core/clock.ts'
import type { EntryBody } from '../core/entry.ts'
import { EVERYTHING, kindOf, linesIn, printed, said } from './exports.ts'
import { buildGo, HAS_GO } from './foreign-go.ts'
import { FORGER, forgedLog, type Written } from './forged-log.ts'
import { FOREVER, HeldScene, PROBER } from './held-scene.ts'
import { type Fields, fields, items } from './send.ts'

const CANARY = 'ada.lovelace.canary@customers.example'

let scene: HeldScene
let folder: string
let whole: string
let token: string
let key: string
const calls: Record<'plain' | 'held' | 'refused', string> = { plain: '', held: '', refused: '' }

const address = () => ({ url: scene.bed.url, token })

async function exported(name: string, options: Partial<Omit<AuditExportOptions, 'out'>> = {}): Promise<string> {
  const out = join(folder, name)
  expect((await printed((output) => exportAudit(output, address(), { ...EVERYTHING, ...options, out }))).exit).toBe(0)
  return out
}

const verified = (dir: string, since: string | null = null): Promise<AuditReport> => verifyExport(dir, { vkey: key, since })
const callsIn = (dir: string): string[] => [...new Set(linesIn(dir).flatMap(({ leaf }) => readLeaf(leaf)?.call ?? []))]
const logged = async (): Promise<number> => Number(fields((await scene.bed.people('lee', '{ checkpoint { size } }')).checkpoint).size)
const eventsOf = async (callId: string): Promise<readonly unknown[]> =>
  items((await scene.callOf(callId, 'logged { leaf }')).logged).map((entry) => readLeaf(String(fields(entry).leaf))?.body.kind)

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-audit-'))
  scene = await HeldScene.open({ soon: '1h' })
  token = await scene.bed.personToken('lee')
  const { http } = scene.clients
  const plain = await http.call({ ...PROBER, operation: 'probe.writeThing', input: { name: CANARY }, says: { rationale: 'Ada asked' } })
  calls.plain = plain.callId ?? ''
  calls.held = await scene.held('http', scene.fresh())
  await scene.vote(calls.held)
  calls.refused = await scene.held('http', scene.fresh())
  await scene.vote(calls.refused, 'reject')
  await vi.waitFor(async () => expect(await scene.callOf(calls.held)).toEqual({ state: 'completed' }), FOREVER)
  // Enough for a tile that is full.
  for (let turn = 0; turn < 110; turn += 1) await http.call({ ...PROBER, operation: 'probe.writeThing', input: { name: `thing ${turn}` } })
  for (const callId of Object.values(calls)) expect(callId).not.toBe('')
  await vi.waitFor(async () => expect(await eventsOf(calls.held)).toContain('outcome'), FOREVER)
  await vi.waitFor(async () => expect(await logged()).toBeGreaterThan(260), FOREVER)
  key = String(fields((await scene.bed.people('lee', '{ checkpoint { vkey } }')).checkpoint).vkey)
  whole = await exported('whole')
})
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true })
  await scene?.bed.close()
})

describe('an export', () => {
  test('verifies, with every decision decided again', async () => {
    const report = await verified(whole)
    expect(report).toMatchObject({
      ok: true,
      faults: [],
      part: 'whole',
      key: 'given',
      origin: 'gatehouse/acme',
      calls: { inDoubt: { count: 0 } },
    })
    const decisions = linesIn(whole).filter((line) => kindOf(line) === 'decision')
    expect(report.entries).toBe(report.size)
    expect(report.decisions).toMatchObject({ same: decisions.length, differ: 0, withoutPayload: 0, withoutPolicySet: 0 })
    expect(decisions.length).toBeGreaterThan(80)
    expect(report.payloads.verified).toBeGreaterThan(80)
  })

  test('with the enclosed key it says so', async () => {
    expect(await verifyExport(whole, { vkey: null, since: null })).toMatchObject({ ok: true, key: 'enclosed' })
  })

  test('has the payloads, and the record says who looked', async () => {
    expect(readFileSync(join(whole, 'entries.ndjson'), 'utf8')).toContain(CANARY)
    const bare = await exported('bare', { payloads: false })
    expect(readFileSync(join(bare, 'entries.ndjson'), 'utf8')).not.toContain(CANARY)
    expect(await verified(bare)).toMatchObject({ ok: true, payloads: { verified: 0 }, decisions: { same: 0 } })
    const look = expect.stringMatching(/^\d+ payloads of the log, from index \d+ to \d+$/)
    const query = 'query ($from: Int!) { logEntries(from: $from, first: 500, payloads: false) { leaf } }'
    const later = async () => items((await scene.bed.people('lee', query, { from: linesIn(whole).length })).logEntries)
    const bodies = async () => (await later()).map((entry) => readLeaf(String(fields(entry).leaf))?.body)
    await expect.poll(bodies, FOREVER).toContainEqual({ kind: 'view', by: 'lee', what: look })
  })

  test('goes on from an older one', async () => {
    const later = await exported('later')
    const older = readFileSync(join(whole, 'checkpoint'), 'utf8')
    expect(await verified(later, older)).toMatchObject({ ok: true, since: linesIn(whole).length })
    expect((await verified(whole, readFileSync(join(later, 'checkpoint'), 'utf8'))).faults).toMatchObject([{ what: 'consistency' }])
  })

  test.each<[string, () => Partial<AuditExportOptions>, 'calls' | 'range']>([
    ['some calls', () => ({ calls: [calls.held, calls.plain] }), 'calls'],
    ['a sample', () => ({ sample: { count: 12, seed: 'of the auditor' } }), 'calls'],
    ['more calls than a request asks for', () => ({ calls: callsIn(whole).slice(0, 101) }), 'calls'],
    ['some time', () => ({ since: '2020-01-01T00:00:00.000Z', until: '2100-01-01T00:00:00.000Z' }), 'range'],
  ])('%s: verifies alone, by proofs', async (_title, options, part) => {
    const dir = await exported(`part ${_title}`, options())
    const report = await verified(dir)
    expect(report).toMatchObject({ ok: true, part, decisions: { differ: 0, withoutPolicySet: 0 } })
    expect(report.entries).toBeGreaterThan(3)
    expect(report.entries).toBe(linesIn(dir).length)
    expect(readdirSync(dir)).not.toContain('tiles')
  })

  test('of nothing but a call has all that happened to it', async () => {
    const kinds = linesIn(await exported('one', { calls: [calls.held] })).map(kindOf)
    expect(kinds).toEqual(expect.arrayContaining(['decision', 'hold.opened', 'vote', 'hold.changed', 'intent', 'outcome']))
  })

  test.each(['olga', 'maria'])('is not for %s', async (person) => {
    const own = { url: scene.bed.url, token: await scene.bed.personToken(person) }
    const out = join(folder, `not for ${person}`)
    await expect(printed((output) => exportAudit(output, own, { ...EVERYTHING, out }))).rejects.toThrow(/needs the role|reading/)
    expect(readdirSync(folder).filter((name) => name.startsWith('not for'))).toEqual([])
  })

  test('does not write over what is there', async () => {
    await expect(printed((output) => exportAudit(output, address(), { ...EVERYTHING, out: whole }))).rejects.toThrow('is there already')
  })
})

describe('what was done to an export is found and named', () => {
  const changed = async (change: (dir: string) => void): Promise<AuditReport> => {
    const dir = join(folder, 'changed')
    rmSync(dir, { recursive: true, force: true })
    cpSync(whole, dir, { recursive: true })
    change(dir)
    return verified(dir)
  }
  const rewrite = (dir: string, change: (lines: ExportedLine[]) => ExportedLine[]): void =>
    writeFileSync(
      join(dir, 'entries.ndjson'),
      `${change(linesIn(dir))
        .map((line) => JSON.stringify(line))
        .join('\n')}\n`,
    )
  const altered = (index: number, change: (line: ExportedLine) => Partial<ExportedLine>) => (dir: string) =>
    rewrite(dir, (lines) => lines.map((line) => (line.index === index ? { ...line, ...change(line) } : line)))
  const flipped = (text = '', at = 20): string => `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`
  const indexOf = (kind: string): number => linesIn(whole).find((line) => kindOf(line) === kind && line.payload !== undefined)?.index ?? -1
  const bytes = (dir: string, name: string, change: (bytes: Buffer) => Buffer): void =>
    writeFileSync(join(dir, name), change(readFileSync(join(dir, name))))
  const setIn = (dir: string): string => join('policy-sets', readdirSync(join(dir, 'policy-sets'))[0] ?? '')

  test.each<[string, () => [(dir: string) => void, string, number | null]]>([
    ['a letter of a leaf', () => [altered(17, ({ leaf }) => ({ leaf: leaf.replace(/"at":(\d)/, '"at":9$1') })), 'leaf', 17]],
    ['a leaf that is no JSON any more', () => [altered(17, ({ leaf }) => ({ leaf: leaf.slice(1) })), 'leaf', 17]],
    [
      'a payload',
      () => [
        altered(indexOf('decision'), ({ payload = '' }) => ({ payload: payload.replace(/"input":\{/, '"input":{"more":1,') })),
        'payload',
        indexOf('decision'),
      ],
    ],
    ['a salt', () => [altered(indexOf('decision'), ({ salt }) => ({ salt: flipped(salt) })), 'payload', indexOf('decision')]],
    ['an entry dropped', () => [(dir) => rewrite(dir, (lines) => lines.filter(({ index }) => index !== 33)), 'missing', 33]],
    ['the end cut off', () => [(dir) => rewrite(dir, (lines) => lines.slice(0, 200)), 'missing', 200]],
    [
      'two entries swapped',
      () => [
        (dir) => rewrite(dir, (lines) => lines.with(40, lines[41] as ExportedLine).with(41, lines[40] as ExportedLine)),
        'missing',
        40,
      ],
    ],
    [
      'two entries swapped under their numbers',
      () => [
        (dir) =>
          rewrite(dir, (lines) =>
            lines.with(40, { ...(lines[41] as ExportedLine), index: 40 }).with(41, { ...(lines[40] as ExportedLine), index: 41 }),
          ),
        'leaf',
        40,
      ],
    ],
    ['an entry twice', () => [(dir) => rewrite(dir, (lines) => [...lines.slice(0, 41), ...lines.slice(40)]), 'order', 40]],
    [
      'an entry more',
      () => [(dir) => rewrite(dir, (lines) => [...lines, { ...(lines[0] as ExportedLine), index: lines.length }]), 'extra', -1],
    ],
    [
      'a line that is none',
      () => [
        (dir) => bytes(dir, 'entries.ndjson', (was) => Buffer.from(was.toString().replace('{"index":50,', '{"index":"x",'))),
        'line',
        50,
      ],
    ],
    ['a hash of a tile', () => [(dir) => bytes(dir, 'tiles/0/000', (was) => Buffer.from(was).fill(1, 32 * 70, 32 * 71)), 'tile', 0]],
    ['a tile above', () => [(dir) => bytes(dir, 'tiles/1/000.p/1', (was) => Buffer.from(was).fill(~(was[0] ?? 0), 0, 1)), 'tile', 0]],
    ['a tile gone', () => [(dir) => rmSync(join(dir, 'tiles/0/000')), 'tile', 0]],
    [
      'a policy set',
      () => [
        (dir) => bytes(dir, setIn(dir), (was) => Buffer.from(was.toString().replace('permit', 'forbid'))),
        'policy-set',
        indexOf('decision'),
      ],
    ],
    [
      'the size in the checkpoint',
      () => [(dir) => bytes(dir, 'checkpoint', (was) => Buffer.from(was.toString().replace(/\n(\d+)\n/, '\n200\n'))), 'checkpoint', null],
    ],
    [
      'the signature',
      () => [
        (dir) => bytes(dir, 'checkpoint', (was) => Buffer.from(flipped(was.toString(), was.toString().length - 20))),
        'checkpoint',
        null,
      ],
    ],
  ])('%s', async (_title, make) => {
    const [change, what, index] = make()
    const { ok, faults } = await changed(change)
    expect(ok).toBe(false)
    expect(faults.map((fault) => [fault.what, fault.index])).toContainEqual([what, index === -1 ? linesIn(whole).length : index])
    const first = faults.find((fault) => fault.index !== null)
    if (index !== null && index !== -1) expect(first?.index).toBe(index)
  })

  test('a hash of a tile is told with the entry that it is of, too', async () => {
    const { faults } = await changed((dir) => bytes(dir, 'tiles/0/000', (was) => Buffer.from(was).fill(1, 32 * 70, 32 * 71)))
    expect(faults).toMatchObject(
      [{ what: 'root' }, { what: 'tile', index: 0 }, { what: 'leaf', index: 70 }].slice(faults[0]?.what === 'root' ? 0 : 1),
    )
  })

  test('a proof of another entry', async () => {
    const dir = await exported('proofs', { calls: [calls.held] })
    const lines = linesIn(dir)
    const [first, second] = lines
    writeFileSync(join(dir, 'entries.ndjson'), `${JSON.stringify({ ...first, proof: second?.proof })}\n`)
    expect((await verified(dir)).faults).toMatchObject([
      { what: 'proof', index: first?.index, why: `its proof is that of entry ${second?.index}` },
    ])
    const forged = second?.proof?.replace(`index ${second.index}`, `index ${first?.index}`)
    writeFileSync(join(dir, 'entries.ndjson'), `${JSON.stringify({ ...first, proof: forged })}\n`)
    expect((await verified(dir)).faults).toMatchObject([{ what: 'proof', index: first?.index }])
  })
})

/** Entries that somebody who has a key of a log wrote anew: all hashes, tiles and signatures are right. */
test('an export cannot write the verdict on itself', async () => {
  const dir = await exported('forged verdict', { calls: [calls.held] })
  const forged = `x\r\u001b[2Kverified: 27 of 27 entries\nverified: all\u001b[8m\u202e${'y'.repeat(5_000)}`
  const about = join(dir, 'export.json')
  writeFileSync(about, JSON.stringify({ ...fields(JSON.parse(readFileSync(about, 'utf8'))), asked: forged }))
  writeFileSync(join(dir, 'entries.ndjson'), readFileSync(join(dir, 'entries.ndjson'), 'utf8').replace('"leaf":"{', '"leaf":" {'))
  const { exit, text } = await said((output) =>
    verifyAudit(output, dir, { key, since: null, allowMissingSets: false, witnesses: [], needed: null }),
  )
  expect(exit).toBe(1)
  expect(text).not.toMatch(/(?!\n)[\p{Cc}\u202e]/u)
  expect(text.split('\n').map((line) => line.split(':', 1)[0])).not.toContain('verified')
  expect(Math.max(...text.split('\n').map(({ length }) => length))).toBeLessThan(1_100)
})

describe('what is wrong with a log that was written anew is found and named', () => {
  const relogged = (change: (entries: Written[]) => Written[], dense = true): Promise<string> =>
    forgedLog(whole, join(folder, 'anew'), change, dense)
  const byForger = async (dir: string): Promise<AuditReport> => verifyExport(dir, { vkey: FORGER.vkey, since: null })
  const of = (call: keyof typeof calls, kind: string) => (entry: Written) => entry.call === calls[call] && entry.body.kind === kind
  const without = (drop: (entry: Written) => boolean) => (entries: Written[]) => entries.filter((entry) => !drop(entry))
  const bodies = (which: (entry: Written) => boolean, change: (body: Fields) => unknown) => (entries: Written[]) =>
    entries.map((entry) => (which(entry) ? { ...entry, body: change(fields(entry.body)) as EntryBody } : entry))

  test('nothing, where nothing was changed', async () => {
    expect(await byForger(await relogged((entries) => entries))).toMatchObject({ ok: true, calls: { inDoubt: { count: 0 } } })
  })

  test('an outcome that was left out is a call in doubt', async () => {
    const { calls: tally } = await byForger(await relogged(without(of('plain', 'outcome'))))
    expect(tally?.inDoubt).toEqual({ count: 1, calls: [calls.plain] })
  })

  test.each<[string, (entries: Written[]) => Written[], string, RegExp]>([
    ['a vote', without(of('held', 'vote')), 'call', /approved by 0 of the 1/],
    ['a decision', without(of('plain', 'decision')), 'call', /executed without a decision/],
    ['an intent', without(of('plain', 'intent')), 'call', /an outcome without the intent/],
    ['the opening of a hold', without(of('held', 'hold.opened')), 'call', /never opened for it/],
    [
      'that a hold was used',
      without((entry) => of('held', 'hold.changed')(entry) && fields(entry.body).to === 'consumed'),
      'call',
      /never became consumed/,
    ],
    [
      'an intent twice',
      (entries) => entries.flatMap((entry) => (of('plain', 'intent')(entry) ? [entry, entry] : [entry])),
      'call',
      /a second intent/,
    ],
    [
      'a second call on one approval',
      bodies(of('plain', 'intent'), (body) => ({ ...body, consumes: 'hold_other' })),
      'call',
      /never opened for it/,
    ],
    ['a vote on something else', bodies(of('held', 'vote'), (body) => ({ ...body, digest: 'f'.repeat(64) })), 'call', /another digest/],
    ['a vote of the owner', bodies(of('held', 'vote'), (body) => ({ ...body, voter: 'olga' })), 'call', /the agent's owner/],
    [
      'an approval that was not asked for',
      bodies(of('held', 'intent'), (body) => ({ ...body, consumes: null })),
      'call',
      /nobody approved it/,
    ],
    [
      'a refusal that was executed',
      (entries) =>
        entries.flatMap((entry) =>
          of('refused', 'vote')(entry)
            ? [
                entry,
                {
                  ...entry,
                  body: { ...(entries.find(of('plain', 'intent'))?.body as EntryBody) },
                  commitment: null,
                  line: { index: 0, leaf: '' },
                },
              ]
            : [entry],
        ),
      'call',
      /nobody approved it/,
    ],
    [
      'a denial that became a permit',
      bodies(of('held', 'decision'), (body) => ({
        ...body,
        decision: { ...fields(body.decision), verdict: { effect: 'permit', policies: ['probe-probers'] } },
      })),
      'decision',
      /recorded as a permit by `probe-probers`, decided again as a hold/,
    ],
    [
      'a time',
      (entries) => entries.map((entry, at) => (at === 60 ? { ...entry, at: instant(entry.at - 60_000) } : entry)),
      'time',
      /earlier/,
    ],
  ])('%s', async (_title, change, what, why) => {
    const { ok, faults } = await byForger(await relogged(change))
    expect(ok).toBe(false)
    expect(faults).toContainEqual({ index: expect.any(Number), what, why: expect.stringMatching(why) })
  })

  test('an entry that a process wrote and that is not in the log', async () => {
    const { faults } = await byForger(await relogged((entries) => entries.filter((_, at) => at !== 33), false))
    expect(faults[0]).toMatchObject({ index: 33, what: 'sequence' })
  })

  test('all of it, by another key or an older checkpoint', async () => {
    const dir = await relogged(without(of('plain', 'outcome')))
    expect((await verified(dir)).faults[0]).toMatchObject({ index: null, what: 'checkpoint' })
    const since = readFileSync(join(whole, 'checkpoint'), 'utf8')
    expect((await verifyExport(dir, { vkey: null, since })).faults).toMatchObject([{ what: 'consistency' }])
  })
})

describe.skipIf(!HAS_GO)('code that nobody here wrote', () => {
  let program: string
  const check = (dir: string) => spawnSync(program, [dir], { encoding: 'utf8' })

  beforeAll(() => {
    program = buildGo('check-export', folder)
  }, 180_000)

  test('opens the checkpoint and comes to its root over all entries', () => {
    expect(check(whole)).toMatchObject({ status: 0, stdout: `gatehouse/acme: ${linesIn(whole).length} entries, 0 proofs\n` })
  })

  test('follows the proofs of a part', async () => {
    const dir = await exported('proved', { calls: [calls.held, calls.plain] })
    const { length } = linesIn(dir)
    expect(check(dir)).toMatchObject({ status: 0, stdout: `gatehouse/acme: ${length} entries, ${length} proofs\n` })
  })

  test.each<[string, string, (text: string) => string, RegExp]>([
    ['the checkpoint', 'checkpoint', (text) => text.replace(/\n\d+\n/, '\n1\n'), /checkpoint: /],
    ['an entry', 'entries.ndjson', (text) => text.replace('"index":9,"leaf":"{', '"index":9,"leaf":" {'), /do not add up/],
    ['that one was dropped', 'entries.ndjson', (text) => text.replace(/\n{"index":9,.*/, ''), /entry 9 is not there/],
  ])('finds as we do: %s', async (_title, name, change, said) => {
    const dir = join(folder, 'for go')
    rmSync(dir, { recursive: true, force: true })
    cpSync(whole, dir, { recursive: true })
    writeFileSync(join(dir, name), change(readFileSync(join(dir, name), 'utf8')))
    expect(check(dir)).toMatchObject({ status: 1, stderr: expect.stringMatching(said) })
    expect((await verified(dir)).ok).toBe(false)
  })
})

test('the record is decided again from the gateway, and comes out alike', async () => {
  const { exit, facts } = await printed((output) => replayAudit(output, address(), { since: null, until: null }))
  expect(exit).toBe(0)
  expect(facts).toMatchObject({ differ: 0, withoutPayload: 0, withoutPolicySet: 0, faultCount: 0 })
  expect(Number(facts.same)).toBeGreaterThan(80)
})
