import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { readLeaf } from '../audit/exported-entry.ts'
import { type AuditReport, verifyExport } from '../audit/verify-export.ts'
import { type AuditExportOptions, exportAudit } from '../cli/audit-export.ts'
import { ROOT } from './docs-blocks.ts'
import { EVERYTHING, linesIn, printed } from './exports.ts'
import { FOREVER, HeldScene, PROBER } from './held-scene.ts'
import { fields, items } from './send.ts'

/** Three entries each, so that the log has more than a page of them. */
const CALLS = 180

let scene: HeldScene
let folder: string
let token: string
let key: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-export-'))
  scene = await HeldScene.open({ soon: '1h' })
  token = await scene.bed.personToken('lee')
  const { http } = scene.clients
  for (let made = 0; made < CALLS; made += 20)
    await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        http.call({ ...PROBER, operation: 'probe.writeThing', input: { name: `thing ${made + i}` }, says: {} }),
      ),
    )
  const checkpoint = async () => fields((await scene.bed.people('lee', '{ checkpoint { size vkey } }')).checkpoint)
  await vi.waitFor(async () => expect((await checkpoint()).size).toBeGreaterThan(3 * CALLS), FOREVER)
  key = String((await checkpoint()).vkey)
}, 120_000)
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true })
  await scene?.bed.close()
})

const exportTo = (out: string, url: string, options: Partial<AuditExportOptions> = {}) =>
  printed((output) => exportAudit(output, { url, token }, { ...EVERYTHING, ...options, out }))
const verified = (dir: string): Promise<AuditReport> => verifyExport(dir, { vkey: key, since: null })

/** The gateway behind a line that breaks: `cut` says what becomes of a page of entries, which are counted from 1. */
class Line {
  readonly #server: Server
  pages = 0
  /** The index that each page was asked for from. */
  readonly firsts: number[] = []
  cut: (page: number) => 'pass' | 'break' | 'hang' = () => 'pass'

  private constructor(gateway: string) {
    this.#server = createServer(async (request, response) => {
      const body = Buffer.concat(await request.toArray())
      const isPage = body.includes('logEntries')
      if (isPage) this.firsts.push(Number(fields(fields(JSON.parse(body.toString())).variables).from))
      const what = isPage ? this.cut(++this.pages) : 'pass'
      if (what === 'hang') return
      const { authorization = '', 'content-type': type = '' } = request.headers
      const headers = type === '' ? { authorization } : { authorization, 'content-type': type, accept: 'application/json' }
      const init = request.method === 'POST' ? { method: 'POST', headers, body } : { headers }
      const answer = await fetch(`${gateway}${request.url}`, init)
      const bytes = Buffer.from(await answer.arrayBuffer())
      response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '', 'content-length': bytes.length })
      if (what === 'pass') response.end(bytes)
      else response.write(bytes.subarray(0, bytes.length / 2), () => request.socket.destroy())
    })
  }

  static async open(gateway: string): Promise<Line> {
    const line = new Line(gateway)
    line.#server.listen(0, '127.0.0.1')
    await once(line.#server, 'listening')
    return line
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

describe('an export that did not come to its end', () => {
  let line: Line
  beforeAll(async () => {
    line = await Line.open(scene.bed.url)
  })
  afterAll(() => line.close())

  const broken = async (name: string): Promise<string> => {
    const out = join(folder, name)
    line.pages = 0
    line.cut = (page) => (page === 2 ? 'break' : 'pass')
    await expect(exportTo(out, line.url)).rejects.toThrow(/no gateway answers/)
    line.cut = () => 'pass'
    expect(existsSync(out)).toBe(false)
    return out
  }

  test('goes on from where it was, with the checkpoint that it began with', async () => {
    const out = await broken('broken')
    const begun = readFileSync(join(`${out}.part`, 'entries.ndjson'), 'utf8')
    const { size } = fields(JSON.parse(readFileSync(join(`${out}.part`, 'unfinished.json'), 'utf8')))
    const had = begun.split('\n').length - 1
    expect(had).toBeGreaterThan(200)
    expect(had).toBeLessThan(Number(size))
    // A command that was killed ends within a line.
    appendFileSync(join(`${out}.part`, 'entries.ndjson'), `{"index":${had},"leaf":"{\\"`)
    // The log grows meanwhile: that is another export's.
    await scene.clients.http.call({ ...PROBER, operation: 'probe.writeThing', input: { name: 'meanwhile' }, says: {} })
    const logged = async () => fields((await scene.bed.people('lee', '{ checkpoint { size } }')).checkpoint).size
    await vi.waitFor(async () => expect(await logged()).toBeGreaterThan(Number(size)), FOREVER)
    line.firsts.length = 0
    const { facts } = await exportTo(out, line.url)
    expect(line.firsts[0]).toBe(had)
    expect(facts).toMatchObject({ size, entries: size })
    expect(readFileSync(join(out, 'entries.ndjson'), 'utf8').startsWith(begun)).toBe(true)
    expect(await verified(out)).toMatchObject({ ok: true, size, entries: size })
    expect(readdirSync(out).sort()).toEqual(['checkpoint', 'entries.ndjson', 'export.json', 'log.vkey', 'policy-sets', 'tiles'])
    expect(readdirSync(folder)).not.toContain('broken.part')
  })

  test('is not gone on with by a command that asks for something else', async () => {
    const out = await broken('other')
    await expect(exportTo(out, line.url, { payloads: false })).rejects.toThrow(/another export: remove it/)
    expect((await exportTo(out, line.url)).exit).toBe(0)
  })

  test('is not gone on with from another log', async () => {
    const out = await broken('foreign')
    const unfinished = join(`${out}.part`, 'unfinished.json')
    const was = readFileSync(unfinished, 'utf8')
    const older = readFileSync(join(folder, 'broken', 'checkpoint'), 'utf8')
    writeFileSync(unfinished, JSON.stringify({ ...JSON.parse(was), note: older.replace(/\n\d+\n/, '\n7\n') }))
    await expect(exportTo(out, line.url)).rejects.toThrow(/signature/)
    const { vkey } = fields(JSON.parse(was))
    const another = String(vkey).replace(/^[^+]+/, 'gatehouse/other')
    writeFileSync(unfinished, JSON.stringify({ ...JSON.parse(was), vkey: another }))
    await expect(exportTo(out, line.url)).rejects.toThrow(/key/)
    writeFileSync(unfinished, was)
    expect((await exportTo(out, line.url)).exit).toBe(0)
    expect(await verified(out)).toMatchObject({ ok: true })
  })

  test('is for one command at a time, and outlives one that is killed', async () => {
    const out = join(folder, 'killed')
    line.pages = 0
    line.cut = (page) => (page === 2 ? 'hang' : 'pass')
    const args = [join(ROOT, 'bin/gatehouse.mjs'), '--url', line.url, '--token', token, 'audit', 'export', '--out', out]
    const child = spawn(process.execPath, args, { cwd: folder, env: {}, stdio: 'ignore' })
    await vi.waitFor(() => expect(line.pages).toBe(2), FOREVER)
    await expect(exportTo(out, line.url)).rejects.toThrow(/another command writes/)
    child.kill('SIGKILL')
    await once(child, 'exit')
    line.cut = () => 'pass'
    expect((await exportTo(out, line.url)).exit).toBe(0)
    expect(await verified(out)).toMatchObject({ ok: true })
  })
})

describe('a sample', () => {
  const SEED = 'drawn on 2 March: 4 8 15'
  const COUNT = 40
  let dir: string
  let whole: string
  beforeAll(async () => {
    ;[dir, whole] = [join(folder, 'sample'), join(folder, 'whole')]
    await exportTo(dir, scene.bed.url, { sample: { count: COUNT, seed: SEED } })
    await exportTo(whole, scene.bed.url)
  })

  const drawnIn = (at: string): Set<string> =>
    new Set(linesIn(at).flatMap(({ leaf, shown }) => (shown ? [] : (readLeaf(leaf)?.call ?? []))))
  const program = fileURLToPath(new URL('./foreign/draw-sample.py', import.meta.url))
  const drawnByPython = (at: string, size: number): string[] =>
    execFileSync('python3', [program, join(at, 'entries.ndjson'), String(size), SEED, String(COUNT)], { encoding: 'utf8' })
      .trimEnd()
      .split('\n')

  test('is that of GraphQL, and of whoever draws again in another language', async () => {
    const report = await verified(dir)
    expect(report).toMatchObject({ ok: true, part: 'calls', sample: { seed: SEED, count: COUNT, calls: COUNT } })
    expect(report.calls?.calls).toBe(COUNT)
    const query = 'query ($seed: String!, $size: Int, $first: Int!) { sample(first: $first, seed: $seed, size: $size) { calls { id } } }'
    const { sample } = await scene.bed.people('lee', query, { seed: SEED, size: report.size, first: COUNT })
    const ids = items(fields(sample).calls).map((call) => String(fields(call).id))
    expect(ids.length).toBe(COUNT)
    expect([...drawnIn(dir)].sort()).toEqual(ids.toSorted())
    expect(drawnByPython(dir, report.size)).toEqual(ids)
    // Of the whole log, as it was then.
    expect(drawnByPython(whole, report.size)).toEqual(ids)
  })

  test('shows what was looked at on the way without payloads', async () => {
    const shown = linesIn(dir).filter((line) => line.shown)
    expect(shown.length).toBeGreaterThan(COUNT / 2)
    expect(shown.filter(({ payload, salt }) => payload !== undefined || salt !== undefined)).toEqual([])
  })

  const changed = async (change: (text: string) => string): Promise<AuditReport> => {
    const file = join(dir, 'entries.ndjson')
    const was = readFileSync(file, 'utf8')
    writeFileSync(file, change(was))
    const report = await verified(dir)
    writeFileSync(file, was)
    return report
  }

  test('from which a call was left out, or passed over, is found', async () => {
    const [first = ''] = drawnByPython(dir, (await verified(dir)).size)
    const lines = (text: string) => text.trimEnd().split('\n')
    const isOfFirst = (line: string) => line.includes(first)
    const index = linesIn(dir).find(({ leaf }) => leaf.includes(first))?.index
    const without = await changed(
      (text) =>
        `${lines(text)
          .filter((line) => !isOfFirst(line))
          .join('\n')}\n`,
    )
    expect(without.faults).toMatchObject([{ what: 'sample', index }])
    const bare = (line: string): string => {
      const { payload: _payload, salt: _salt, proof, ...rest } = JSON.parse(line)
      return JSON.stringify({ ...rest, shown: true, proof })
    }
    const hidden = await changed(
      (text) =>
        `${lines(text)
          .map((line) => (isOfFirst(line) ? bare(line) : line))
          .join('\n')}\n`,
    )
    expect(hidden.faults).toMatchObject([{ what: 'sample', index, why: expect.stringContaining('its entries are not there') }])
    const shown = linesIn(dir).find((line) => line.shown)?.index ?? -1
    const skipped = await changed(
      (text) =>
        `${lines(text)
          .filter((line) => !line.startsWith(`{"index":${shown},`))
          .join('\n')}\n`,
    )
    expect(skipped.faults).toMatchObject([{ what: 'sample', index: shown }])
  })

  test('says by which seed it was drawn, and no other', async () => {
    const about = readFileSync(join(dir, 'export.json'), 'utf8')
    writeFileSync(join(dir, 'export.json'), about.replace(`"seed":"${SEED}"`, '"seed":"another"'))
    expect((await verified(dir)).faults).toMatchObject([{ what: 'sample' }])
    writeFileSync(join(dir, 'export.json'), about)
  })
})

test('calls are named in a file, and bounded', async () => {
  const ids = [...new Set(linesIn(join(folder, 'whole')).flatMap(({ leaf }) => readLeaf(leaf)?.call ?? []))].slice(0, 150)
  const file = join(folder, 'calls.txt')
  writeFileSync(file, `${ids.join('\n')}\n`)
  const out = join(folder, 'named')
  const args = [
    join(ROOT, 'bin/gatehouse.mjs'),
    '--url',
    scene.bed.url,
    '--token',
    token,
    'audit',
    'export',
    '--calls',
    `@${file}`,
    '--out',
    out,
  ]
  const child = spawn(process.execPath, args, { cwd: folder, env: {}, stdio: 'ignore' })
  expect(await once(child, 'exit')).toEqual([0, null])
  expect(await verified(out)).toMatchObject({ ok: true, part: 'calls', calls: { calls: ids.length } })
  const many = exportTo(join(folder, 'many'), scene.bed.url, { sample: { count: 10_001, seed: 's' } })
  await expect(many).rejects.toThrow(/at most 10000 calls/)
})
