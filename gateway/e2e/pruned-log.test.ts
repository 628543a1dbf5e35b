import { randomBytes } from 'node:crypto'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { readLeaf } from '../audit/exported-entry.ts'
import { ABOUT, CHECKPOINT, ENTRIES, type ExportedLine, tileFile } from '../audit/exported-line.ts'
import { type AuditReport, verifyExport } from '../audit/verify-export.ts'
import { createInProcessBus } from '../bus/in-process.ts'
import { type AuditExportOptions, exportAudit } from '../cli/audit-export.ts'
import { replayAudit } from '../cli/audit-replay.ts'
import { instant } from '../core/clock.ts'
import { canonicalJson } from '../core/json.ts'
import { createEntrySealer } from '../credentials/entry-sealer.ts'
import { openVaultKey } from '../credentials/key-file.ts'
import { signCheckpoint } from '../record/checkpoint.ts'
import { leafHash, rootHash } from '../record/merkle.ts'
import { noteSigner } from '../record/signed-note.ts'
import { foldTile, hashesOf, subtreesOf, TILE_WIDTH, tilePath, tilesOf } from '../record/tile.ts'
import type { Pruned } from '../storage/log-floor.ts'
import { openStorage, type Storage } from '../storage/open-storage.ts'
import { prune } from '../storage/pruning.ts'
import { freshPostgres } from '../storage/test-databases.ts'
import { realClock } from '../storage/test-units.ts'
import { Browsers, fits, hasBrowser, violations } from './dashboard/browser.ts'
import { EVERYTHING, kindOf, linesIn, printed } from './exports.ts'
import { FOREVER, HeldScene, PROBER } from './held-scene.ts'
import { type Fields, fields, items, send } from './send.ts'

const postgres = await freshPostgres('a pruned log')

describe.skipIf(!postgres)('a log whose beginning was removed', () => {
  let scene: HeldScene
  let other: Storage
  let folder: string
  let token: string
  let key: string
  let early: string
  let before: string
  let after: string
  let floor: number
  const calls = { removed: '', straddling: '', left: '' }

  const address = () => ({ url: scene.bed.url, token })
  const lee = (query: string, variables: Fields = {}) => scene.bed.people('lee', query, variables)
  const verified = (dir: string, since: string | null = null): Promise<AuditReport> => verifyExport(dir, { vkey: key, since })
  const exported = async (name: string, options: Partial<Omit<AuditExportOptions, 'out'>> = {}): Promise<string> => {
    const out = join(folder, name)
    expect((await printed((output) => exportAudit(output, address(), { ...EVERYTHING, ...options, out }))).exit).toBe(0)
    return out
  }
  const get = (path: string) =>
    send(scene.bed.url, { method: 'GET', path: `/v1/${path}`, headers: { authorization: `Bearer ${token}` }, body: '' })
  const write = async (times: number): Promise<string> => {
    let last = ''
    for (let turn = 0; turn < times; turn += 1)
      last = (await scene.clients.http.call({ ...PROBER, operation: 'probe.writeThing', input: { name: `n${scene.next()}` } })).callId ?? ''
    return last
  }
  const floorNow = async (): Promise<Fields> =>
    fields((await lee('{ logFloor { index heldBy removal { at entry newest lastCall } } }')).logFloor)

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'gatehouse-pruned-'))
    scene = await HeldScene.open({ soon: '1h', environment: { DATABASE_URL: postgres?.options.databaseUrl } })
    token = await scene.bed.personToken('lee')
    calls.removed = await write(1)
    calls.straddling = await scene.held('http', scene.fresh())
    await write(3)
    await vi.waitFor(async () => expect((await get('checkpoint')).status).toBe(200), FOREVER)
    early = (await get('checkpoint')).text
    await write(180)
    const cut = Date.now()
    await scene.vote(calls.straddling)
    await vi.waitFor(async () => expect(await scene.callOf(calls.straddling)).toEqual({ state: 'completed' }), FOREVER)
    calls.left = await write(10)
    const logged = 'logged { index }'
    await vi.waitFor(async () => expect(items((await scene.callOf(calls.left, logged)).logged)).toHaveLength(3), FOREVER)
    key = String(fields((await lee('{ checkpoint { vkey } }')).checkpoint).vkey)
    before = await exported('before')

    const sealer = createEntrySealer((await openVaultKey(scene.bed.dataDir)).key, 'acme')
    other = await openStorage({ ...postgres?.options, dataDir: scene.bed.dataDir, sealer, clock: realClock, bus: createInProcessBus() })
    const sweep = () => prune({ ...{ database: other.database, writer: other.writer }, followers: () => ['log'] }, cut, Date.now())
    await vi.waitFor(async () => {
      await sweep()
      expect((await floorNow()).index).toBeGreaterThan(0)
    }, FOREVER)
    await sweep()
    floor = Number((await floorNow()).index)
    after = await exported('after')
  }, 120_000)
  afterAll(async () => {
    await other?.close()
    await scene?.bed.close()
    await postgres?.drop()
    rmSync(folder, { recursive: true, force: true })
  })

  test('is exported from its floor on, verifies, and says what was removed', async () => {
    expect(floor % TILE_WIDTH).toBe(0)
    expect(linesIn(after)[0]?.index).toBe(floor)
    const report = await verified(after)
    expect(report).toMatchObject({ ok: true, faults: [], part: 'whole', removed: { floor, newest: expect.any(String) } })
    expect(report.entries).toBe(report.size - floor)
    const said = linesIn(after).find((line) => kindOf(line) === 'log.pruned')
    expect(report.removed?.index).toBe(said?.index)
  })

  test('goes on from every checkpoint that was signed before, whatever its size', async () => {
    expect(Number(early.split('\n')[1])).toBeLessThan(floor)
    expect(await verified(after, early)).toMatchObject({ ok: true, since: Number(early.split('\n')[1]) })
    expect(await verified(after, readFileSync(join(before, CHECKPOINT), 'utf8'))).toMatchObject({ ok: true })
  })

  test('an export of before verifies as it did', async () => {
    expect(await verified(before)).toMatchObject({ ok: true, removed: null })
    expect(linesIn(before)[0]?.index).toBe(0)
  })

  test.each<[string, () => Partial<AuditExportOptions>]>([
    ['a call that began before the floor', () => ({ calls: [calls.straddling] })],
    ['a call that is whole', () => ({ calls: [calls.left] })],
    ['a sample', () => ({ sample: { count: 15, seed: 'of the auditor' } })],
    ['some time', () => ({ since: '2020-01-01T00:00:00.000Z', until: '2100-01-01T00:00:00.000Z' })],
  ])('a part verifies: %s', async (title, options) => {
    const report = await verified(await exported(title, options()))
    expect(report).toMatchObject({ ok: true, faults: [] })
    expect(report.entries).toBeGreaterThan(2)
  })

  test('entries below are refused with the floor, hashes are there', async () => {
    const refused = await get('tile/entries/000')
    expect(refused.status).toBe(410)
    expect(JSON.parse(refused.text)).toMatchObject({ code: 'REMOVED', detail: expect.stringContaining(`below index ${floor} `) })
    expect((await get('tile/0/000')).status).toBe(200)
    expect((await get(`tile/entries/00${floor / TILE_WIDTH}.p/1`)).status).toBe(200)
  })

  test('a removed call is not there, and a sample draws what is', async () => {
    expect((await lee('query ($id: ID!) { call(id: $id) { state } }', { id: calls.removed })).call).toBeNull()
    const { removal } = await floorNow()
    expect(String(fields(removal).lastCall) >= calls.removed).toBe(true)
    expect(String(fields(removal).lastCall) < calls.left).toBe(true)
    const { sample } = await lee('{ sample(first: 500, seed: "s") { floor size complete calls { id } } }')
    expect(fields(sample)).toMatchObject({ floor, complete: true })
    expect(items(fields(sample).calls).map((call) => fields(call).id)).toContain(calls.left)
  })

  describe.skipIf(!hasBrowser)('in the dashboard', () => {
    const browsers = new Browsers()

    test.each([360, 1440].flatMap((width) => (['light', 'dark'] as const).map((theme) => ({ width, theme }))))(
      'a removed call says that it may have been one, at $width px, $theme',
      async (window) => {
        const page = await browsers.enter(scene.bed, 'lee', `/calls/${calls.removed}`, window)
        await page.getByRole('heading', { name: 'There is no such call any more' }).waitFor()
        await page.getByText('removed under retention').waitFor()
        expect(await violations(page)).toEqual([])
        expect(await fits(page)).toBe(true)
        await browsers.forget()
        await page.close()
      },
    )

    test('a call of later that never was is none', async () => {
      const page = await browsers.enter(scene.bed, 'lee', '/calls/call_7zzzzzzzzzzzzzzzzzzzzzzzzz')
      await page.getByText('There is no such call, or it is not for you to see').waitFor()
      await page.close()
      expect(browsers.complaints).toEqual([])
    })
  })

  test('replay decides what is there again', async () => {
    expect(await printed((output) => replayAudit(output, address(), { since: null, until: null }))).toMatchObject({
      exit: 0,
      facts: { differ: 0 },
    })
  })

  describe('what was done to it is found', () => {
    const changed = async (change: (dir: string) => void): Promise<AuditReport> => {
      const dir = join(folder, 'changed')
      rmSync(dir, { recursive: true, force: true })
      cpSync(after, dir, { recursive: true })
      change(dir)
      return verified(dir)
    }
    const lines = (dir: string, keep: (line: ExportedLine) => boolean): void =>
      writeFileSync(
        join(dir, ENTRIES),
        `${linesIn(dir)
          .filter(keep)
          .map((line) => JSON.stringify(line))
          .join('\n')}\n`,
      )
    const from = (dir: string, index: number | undefined): void => {
      const about = JSON.parse(readFileSync(join(dir, ABOUT), 'utf8')) as Fields
      writeFileSync(join(dir, ABOUT), JSON.stringify({ ...about, from: index }))
    }

    test.each<[string, () => (dir: string) => void, string, () => number]>([
      [
        'another floor',
        () => (dir) => {
          from(dir, floor + TILE_WIDTH)
          lines(dir, ({ index }) => index >= floor + TILE_WIDTH)
        },
        'missing',
        () => 0,
      ],
      ['no floor', () => (dir) => from(dir, undefined), 'missing', () => 0],
      ['the entry that says so', () => (dir) => lines(dir, (line) => kindOf(line) !== 'log.pruned'), 'missing', () => 0],
      ['an entry behind the floor', () => (dir) => lines(dir, ({ index }) => index !== floor), 'missing', () => floor],
    ])('%s', async (_title, change, what, index) => {
      const { ok, faults } = await changed(change())
      expect(ok).toBe(false)
      expect(faults).toContainEqual({ what, index: index(), why: expect.any(String) })
    })

    /** The log anew, by somebody who has its key: hashes, tiles and signature are right. */
    const relogged = async (change: (body: Pruned) => Pruned): Promise<AuditReport> => {
      const signer = noteSigner('gatehouse/acme', randomBytes(32))
      const dir = join(folder, 'anew')
      rmSync(dir, { recursive: true, force: true })
      cpSync(after, dir, { recursive: true })
      const own = linesIn(dir).map((line) => {
        const leaf = readLeaf(line.leaf)
        if (leaf?.body.kind !== 'log.pruned') return line
        return { ...line, leaf: canonicalJson(JSON.parse(JSON.stringify({ ...leaf, body: change(leaf.body) }))) }
      })
      const file = (level: number, index: number, width: number): string => join(dir, tileFile(tilePath({ level, index, width })))
      const removed = Array.from({ length: floor / TILE_WIDTH }, (_, at) => hashesOf(readFileSync(file(0, at, TILE_WIDTH)))).flat()
      const leaves = [...removed, ...own.map(({ leaf }) => leafHash(Buffer.from(leaf)))]
      const full = Math.floor(leaves.length / TILE_WIDTH)
      const tiles = Array.from({ length: full }, (_, at) => foldTile(leaves.slice(at * TILE_WIDTH, (at + 1) * TILE_WIDTH)))
      const levels = [leaves, tiles]
      for (const { level, index, width } of tilesOf(leaves.length))
        writeFileSync(file(level, index, width), Buffer.concat(levels[level]?.slice(index * TILE_WIDTH, index * TILE_WIDTH + width) ?? []))
      const read = subtreesOf(async (level, index) => levels[level]?.slice(index * TILE_WIDTH, (index + 1) * TILE_WIDTH) ?? [])
      const checkpoint = { origin: 'gatehouse/acme', size: leaves.length, root: await rootHash(read, leaves.length) }
      writeFileSync(join(dir, CHECKPOINT), signCheckpoint(checkpoint, [signer]))
      writeFileSync(join(dir, ENTRIES), `${own.map((line) => JSON.stringify(line)).join('\n')}\n`)
      writeFileSync(join(dir, 'log.vkey'), `${signer.vkey}\n`)
      return verifyExport(dir, { vkey: signer.vkey, since: null })
    }

    test.each<[string, (body: Pruned) => Pruned, string]>([
      [
        'less of a process than is missing',
        (body) => ({ ...body, processes: body.processes.map(({ process, seq }) => ({ process, seq: seq - 1 })) }),
        'sequence',
      ],
      ['no process', (body) => ({ ...body, processes: [] }), 'sequence'],
      ['a smaller floor', (body) => ({ ...body, floor: body.floor - TILE_WIDTH }), 'missing'],
      ['another log', (body) => ({ ...body, checkpoint: { ...body.checkpoint, root: 'AAAA' } }), 'consistency'],
      ['a time that is none', (body) => ({ ...body, newest: instant(1e300) }), 'missing'],
      ['processes that are none', (body) => ({ ...body, processes: [null as never] }), 'missing'],
      ['no call that began before', (body) => ({ ...body, lastCall: null }), 'call'],
    ])('a removal that says: %s', async (_title, change, what) => {
      expect(await relogged((body) => body)).toMatchObject({ ok: true })
      const { ok, faults } = await relogged(change)
      expect(ok).toBe(false)
      expect(faults.map((fault) => fault.what)).toContain(what)
    })
  })
})
