import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createHash, randomBytes } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type Leaf, readLeaf } from '../audit/exported-entry.ts'
import type { ExportedLine } from '../audit/exported-line.ts'
import { type AuditReport, verifyExport } from '../audit/verify-export.ts'
import { exportAudit } from '../cli/audit-export.ts'
import { verifyAudit } from '../cli/audit-verify.ts'
import { createOutput } from '../cli/output.ts'
import { instant } from '../core/clock.ts'
import type { EntryBody } from '../core/entry.ts'
import { GatewayError } from '../core/errors.ts'
import { LIMITS } from '../limits.ts'
import { signCheckpoint } from '../record/checkpoint.ts'
import { noteSigner, withSignatures } from '../record/signed-note.ts'
import { EVERYTHING, kindOf, linesIn, printed } from './exports.ts'
import { FORGER, forgedLog, type Written, writtenAnew } from './forged-log.ts'
import { FOREVER, HeldScene, LED, PROBER } from './held-scene.ts'
import { type Fields, fields, items } from './send.ts'

let scene: HeldScene
let folder: string
let whole: string
let key: string
const calls: Record<'held' | 'refused' | 'plain' | 'erased', string> = { held: '', refused: '', plain: '', erased: '' }

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-tampering-'))
  scene = await HeldScene.open({ soon: '1h' })
  const { http } = scene.clients
  const call = async (name: string, rationale: string): Promise<string> =>
    (await http.call({ ...PROBER, operation: 'probe.writeThing', input: { name }, says: { rationale } })).callId ?? ''
  for (let turn = 0; turn < 75; turn += 1) calls.plain = await call(`thing ${turn}`, 'for Ada')
  calls.erased = await call('a secret', 'for nobody')
  calls.held = await scene.held('http', scene.fresh(LED, { rationale: 'for Ada' }))
  await scene.vote(calls.held)
  await vi.waitFor(async () => expect(await scene.callOf(calls.held)).toEqual({ state: 'completed' }), FOREVER)
  calls.refused = await scene.held('http', scene.fresh())
  await scene.vote(calls.refused, 'reject')
  const erase = 'mutation ($calls: [ID!]) { erasePayloads(calls: $calls, why: "request 4711") { calls } }'
  await scene.bed.people('aisha', erase, { calls: [calls.erased] })
  const kinds = async (id: string) =>
    items((await scene.callOf(id, 'logged { leaf }')).logged).map((entry) => readLeaf(String(fields(entry).leaf))?.body.kind)
  await vi.waitFor(async () => expect(await kinds(calls.erased)).toContain('erased'), FOREVER)
  await vi.waitFor(async () => expect(await kinds(calls.refused)).toContain('vote'), FOREVER)
  key = String(fields((await scene.bed.people('lee', '{ checkpoint { vkey } }')).checkpoint).vkey)
  whole = join(folder, 'whole')
  const address = { url: scene.bed.url, token: await scene.bed.personToken('lee') }
  await printed((output) => exportAudit(output, address, { ...EVERYTHING, out: whole }))
}, 120_000)
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true })
  await scene?.bed.close()
})

const verified = (dir: string, vkey: string = key): Promise<AuditReport> => verifyExport(dir, { vkey, since: null })
const copied = (): string => {
  const dir = join(folder, 'changed')
  rmSync(dir, { recursive: true, force: true })
  cpSync(whole, dir, { recursive: true })
  return dir
}
const edited = (dir: string, name: string, change: (text: string) => string): void =>
  writeFileSync(join(dir, name), change(readFileSync(join(dir, name), 'utf8')))
const lineAt = (index: number, change: (line: string) => string) => (dir: string) =>
  edited(dir, 'entries.ndjson', (text) =>
    text
      .split('\n')
      .map((line) => (line.startsWith(`{"index":${index},`) ? change(line) : line))
      .join('\n'),
  )
const indexOf = (call: keyof typeof calls, kind: string): number =>
  linesIn(whole).find((line) => kindOf(line) === kind && readLeaf(line.leaf)?.call === calls[call])?.index ?? -1
const withLine = (index: number, change: (line: ExportedLine) => ExportedLine) =>
  lineAt(index, (line) => JSON.stringify(change(JSON.parse(line))))
const setIn = (dir: string): string => join('policy-sets', readdirSync(join(dir, 'policy-sets'))[0] ?? '')
const sign = (signer: ReturnType<typeof noteSigner>, origin: string): string =>
  signCheckpoint({ origin, size: linesIn(whole).length, root: randomBytes(32) }, [signer])

test('an export with an erased call and votes is all right, and says what was checked', async () => {
  const report = await verified(whole)
  expect(report).toMatchObject({ ok: true, faults: [], otherFiles: { count: 0 }, payloads: { erased: 1, leftOut: 0 } })
  expect(report.calls?.votes).toEqual({ checked: 2, unchecked: 0 })
})

describe('what was done to an export is found and named', () => {
  const decision = (call: keyof typeof calls) => indexOf(call, 'decision')
  const taken = (from: number, what: 'payload' | 'salt' | 'both') => (line: ExportedLine) => {
    const { payload = '', salt = '' } = linesIn(whole).find(({ index }) => index === from) ?? {}
    return { ...line, ...(what === 'salt' ? {} : { payload }), ...(what === 'payload' ? {} : { salt }) }
  }
  const bare = ({ index, leaf }: ExportedLine) => ({ index, leaf })

  test.each<[string, () => [(dir: string) => void, string, number | null]]>([
    [
      'a payload from another entry of the call',
      () => [withLine(decision('held'), taken(indexOf('held', 'hold.opened'), 'both')), 'payload', decision('held')],
    ],
    ['the salt of another entry', () => [withLine(decision('held'), taken(decision('plain'), 'salt')), 'payload', decision('held')]],
    [
      'a salt that takes a part of the payload',
      () => [
        withLine(decision('plain'), (line) => {
          const bytes = Buffer.concat([Buffer.from(line.salt ?? '', 'base64'), Buffer.from((line.payload ?? '').slice(0, 1))])
          return { ...line, salt: bytes.toString('base64'), payload: (line.payload ?? '').slice(1) }
        }),
        'payload',
        decision('plain'),
      ],
    ],
    ['a payload left out', () => [withLine(decision('plain'), bare), 'payload', decision('plain')]],
    [
      'a payload marked as erased',
      () => [withLine(decision('plain'), (line) => ({ ...bare(line), erased: true })), 'erased', decision('plain')],
    ],
    ['an erased payload that is no more marked', () => [withLine(decision('erased'), bare), 'payload', decision('erased')]],
    [
      'a mark beside the payload',
      () => [
        withLine(decision('plain'), ({ index, leaf, payload, salt }) => ({ index, leaf, payload, salt, erased: true }) as ExportedLine),
        'erased',
        decision('plain'),
      ],
    ],
    [
      'a mark on what has no payload',
      () => [withLine(indexOf('plain', 'intent'), (line) => ({ ...line, erased: true })), 'erased', indexOf('plain', 'intent')],
    ],
    ['a member of a line twice', () => [lineAt(20, (line) => line.replace('{"index":20,', '{"index":20,"index":20,')), 'line', 20]],
    ['a member more', () => [lineAt(20, (line) => line.replace('{"index":20,', '{"index":20,"Leaf":"{}",')), 'line', 20]],
    ['a number written otherwise', () => [lineAt(20, (line) => line.replace('{"index":20,', '{"index":20.0,')), 'missing', 20]],
    ['an escape that is not needed', () => [lineAt(20, (line) => line.replace('form', '\\u0066orm')), 'line', 20]],
    ['text behind a line', () => [lineAt(20, (line) => `${line} `), 'line', 20]],
    ['lines that end as on Windows', () => [lineAt(20, (line) => `${line}\r`), 'line', 20]],
    ['a mark of byte order', () => [(dir) => edited(dir, 'entries.ndjson', (text) => `\ufeff${text}`), 'line', 0]],
    ['an empty line', () => [lineAt(20, (line) => `\n${line}`), 'line', 20]],
    ['text behind the last line', () => [(dir) => edited(dir, 'entries.ndjson', (text) => `${text}more`), 'line', -1]],
    [
      'bytes that are no UTF-8',
      () => [
        (dir) => {
          const bytes = readFileSync(join(dir, 'entries.ndjson'))
          bytes[bytes.indexOf('{"index":20,') + 30] = 0xff
          writeFileSync(join(dir, 'entries.ndjson'), bytes)
        },
        'line',
        20,
      ],
    ],
    ['a line without end', () => [lineAt(20, (line) => line + 'x'.repeat(LIMITS.auditLineBytesMax)), 'line', 20]],
    ['brackets without end', () => [lineAt(20, (line) => line.replace(/"leaf":.*/, `"leaf":"${'['.repeat(200_000)}"}`)), 'leaf', 20]],
    [
      'a place beyond the log',
      () => [lineAt(20, (line) => line.replace('{"index":20,', '{"index":9007199254740991,')), 'extra', 2 ** 53 - 1],
    ],
    ['another key beside it', () => [(dir) => writeFileSync(join(dir, 'log.vkey'), `${FORGER.vkey}\n`), 'checkpoint', null]],
    [
      'a checkpoint of another origin',
      () => [
        (dir) => writeFileSync(join(dir, 'checkpoint'), sign(noteSigner('gatehouse/other', randomBytes(32)), 'gatehouse/other')),
        'checkpoint',
        null,
      ],
    ],
    [
      'a checkpoint by another key of its name',
      () => [(dir) => writeFileSync(join(dir, 'checkpoint'), sign(FORGER, 'gatehouse/acme')), 'checkpoint', null],
    ],
    [
      'a checkpoint with text before its end',
      () => [(dir) => edited(dir, 'checkpoint', (text) => text.replace('\n\n', '\nmore\n\n')), 'checkpoint', null],
    ],
    [
      'no policy set',
      () => [(dir) => rmSync(join(dir, setIn(dir))), 'policy-set', linesIn(whole).find((line) => kindOf(line) === 'decision')?.index ?? -3],
    ],
    [
      'a policy set that lets more through',
      () => [(dir) => edited(dir, setIn(dir), (text) => text.replace('forbid', 'permit')), 'policy-set', -2],
    ],
    [
      'another schema in a policy set',
      () => [(dir) => edited(dir, setIn(dir), (text) => text.replace('"appliesTo"', '"appliesto"')), 'policy-set', -2],
    ],
    [
      'that it is said to be a range',
      () => [(dir) => edited(dir, 'export.json', (text) => text.replace('"whole"', '"range"')), 'proof', 0],
    ],
    [
      'that it is said to be of calls',
      () => [(dir) => edited(dir, 'export.json', (text) => text.replace('"whole"', '"calls"')), 'proof', 0],
    ],
  ])('%s', async (_title, make) => {
    const [change, what, index] = make()
    const dir = copied()
    change(dir)
    const { ok, faults } = await verified(dir)
    expect(ok).toBe(false)
    const at = index === -1 ? linesIn(whole).length : index
    expect(faults.map((fault) => fault.what)).toContain(what)
    if (index !== -2) expect(faults.filter((fault) => fault.what === what).map((fault) => fault.index)).toContain(at)
  })

  test('another valid policy set under the name of the one that decided', async () => {
    const dir = copied()
    const name = join(dir, setIn(dir))
    const other = JSON.stringify(JSON.parse(readFileSync(name, 'utf8')), null, 1)
    writeFileSync(join(dir, 'policy-sets', `${createHash('sha256').update(other).digest('hex')}.json`), other)
    // One more that decided nothing does no harm.
    expect(await verified(dir)).toMatchObject({ ok: true })
    writeFileSync(name, other)
    expect((await verified(dir)).faults).toMatchObject([{ what: 'policy-set' }])
  })

  test('a policy set that is missing is a fault unless that is asked to be allowed', async () => {
    const dir = copied()
    rmSync(join(dir, setIn(dir)))
    const { faults } = await verified(dir)
    expect(faults.every(({ what }) => what === 'policy-set')).toBe(true)
    const allowed = await verifyExport(dir, { vkey: key, since: null, allowMissingSets: true })
    expect(allowed.ok).toBe(true)
    expect(allowed.decisions.withoutPolicySet).toBeGreaterThan(0)
  })

  test.each<[string, (dir: string) => void, RegExp]>([
    ['entries that are a link', (dir) => linked(dir, 'entries.ndjson'), /`entries.ndjson` is no file but a link/],
    ['tiles that are a link', (dir) => linked(dir, 'tiles'), /`tiles` is no file but a link/],
    ['a policy set that is a link', (dir) => linked(dir, setIn(dir)), /`policy-sets\/[0-9a-f]+.json` is no file but a link/],
    ['a pipe', (dir) => piped(dir, 'checkpoint'), /`checkpoint` is no file but a link, a pipe/],
    ['a checkpoint without end', (dir) => writeFileSync(join(dir, 'checkpoint'), 'x'.repeat(2_000_000)), /`checkpoint` has 2000000 bytes/],
    [
      'a tile without end',
      (dir) => writeFileSync(join(dir, 'tiles/0/000'), Buffer.alloc(8_224)),
      /`tiles\/0\/000` has 8224 bytes, and may have 8192/,
    ],
    ['folders without end', (dir) => mkdirSync(join(dir, 'tiles', ...'abcdefghij'), { recursive: true }), /lies deeper/],
    ['no entries', (dir) => rmSync(join(dir, 'entries.ndjson')), /`.*entries.ndjson` cannot be read/],
    ['no checkpoint', (dir) => rmSync(join(dir, 'checkpoint')), /it has no `checkpoint`/],
    ['no key', (dir) => rmSync(join(dir, 'log.vkey')), /it has no `log.vkey`/],
    ['nothing that says what it is', (dir) => writeFileSync(join(dir, 'export.json'), '[]'), /is not that of an export/],
    ['a policy set that is a folder', (dir) => foldered(dir), /policy set `[0-9a-f]+` is not enclosed/],
  ])('%s: told at once, and nothing waits for it', async (_title, change, said) => {
    const dir = copied()
    change(dir)
    const told = await verified(dir).then(
      ({ faults }) => faults.map(({ why }) => why).join('\n'),
      (error: unknown) => (error instanceof GatewayError ? error.message : String(error)),
    )
    expect(told).toMatch(said)
  })
  const linked = (dir: string, name: string): void => {
    const elsewhere = mkdtempSync(join(folder, 'elsewhere-'))
    renameSync(join(dir, name), join(elsewhere, 'it'))
    symlinkSync(join(elsewhere, 'it'), join(dir, name))
  }
  const piped = (dir: string, name: string): void => {
    rmSync(join(dir, name))
    execFileSync('mkfifo', [join(dir, name)])
  }
  const foldered = (dir: string): void => {
    const name = join(dir, setIn(dir))
    rmSync(name)
    mkdirSync(name)
  }

  test('files that are none of an export are named, and do no harm', async () => {
    const dir = copied()
    writeFileSync(join(dir, 'notes.txt'), 'mine')
    mkdirSync(join(dir, 'policy-sets', '..', 'more'))
    writeFileSync(join(dir, 'more', 'entries.ndjson'), 'x')
    const { ok, otherFiles } = await verified(dir)
    expect(ok).toBe(true)
    expect({ ...otherFiles, names: otherFiles.names.toSorted() }).toEqual({ count: 2, names: ['more/entries.ndjson', 'notes.txt'] })
  })

  test('a second signature does no harm', async () => {
    const dir = copied()
    const note = readFileSync(join(dir, 'checkpoint'), 'utf8')
    const witness = noteSigner('witness.example', randomBytes(32))
    const [line = ''] = signCheckpoint({ origin: 'x', size: 1, root: randomBytes(32) }, [witness])
      .split('\n')
      .slice(-2)
    writeFileSync(join(dir, 'checkpoint'), withSignatures(note, [line, note.trimEnd().split('\n').at(-1) ?? '']))
    expect(await verified(dir)).toMatchObject({ ok: true })
  })

  test('what it says of itself reaches the terminal as text', async () => {
    const dir = copied()
    edited(dir, 'export.json', (text) => text.replace('"everything"', '"all\\u001b[2J\\nverified: all"').replace('"whole"', '"range"'))
    let said = ''
    const stream = { write: (text: string) => (said += text) } as unknown as NodeJS.WritableStream
    await verifyAudit(createOutput(false, stream, stream), dir, { key, since: null, allowMissingSets: false, witnesses: [], needed: null })
    expect(said).toContain('all\\u001b[2J\\u000averified: all')
    expect(said).not.toContain('\u001b')
  })
})

describe('what is wrong with a log that was written anew is found and named', () => {
  const byForger = (dir: string): Promise<AuditReport> => verified(dir, FORGER.vkey)
  const dir = (): string => join(folder, 'anew')
  const of = (call: keyof typeof calls, kind: string) => (entry: Written) => entry.call === calls[call] && entry.body.kind === kind
  const bodies = (which: (entry: Written) => boolean, change: (body: Fields) => unknown) => (entries: Written[]) =>
    entries.map((entry) => (which(entry) ? { ...entry, body: change(fields(entry.body)) as EntryBody } : entry))
  const without = (drop: (entry: Written) => boolean) => (entries: Written[]) => entries.filter((entry) => !drop(entry))
  const ended = (call: keyof typeof calls, to: string) => (entry: Written) =>
    of(call, 'hold.changed')(entry) && fields(entry.body).to === to

  test.each<[string, (entries: Written[]) => Written[], string, RegExp]>([
    [
      'a vote by somebody of another group',
      bodies(of('held', 'vote'), (body) => ({ ...body, groups: ['finance'] })),
      'call',
      /`sam` voted on it, and was in none of the groups that it asks: support-leads/,
    ],
    [
      'an approval that counts somebody else',
      bodies(ended('held', 'approved'), (body) => ({ ...body, counted: [{ person: 'maria', groups: ['support-leads'] }] })),
      'call',
      /counts `maria`, who did not approve it/,
    ],
    [
      'an approval by those who do not fill its seats',
      bodies(ended('held', 'approved'), (body) => ({ ...body, counted: [{ person: 'sam', groups: [] }] })),
      'call',
      /do not fill its seats/,
    ],
    [
      'an approval that counts nobody',
      bodies(ended('held', 'approved'), (body) => ({ ...body, counted: [] })),
      'call',
      /do not fill its seats/,
    ],
    ['a refusal that nobody voted for', without(of('refused', 'vote')), 'call', /rejected by 0 of the 1/],
    [
      'a vote that became one for it',
      bodies(of('refused', 'vote'), (body) => ({ ...body, verdict: 'approve' })),
      'call',
      /rejected by 0 of the 1/,
    ],
    [
      'a call that goes on after its end',
      (entries) => [...entries, { ...(entries.find(of('plain', 'intent')) as Written), line: { index: 0, leaf: '' } }],
      'call',
      /had its outcome before, and goes on with `intent`/,
    ],
    ['an erasure that was left out', without(of('erased', 'erased')), 'erased', /no entry of the log says that call/],
    [
      'an erasure of another call',
      bodies(of('erased', 'erased'), (body) => ({ ...body, calls: [calls.plain] })),
      'erased',
      /no entry of the log says that call/,
    ],
    [
      'entries of a process under the name of another',
      (entries) => entries.map((entry, at) => (at === 40 ? { ...entry, process: 'gw-other' } : entry)),
      'sequence',
      /./,
    ],
    [
      'a clock that went back',
      (entries) => entries.map((entry, at) => (at > 60 ? { ...entry, at: instant(entry.at - 3_600_000) } : entry)),
      'time',
      /earlier/,
    ],
  ])('%s', async (_title, change, what, why) => {
    const forged = await forgedLog(whole, dir(), change, what !== 'sequence')
    const { ok, faults } = await byForger(forged)
    expect(ok).toBe(false)
    expect(faults).toContainEqual({ index: expect.any(Number), what, why: expect.stringMatching(why) })
  })

  test('votes of before the record had groups are counted as such', async () => {
    const old = (entries: Written[]) =>
      bodies(
        ended('held', 'approved'),
        ({ counted: _counted, ...body }) => body,
      )(bodies(of('held', 'vote'), ({ groups: _groups, ...body }) => body)(entries))
    const report = await byForger(await forgedLog(whole, dir(), old))
    expect(report).toMatchObject({ ok: true, calls: { votes: { checked: 1, unchecked: 1 } } })
  })

  test.each<[string, (leaf: string) => string]>([
    ['a member twice', (leaf) => leaf.replace('{"at"', '{"at":1,"at"')],
    ['white space', (leaf) => `${leaf} `],
    ['members in another order', (leaf) => leaf.replace(/^\{("at":\d+),(.*)\}$/, '{$2,$1}')],
    ['a number in another form', (leaf) => leaf.replace(/"at":(\d+)/, '"at":$1.0')],
    ['a letter as an escape', (leaf) => leaf.replace('"form"', '"\\u0066orm"')],
    ['half of a surrogate pair', (leaf) => leaf.replace('"form":"', '"form\\ud800":1,"form":"')],
  ])('a leaf that is not canonical: %s', async (_title, change) => {
    const lines = linesIn(whole).map((line) => (line.index === 30 ? { ...line, leaf: change(line.leaf) } : line))
    expect(lines[30]?.leaf).not.toBe(linesIn(whole)[30]?.leaf)
    const { faults } = await byForger(await writtenAnew(whole, dir(), lines))
    expect(faults).toContainEqual({ index: 30, what: 'leaf', why: expect.stringContaining('canonical') })
  })

  test('a payload that can be read in two ways', async () => {
    const at = indexOf('plain', 'decision')
    const lines = linesIn(whole).map((line) => {
      if (line.index !== at) return line
      const payload = (line.payload ?? '').replace('{"input"', '{"input":{},"input"')
      const commitment = createHash('sha256')
        .update(Buffer.from(line.salt ?? '', 'base64'))
        .update(payload)
        .digest('hex')
      const leaf = readLeaf(line.leaf) as Leaf
      return { ...line, payload, leaf: line.leaf.replace(String(leaf.commitment), commitment) }
    })
    const { faults } = await byForger(await writtenAnew(whole, dir(), lines))
    expect(faults).toMatchObject([{ index: at, what: 'payload', why: expect.stringContaining('read in two ways') }])
  })

  test('a size that nobody has tiles for', async () => {
    const forged = await forgedLog(whole, dir(), (entries) => entries)
    writeFileSync(
      join(forged, 'checkpoint'),
      signCheckpoint({ origin: 'gatehouse/acme', size: Number.MAX_SAFE_INTEGER, root: randomBytes(32) }, [FORGER]),
    )
    const { faults } = await byForger(forged)
    expect(new Set(faults.map(({ what }) => what))).toContain('tile')
  })
})

/** Bytes and lines flipped, cut and doubled: a named fault, or what is read is what it was. */
test('whatever is done to the files, what comes out is a report or a named error', async () => {
  const dir = copied()
  const files = ['entries.ndjson', 'checkpoint', 'log.vkey', 'export.json', 'tiles/0/000', setIn(dir)]
  const original = await verified(whole)
  const harmless = (report: AuditReport) => ({ ...report, asked: '', otherFiles: null })
  const change = fc.record({
    file: fc.constantFrom(...files),
    how: fc.constantFrom('flip', 'cut', 'drop', 'double', 'insert'),
    at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
    length: fc.integer({ min: 1, max: 600 }),
    bit: fc.integer({ min: 0, max: 7 }),
  })
  await fc.assert(
    fc.asyncProperty(change, async ({ file, how, at, length, bit }) => {
      const was = readFileSync(join(whole, file))
      const from = Math.floor(at * was.length)
      const part = was.subarray(from, from + length)
      const flipped = Buffer.from(was)
      flipped[from] = (flipped[from] ?? 0) ^ (1 << bit)
      const rest = was.subarray(from + length)
      const made = {
        flip: flipped,
        cut: was.subarray(0, from),
        drop: Buffer.concat([was.subarray(0, from), rest]),
        double: Buffer.concat([was.subarray(0, from), part, part, rest]),
        insert: Buffer.concat([was.subarray(0, from), Buffer.alloc(length, bit), was.subarray(from)]),
      }[how]
      writeFileSync(join(dir, file), made)
      try {
        const report = await verified(dir)
        if (report.ok) expect(harmless(report)).toEqual(harmless(original))
        else expect(report.faults.every(({ what, why }) => what !== undefined && why !== '')).toBe(true)
      } catch (error) {
        expect(error).toBeInstanceOf(GatewayError)
        expect(error).toMatchObject({ code: 'BAD_INPUT' })
      } finally {
        writeFileSync(join(dir, file), was)
      }
    }),
    { numRuns: 60, interruptAfterTimeLimit: 60_000 },
  )
}, 120_000)
