import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { verifyExport } from '../audit/verify-export.ts'
import { exportAudit } from '../cli/audit-export.ts'
import { replayAudit } from '../cli/audit-replay.ts'
import { openDatabase } from '../storage/database.ts'
import { editBehind } from '../storage/test-edits.ts'
import { freshPostgres } from '../storage/test-databases.ts'
import { EVERYTHING, said } from './exports.ts'
import { startBed, type Bed } from './harness.ts'
import { type Fields, fields, items, send } from './send.ts'

const FOREVER = { timeout: 30_000, interval: 100 }
const postgres = await freshPostgres('entries that somebody edits')
const databaseUrl = postgres?.options.databaseUrl ?? ''

describe.skipIf(postgres === undefined)('entries that somebody edits behind a running gateway', () => {
  let bed: Bed
  let folder: string
  let database: Awaited<ReturnType<typeof openDatabase>>
  let key: string
  let token: string
  const calls: string[] = []

  const logged = async (): Promise<boolean> => {
    const { rows } = await database.pool.query<{ waiting: number }>(
      'select (select count(*) from entry) - (select size from log_state) as waiting',
    )
    return Number(rows[0]?.waiting) === 0
  }
  const placeOf = async (callId: string, kind: string): Promise<number> => {
    const { rows } = await database.pool.query<{ index: number }>(
      'select l.index from log_leaf l join entry e on e.process = l.process and e.seq = l.seq where e.call_id = $1 and e.kind = $2',
      [callId, kind],
    )
    return Number(rows[0]?.index)
  }
  const at = (index: number): string => `(process, seq) = (select process, seq from log_leaf where index = ${index})`
  const address = () => ({ url: bed.url, token })
  /** Edits, exports and verifies, and puts back. */
  async function audited(edit: string) {
    await vi.waitFor(async () => expect(await logged()).toBe(true), FOREVER)
    await editBehind(database, 'create table kept_entry as table entry', edit)
    const out = mkdtempSync(join(folder, 'export-'))
    rmSync(out, { recursive: true })
    try {
      const { exit, text } = await said((output) => exportAudit(output, address(), { ...EVERYTHING, out }))
      return { exit, text, report: await verifyExport(out, { vkey: key, since: null }), out }
    } finally {
      await putBack()
    }
  }
  /** Rows that were written meanwhile stay. */
  const putBack = () =>
    editBehind(
      database,
      'delete from entry e using kept_entry k where k.process = e.process and k.seq = e.seq',
      'insert into entry select * from kept_entry',
      'drop table kept_entry',
    )
  const metrics = async (): Promise<string> => (await send(bed.url, { path: '/metrics' })).text

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'gatehouse-altered-'))
    bed = await startBed({ environment: { DATABASE_URL: databaseUrl } })
    database = await openDatabase({ databaseUrl, dataDir: folder })
    token = await bed.personToken('lee')
    const agent = await bed.agentToken('prober')
    for (let turn = 0; turn < 4; turn += 1) {
      const headers = { authorization: `Bearer ${agent}`, 'content-type': 'application/json' }
      const reply = await send(bed.url, {
        method: 'POST',
        path: '/proxy/probe/things',
        headers,
        body: JSON.stringify({ name: `thing ${turn}` }),
      })
      calls.push(String(reply.headers['gatehouse-call']))
    }
    for (const id of calls) expect(id).toMatch(/^call_/)
    await vi.waitFor(async () => expect(await logged()).toBe(true), FOREVER)
    key = String(fields((await bed.people('lee', '{ checkpoint { vkey } }')).checkpoint).vkey)
  })
  afterAll(async () => {
    await database?.close()
    await bed?.close()
    await postgres?.drop()
    rmSync(folder, { recursive: true, force: true })
  })

  test('the payload of another entry: the rest is exported, replayed and shown, and this one is named', async () => {
    const [id = '', other = ''] = calls
    const [index, from] = [await placeOf(id, 'decision'), await placeOf(other, 'decision')]
    const edit = `update entry set sealed = (select sealed from entry where ${at(from)}) where ${at(index)}`
    const { exit, text, report, out } = await audited(edit)
    expect([exit, text]).toEqual([1, expect.stringContaining(`entry ${index} is not as it was recorded: its payload does not open`)])
    expect(report.faults).toMatchObject([{ what: 'payload', index }])
    expect(readFileSync(join(out, 'entries.ndjson'), 'utf8').match(/"unreadable":true/g)).toHaveLength(1)

    await editBehind(database, 'create table kept_entry as table entry', edit)
    try {
      const query = 'query ($id: ID!) { call(id: $id) { entries(payloads: true) { kind unreadable } } }'
      const { call } = await bed.people('lee', query, { id })
      expect(items(fields(call).entries).map((entry): Fields => fields(entry))).toEqual([
        { kind: 'decision', unreadable: true },
        { kind: 'intent', unreadable: false },
        { kind: 'outcome', unreadable: false },
        { kind: 'view', unreadable: false },
      ])
      const replayed = await said((output) => replayAudit(output, address(), { since: null, until: null }))
      expect([replayed.exit, replayed.text]).toEqual([
        1,
        expect.stringContaining(`entry ${index}: its payload in the database does not open`),
      ])
    } finally {
      await putBack()
    }
    expect(await metrics()).toMatch(/gatehouse_record_altered_total\{what="entry"\} [1-9]/)
  })

  test('the text of an outcome: it is not proved, not served as a tile, and named by export and verify', async () => {
    const [id = ''] = calls
    const index = await placeOf(id, 'outcome')
    const edit = `update entry set body = replace(body::text, '"completed"', '"failed"')::json where ${at(index)}`
    const { exit, text, report } = await audited(edit)
    expect([exit, text]).toEqual([1, expect.stringContaining(`entry ${index} is not as it was recorded: its text`)])
    expect(report.faults).toContainEqual(expect.objectContaining({ what: 'leaf', index }))

    await editBehind(database, 'create table kept_entry as table entry', edit)
    try {
      const asked = bed.people('lee', 'query ($id: ID!) { call(id: $id) { logged { index proof } } }', { id })
      await expect(asked).rejects.toThrow(`RECORD_ALTERED: the entry at index ${index} of the log is not what was recorded`)
      const bundle = await send(bed.url, { path: `/v1/tile/entries/000.p/${index + 1}`, headers: { authorization: `Bearer ${token}` } })
      expect([bundle.status, bundle.text]).toEqual([500, expect.stringContaining(`index ${index} `)])
    } finally {
      await putBack()
    }
    const proved = await bed.people('lee', 'query ($id: ID!) { call(id: $id) { logged { index proof } } }', { id })
    expect(items(fields(proved.call).logged)).toHaveLength(4)
  })

  test('an entry that is gone: the rest is exported, and its index is told', async () => {
    const [id = ''] = calls
    const index = await placeOf(id, 'intent')
    const { exit, text, report } = await audited(`delete from entry where ${at(index)}`)
    expect([exit, text]).toEqual([1, expect.stringContaining(`entry ${index} is not as it was recorded: it is gone`)])
    expect(report.faults).toContainEqual(expect.objectContaining({ what: 'missing', index }))
  })

  test('nothing edited: exit 0', async () => {
    const { exit, report } = await audited('select 1')
    expect([exit, report.ok, report.faults]).toEqual([0, true, []])
  })
})
