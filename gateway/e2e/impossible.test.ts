import { createHash } from 'node:crypto'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { readLeaf } from '../audit/exported-entry.ts'
import { verifyExport } from '../audit/verify-export.ts'
import { exportAudit } from '../cli/audit-export.ts'
import { verifyAudit } from '../cli/audit-verify.ts'
import { instant } from '../core/clock.ts'
import type { EntryBody } from '../core/entry.ts'
import { EVERYTHING, linesIn, printed, said } from './exports.ts'
import { FORGER, forgedLog, type Written } from './forged-log.ts'
import { FOREVER, HeldScene, LED, PROBER } from './held-scene.ts'
import { type Fields, fields, items } from './send.ts'

let scene: HeldScene
let folder: string
let whole: string
const calls: Record<'held' | 'refused' | 'plain', string> = { held: '', refused: '', plain: '' }
type Name = keyof typeof calls

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-impossible-'))
  scene = await HeldScene.open({ soon: '1h' })
  const { http } = scene.clients
  const made = await http.call({ ...PROBER, operation: 'probe.writeThing', input: { name: 'a thing', flag: false }, says: {} })
  calls.plain = made.callId ?? ''
  calls.held = await scene.held('http', scene.fresh(LED, { rationale: 'for Ada' }))
  await scene.vote(calls.held)
  await vi.waitFor(async () => expect(await scene.callOf(calls.held)).toEqual({ state: 'completed' }), FOREVER)
  calls.refused = await scene.held('http', scene.fresh())
  await scene.vote(calls.refused, 'reject')
  const kinds = async (id: string) =>
    items((await scene.callOf(id, 'logged { leaf }')).logged).map((entry) => readLeaf(String(fields(entry).leaf))?.body.kind)
  await vi.waitFor(async () => expect(await kinds(calls.refused)).toContain('hold.changed'), FOREVER)
  await vi.waitFor(async () => expect(await kinds(calls.held)).toContain('outcome'), FOREVER)
  whole = join(folder, 'whole')
  const address = { url: scene.bed.url, token: await scene.bed.personToken('lee') }
  await printed((output) => exportAudit(output, address, { ...EVERYTHING, out: whole }))
}, 120_000)
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true })
  await scene?.bed.close()
})

type Change = (entries: Written[]) => Written[]

const of =
  (call: Name, kind: string, which: Fields = {}) =>
  ({ call: id, body }: Written): boolean =>
    id === calls[call] && body.kind === kind && Object.entries(which).every(([name, value]) => fields(body)[name] === value)
const bodies =
  (which: (entry: Written) => boolean, change: (body: Fields) => Fields): Change =>
  (entries) =>
    entries.map((entry) => (which(entry) ? { ...entry, body: change(fields(entry.body)) as unknown as EntryBody } : entry))
const requested = (which: (entry: Written) => boolean, change: Fields): Change =>
  bodies(which, (body) => ({ ...body, request: { ...fields(body.request), ...change } }))
const moved =
  (which: (entry: Written) => boolean, after: (entry: Written) => boolean): Change =>
  (entries) => {
    const [one] = entries.filter(which)
    const rest = entries.filter((entry) => entry !== one)
    return rest.flatMap((entry) => (one && after(entry) ? [entry, { ...one, at: entry.at }] : [entry]))
  }
/** An entry that nobody wrote, right after another one. */
const inserted =
  (after: (entry: Written) => boolean, body: (entries: readonly Written[]) => Fields): Change =>
  (entries) =>
    entries.flatMap((entry) =>
      after(entry)
        ? [entry, { ...entry, body: body(entries) as unknown as EntryBody, commitment: null, line: { index: 0, leaf: '' } }]
        : [entry],
    )
const all =
  (...changes: Change[]): Change =>
  (entries) =>
    changes.reduce((made, change) => change(made), entries)
const holdOf = (entries: readonly Written[], call: Name): string =>
  String(fields(fields(entries.find(of(call, 'hold.opened'))?.body).hold).id)
/** Its payload too, with the commitment to it. */
const payloads =
  (which: (entry: Written) => boolean, change: (text: string) => string): Change =>
  (entries) =>
    entries.map((entry) => {
      if (!which(entry)) return entry
      const { salt = '' } = entry.line
      const payload = change(entry.line.payload ?? '')
      const commitment = createHash('sha256').update(Buffer.from(salt, 'base64')).update(payload).digest('hex')
      return { ...entry, commitment, line: { ...entry.line, payload } }
    })

async function checked(change: Change) {
  const dir = await forgedLog(whole, join(folder, 'anew'), change)
  return verifyExport(dir, { vkey: FORGER.vkey, since: null })
}

test('nothing is wrong where nothing was changed', async () => {
  expect(await checked((entries) => entries)).toMatchObject({ ok: true, faults: [] })
})

describe('a decision that is not about its call', () => {
  test.each<[string, Change, string, RegExp]>([
    ['another agent', requested(of('plain', 'decision'), { agent: 'ap-clerk' }), 'decision', /asked about another agent and subject/],
    ['a subject that was not there', requested(of('plain', 'decision'), { subject: 'olga' }), 'decision', /another agent and subject/],
    ['another operation', requested(of('plain', 'decision'), { operation: 'probe.readThing' }), 'decision', /another operation/],
    [
      'other arguments',
      payloads(of('held', 'decision'), (text) => text.replace('"input":{"flag":true,', '"input":{"flag":false,')),
      'decision',
      /other arguments, at `\/flag`/,
    ],
    [
      'another agent when it went on',
      all(requested(({ call, body }) => call === calls.held && body.kind === 'decision' && body.release !== null, { agent: 'ap-clerk' })),
      'call',
      /decided again for another agent/,
    ],
    [
      'another version of the operation when it went on',
      requested(({ call, body }) => call === calls.held && body.kind === 'decision' && body.release !== null, { operationVersion: 'f' }),
      'call',
      /decided again for another operationVersion/,
    ],
    ['an agent that is no actor', requested(of('plain', 'decision'), { actors: ['olga'] }), 'call', /its agent is none of its actors/],
    [
      'an intent under other policies',
      bodies(of('plain', 'intent'), (body) => ({ ...body, policySet: 'f'.repeat(64) })),
      'call',
      /its intent is of another policy set than its decision/,
    ],
    [
      'an intent under another epoch',
      bodies(of('held', 'intent'), (body) => ({ ...body, agentEpoch: 7 })),
      'call',
      /its intent is of another epoch of the agent than its decision/,
    ],
  ])('%s', async (_title, change, what, why) => {
    const { ok, faults } = await checked(change)
    expect(ok).toBe(false)
    expect(faults).toContainEqual({ index: expect.any(Number), what, why: expect.stringMatching(why) })
  })
})

describe('a hold that cannot have gone like that', () => {
  const ended = (call: Name, to: string) => of(call, 'hold.changed', { to })
  const opened = (call: Name, change: Fields): Change =>
    bodies(of(call, 'hold.opened'), (body) => ({ ...body, hold: { ...fields(body.hold), ...change } }))
  const broken = (call: Name, by: string, reviewer: string): Change =>
    all(
      inserted(of(call, 'vote'), (entries) => ({
        ...{ kind: 'grant.break_glass', id: 'glass_1', hold: holdOf(entries, call), by, reason: 'the queue is full and nobody is here' },
        ...{ until: instant(Date.now() + 3_600_000), reviewDue: instant(Date.now() + 3_600_000) },
      })),
      inserted(of(call, 'outcome'), () => ({ kind: 'grant.reviewed', id: 'glass_1', by: reviewer, verdict: 'justified', comment: 'seen' })),
    )

  test('but an emergency approval by somebody who may is none', async () => {
    expect(await checked(broken('held', 'sam', 'aisha'))).toMatchObject({ ok: true, faults: [] })
  })

  test.each<[string, Change, RegExp]>([
    ['an emergency approval by the owner', broken('held', 'olga', 'aisha'), /`olga` approved it alone: the agent's owner/],
    ['an emergency approval by the agent', broken('held', 'prober', 'aisha'), /`prober` approved it alone: an actor/],
    ['an emergency approval reviewed by who gave it', broken('held', 'sam', 'sam'), /`sam` reviewed an emergency approval of their own/],
    [
      'a review of nothing',
      inserted(of('held', 'outcome'), () => ({ kind: 'grant.reviewed', id: 'glass_9', by: 'sam', verdict: 'justified', comment: '' })),
      /`glass_9`, which it never had/,
    ],
    ['a vote after the end of the hold', moved(of('held', 'vote'), ended('held', 'approved')), /`sam` voted on hold `.*` when it was over/],
    ['a vote after the execution', moved(of('held', 'vote'), of('held', 'outcome')), /`sam` voted on hold `.*` when it was over/],
    ['an approval after its time', opened('held', { expiresAt: 1 }), /became approved after its time was over/],
    ['a vote after its time', opened('held', { expiresAt: 1 }), /`sam` voted on hold `.*` when its time was over/],
    [
      'an end that came before its time',
      bodies(ended('refused', 'rejected'), (body) => ({ ...body, to: 'expired' })),
      /became expired before its time was over/,
    ],
    [
      'a way that no hold goes',
      bodies(ended('held', 'consumed'), (body) => ({ ...body, from: 'open' })),
      /went from open to consumed, which no hold does/,
    ],
    [
      'a refusal that was approved after all',
      inserted(ended('refused', 'rejected'), (entries) => ({
        ...{ kind: 'hold.changed', hold: holdOf(entries, 'refused'), from: 'open', to: 'approved', by: 'sam' },
      })),
      /was open a second time/,
    ],
    [
      'no decision when it went on',
      (entries) => entries.filter(({ call, body }) => !(call === calls.held && body.kind === 'decision' && body.release !== null)),
      /without being decided again/,
    ],
    [
      'a decision after it went on',
      moved(({ call, body }) => call === calls.held && body.kind === 'decision' && body.release !== null, of('held', 'intent')),
      /was not decided again before it was executed/,
    ],
    [
      'a call that was cancelled, and executed',
      inserted(of('held', 'intent'), () => ({ kind: 'cancelled', by: 'gatehouse', why: 'nobody asked any more' })),
      /was cancelled before it began, and executed/,
    ],
  ])('%s', async (_title, change, why) => {
    const { ok, faults } = await checked(change)
    expect(ok).toBe(false)
    expect(faults).toContainEqual({ index: expect.any(Number), what: 'call', why: expect.stringMatching(why) })
  })
})

describe('policies that were not in force', () => {
  const isChange = ({ body }: Written): boolean => body.kind === 'policy.activated'
  const reviewed = (by: string): Change =>
    all(
      inserted(isChange, () => ({ kind: 'policy.reviewed', proposal: 'prop_1', policySet: 'set', by, verdict: 'approve', comment: null })),
      inserted(isChange, () => ({
        ...{ kind: 'policy.proposed', proposal: 'prop_1', change: 'publish' },
        ...{ policySet: 'set', base: 'before', by: 'sana', note: '' },
      })),
    )

  test.each<[string, Change, RegExp]>([
    [
      'that nobody put in force',
      (entries) => entries.filter((entry) => !isChange(entry)),
      /no entry of the log says that it was put in force/,
    ],
    ['by a review that was none', bodies(isChange, (body) => ({ ...body, source: 'review' })), /no entry says who proposed it/],
    [
      'by a review of another set',
      all(
        reviewed('aisha'),
        bodies(isChange, (body) => ({ ...body, source: 'review', proposal: 'prop_1' })),
      ),
      /and nobody approved it/,
    ],
    ['approved by who proposed them', reviewed('sana'), /`sana` approved policies that they proposed themselves/],
  ])('%s', async (_title, change, why) => {
    const { ok, faults } = await checked(change)
    expect(ok).toBe(false)
    expect(faults).toContainEqual({ index: expect.any(Number), what: 'policy-set', why: expect.stringMatching(why) })
  })

  test('a review by somebody else is none', async () => {
    expect(await checked(reviewed('aisha'))).toMatchObject({ ok: true })
  })
})

test.each<[string, string, boolean]>([
  ['by somebody who had no part in the call', 'aisha', true],
  ['by the owner of its agent', 'olga', false],
  ['by its agent', 'prober', false],
])('an erasure %s', async (_title, by, isOk) => {
  const erasure = inserted(of('plain', 'outcome'), () => ({ kind: 'erased', calls: [calls.plain], by, why: 'x', entries: 1 }))
  const { ok, faults } = await checked(erasure)
  expect(ok).toBe(isOk)
  if (!isOk)
    expect(faults).toContainEqual({ index: expect.any(Number), what: 'erased', why: expect.stringContaining(`\`${by}\` erased call`) })
})

describe('a part by time', () => {
  let range: string
  const lines = (change: (all: string[]) => string[]): void => {
    const file = join(range, 'entries.ndjson')
    writeFileSync(file, `${change(readFileSync(file, 'utf8').trimEnd().split('\n')).join('\n')}\n`)
  }
  const checkedRange = async () => verifyExport(range, { vkey: readFileSync(join(whole, 'log.vkey'), 'utf8'), since: null })
  const times = { since: '2020-01-01T00:00:00.000Z', until: '2100-01-01T00:00:00.000Z' }

  beforeAll(async () => {
    range = join(folder, 'range')
    const address = { url: scene.bed.url, token: await scene.bed.personToken('lee') }
    await printed((output) => exportAudit(output, address, { ...EVERYTHING, ...times, out: range }))
    cpSync(range, `${range} as it was`, { recursive: true })
  })
  beforeEach(() => cpSync(`${range} as it was`, range, { recursive: true }))

  test('says of what time it is, and when its newest entry was written', async () => {
    expect(JSON.parse(readFileSync(join(range, 'export.json'), 'utf8'))).toMatchObject(times)
    const { ok, newest } = await checkedRange()
    expect(ok).toBe(true)
    expect(Math.max(...linesIn(range).map(({ leaf }) => readLeaf(leaf)?.at ?? 0))).toBe(Date.parse(newest ?? ''))
  })

  test('from which an entry was dropped', async () => {
    const [at] = linesIn(range).flatMap(({ leaf }, place) => (readLeaf(leaf)?.body.kind === 'vote' ? [place] : []))
    lines((all) => all.toSpliced(at ?? 0, 1))
    expect((await checkedRange()).faults).toMatchObject([{ what: 'sequence' }])
  })

  test.each<[string, object, RegExp]>([
    ['that says of a later one', { since: '2090-01-01T00:00:00.000Z' }, /outside of the time of the export/],
    ['that says of an earlier one', { until: '2021-01-01T00:00:00.000Z' }, /outside of the time of the export/],
    ['that says of none', { since: undefined, until: undefined }, /and not of which/],
  ])('%s', async (_title, change, why) => {
    const file = join(range, 'export.json')
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), ...change }))
    expect((await checkedRange()).faults).toContainEqual(expect.objectContaining({ what: 'range', why: expect.stringMatching(why) }))
  })

  test('is not complete, and the verdict says so', async () => {
    const options = {
      key: readFileSync(join(whole, 'log.vkey'), 'utf8').trim(),
      since: null,
      allowMissingSets: false,
      witnesses: [],
      needed: null,
    }
    const { exit, text } = await said((output) => verifyAudit(output, range, { ...options, complete: true }))
    expect(exit).toBe(1)
    expect(text).toContain('unchecked: it is a part of the log')
    expect(text.split('\n')[1]).toMatch(/^checked: \d+ of \d+ decisions, \d+ of \d+ payloads; newest entry of \d{4}-.*Z, the checkpoint/)
    expect((await said((output) => verifyAudit(output, whole, { ...options, complete: true }))).exit).toBe(0)
  })
})
