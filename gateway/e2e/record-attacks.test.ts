import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { afterAll, beforeAll, expect } from 'vitest'
import { Cluster, whyNoCluster } from '../../bench/faults/cluster.ts'
import { type AuditReport, verifyExport } from '../audit/verify-export.ts'
import { exportAudit } from '../cli/audit-export.ts'
import { createOutput } from '../cli/output.ts'
import { type Attack, attackTable, type TestedElsewhere } from './attack-table.ts'
import { DOORS } from './doors.ts'
import { FOREVER, HeldScene, PROBER, sent } from './held-scene.ts'
import { recordOf } from './record-of.ts'
import { Replica } from './replica.ts'
import { type Fields, fields, items, jsonOf, send } from './send.ts'

const why = whyNoCluster()
if (why !== undefined && process.env.CI === 'true') throw new Error(`attacks on the record: ${why}`)
if (why !== undefined) console.warn(`SKIPPED in part: attacks on the record: ${why}`)

const FORBIDDEN = { ratio: 101 }
const HOUR_MS = 3_600_000

let folder: string
let cluster: Cluster | undefined
let scene: HeldScene
let shifted: Replica | undefined

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-record-'))
  if (why === undefined) cluster = await Cluster.open()
  scene = await HeldScene.open({ soon: '1h', ...(cluster ? { environment: { DATABASE_URL: cluster.url } } : {}) })
  if (cluster) shifted = new Replica(scene.bed, ['--import', new URL('../../dist/gateway/e2e/shifted-clock.js', import.meta.url).href])
  await shifted?.start()
}, 120_000)
afterAll(async () => {
  await shifted?.close()
  await scene?.bed.close()
  await cluster?.close()
  rmSync(folder, { recursive: true, force: true })
}, 60_000)

/** Somebody with the database in their hands, past its triggers. */
async function tamper(...statements: readonly string[]): Promise<void> {
  await cluster?.admin(['begin', "set local session_replication_role = 'replica'", ...statements, 'commit'].join('; '))
}

const unlogged = 'select (select count(*) from entry) - (select size from log_state) as waiting'
/** Once all that was written is in the log. */
const logged = (): Promise<void> => expect.poll(async () => Number((await cluster?.admin(unlogged))?.rows[0]?.waiting), FOREVER).toBe(0)

const silent = (): Writable => new Writable({ write: (_chunk, _encoding, done) => done() })
let exports = 0

/** Exports the log as an auditor does, and verifies it with a key that was kept. */
async function audited(since: string | null = null): Promise<AuditReport> {
  const out = join(folder, `export-${exports++}`)
  const address = { url: scene.bed.url, token: await scene.bed.personToken('lee') }
  await exportAudit(createOutput(true, silent(), silent()), address, {
    ...{ out, since: null, until: null, calls: null, sample: null, payloads: true },
  })
  return await verifyExport(out, { vkey: await text('/v1/log.vkey'), since })
}
const text = async (path: string): Promise<string> => (await send(scene.bed.url, { path })).text.trimEnd()
const faultsOf = ({ faults }: AuditReport): unknown[] => faults.map(({ what, index }) => [what, index])

/** A call, once its entries are in the log, with the index of its first. */
async function written(): Promise<{ id: string; index: number }> {
  const { callId = '' } = await scene.clients.http.call(scene.fresh({}))
  await logged()
  const places = await cluster?.admin('select index from log_leaf join entry using (process, seq) where call_id = $1 order by index', [
    callId,
  ])
  return { id: callId, index: Number(places?.rows[0]?.index) }
}

const kindsOf = async (id: string): Promise<unknown[]> => items((await recordOf(scene.bed, id)).entries).map((entry) => fields(entry).kind)
const refusals = async (): Promise<readonly Fields[]> => {
  const { entries } = await scene.bed.people('lee', '{ entries(filter: { kinds: ["refused"] }) { edges { node { body } } } }')
  return items(fields(entries).edges).map((edge) => fields(fields(fields(edge).node).body))
}

const ATTACKS: readonly Attack[] = [
  {
    name: 'a denial is written down as if it had been let pass',
    guard: ['gateway/pipeline/record.ts', "if (verdict.effect === 'deny') return 'denied'"],
    async run() {
      for (const door of DOORS) {
        const ask = scene.fresh(FORBIDDEN)
        const seen = scene.bed.watch()
        const { code, callId = '' } = await scene.clients[door].call(ask)
        const { state, decision, outcome } = await recordOf(scene.bed, callId)
        expect([door, code, state, fields(decision).outcome, outcome ?? null]).toEqual([door, 'DENIED', 'denied', 'deny', null])
        expect([await kindsOf(callId), sent(seen(), ask)]).toEqual([['decision'], 0])
      }
    },
  },
  {
    name: 'who is refused before anything becomes a call leaves no trace',
    guard: ['gateway/pipeline/authenticate.ts', "if (error.code !== 'UNAVAILABLE') await noted"],
    second: 'the entry is written all the same; it may only come after the answer',
    async run() {
      for (const door of DOORS) {
        const before = (await refusals()).length
        expect((await scene.clients[door].call(scene.fresh({ code: 'abc' }))).code).toBe('BAD_INPUT')
        const [last] = await refusals()
        expect([(await refusals()).length > before, last?.code, last?.agent]).toEqual([true, 'BAD_INPUT', 'prober'])
      }
      const reply = await send(scene.bed.url, { path: '/proxy/probe/things/x', headers: { authorization: 'Bearer none' } })
      expect(reply.status).toBe(401)
      expect((await refusals())[0]).toMatchObject({ code: 'UNAUTHENTICATED', agent: null })
    },
  },
  {
    name: 'a tool of an MCP server fails in an answer that says 200',
    guard: ['connectors/mcp/answer.ts', 'if (result.isError === true) return jsonAnswer(422, { text })'],
    async run() {
      for (const door of DOORS) {
        const input = { path: `hand-books/is-not-there-${scene.next()}.md` }
        const { code, callId = '' } = await scene.clients[door].call({ agent: 'support-triage', operation: 'docs.read_text_file', input })
        const { state, outcome } = await recordOf(scene.bed, callId)
        expect([door, code, state, fields(outcome).kind]).toEqual([door, 'UPSTREAM', 'failed', 'failed'])
      }
    },
  },
  {
    name: 'a write fails upstream, and the door that answers says 200',
    guard: ['gateway/core/outcome.ts', 'return { kind: uncertain(operation), error }'],
    async run() {
      for (const door of DOORS) {
        scene.bed.probe.faults.push({ status: 500 })
        const { inDoubt, callId = '', reply } = await scene.clients[door].call(scene.fresh({}))
        const { state, outcome } = await recordOf(scene.bed, callId)
        expect([door, inDoubt, state, fields(outcome).kind]).toEqual([door, true, 'in_doubt', 'in_doubt'])
        if (door !== 'http') expect(reply.status).toBe(200)
      }
    },
  },
  {
    name: 'a system says 200 and writes into its answer that it failed',
    guard: ['gateway/pipeline/execute.ts', "resultDigest: isShown(shown) ? createHash('sha256').update(shown.bytes).digest('hex') : null,"],
    second: 'nothing: what a 200 means is the system’s own affair. The record says that it was a 200, and of which bytes',
    async run() {
      scene.bed.probe.faults.push({ status: 200 })
      const { callId = '', reply } = await scene.clients.http.call(scene.fresh({}))
      expect(jsonOf(reply)).toMatchObject({ code: 'simulated' })
      const { entries, outcome } = await recordOf(scene.bed, callId)
      expect(outcome).toMatchObject({ kind: 'completed', upstreamStatus: 200 })
      const last = fields(fields(fields(items(entries).at(-1)).body).outcome)
      expect(last.resultDigest).toBe(createHash('sha256').update(reply.bytes).digest('hex'))
    },
  },
  {
    name: 'the database is killed: no call runs, at no door, and no denial is told that is not written',
    guard: ['gateway/record/recorder.ts', "if (result.kind !== 'failed') resolve(result)"],
    needsPostgres: true,
    async run() {
      const seen = scene.bed.watch()
      await scene.bed.agentToken(PROBER.agent)
      await cluster?.kill('server')
      const asks = DOORS.flatMap((door) => [scene.fresh({}), scene.fresh(FORBIDDEN)].map((ask) => ({ door, ask })))
      try {
        for (const { door, ask } of asks) expect([door, (await scene.clients[door].call(ask)).code]).toEqual([door, 'UNAVAILABLE'])
      } finally {
        await cluster?.start()
      }
      await expect.poll(async () => (await scene.clients.http.call(scene.fresh({}))).code, FOREVER).toBe('OK')
      expect(asks.map(({ ask }) => sent(seen(), ask))).toEqual(asks.map(() => 0))
      expect(await audited()).toMatchObject({ ok: true, faults: [] })
    },
  },
  {
    name: 'an entry is changed by a statement of SQL',
    guard: [
      'gateway/storage/migrations/0031-log-floor.ts',
      "raise exception 'entries are never changed, and removed only where the log says so'",
    ],
    needsPostgres: true,
    async run() {
      const { id } = await written()
      for (const statement of ["update entry set kind = 'refused' where call_id = $1", 'delete from entry where call_id = $1'])
        await expect(cluster?.admin(statement, [id])).rejects.toThrow('entries are never changed')
      const moved = 'update log_leaf set index = -1 where index = 0'
      await expect(cluster?.admin(moved)).rejects.toThrow('the log only grows')
    },
  },
  {
    name: 'an entry is altered in the database, past its triggers',
    guard: ['gateway/audit/check-entries.ts', "faults.add('leaf', index, 'its text is not what the log has the hash of')"],
    needsPostgres: true,
    async run() {
      const { callId = '' } = await scene.clients.http.call(scene.fresh(FORBIDDEN))
      await logged()
      const found = await cluster?.admin('select l.index from log_leaf l join entry e using (process, seq) where e.call_id = $1', [callId])
      const index = Number(found?.rows[0]?.index)
      const swapped = (from: string, to: string): Promise<void> =>
        tamper(`update entry set body = replace(body::text, '"effect":"${from}"', '"effect":"${to}"')::json where call_id = '${callId}'`)
      await swapped('deny', 'permit')
      const { ok, faults } = await audited()
      await swapped('permit', 'deny')
      expect([ok, faults[0]?.what, faults[0]?.index]).toEqual([false, 'leaf', index])
      expect(await audited()).toMatchObject({ ok: true })
    },
  },
  {
    name: 'an entry is removed from the database, past its triggers',
    guard: ['gateway/audit/check-entries.ts', "faults.add('missing', this.#next, count === 1 ?"],
    needsPostgres: true,
    async run() {
      const { id, index } = await written()
      // At the end of the log it would look cut off.
      await written()
      await tamper(`create table kept as select * from entry where call_id = '${id}'`, `delete from entry where call_id = '${id}'`)
      const report = await audited()
      await tamper('insert into entry select * from kept', 'drop table kept')
      expect([report.ok, faultsOf(report)[0]]).toEqual([false, ['missing', index]])
      expect(await audited()).toMatchObject({ ok: true })
    },
  },
  {
    name: 'two entries change places in the database, past its triggers',
    guard: ['gateway/audit/check-entries.ts', "if (logged && !sameHash(logged, hash)) faults.add('leaf'"],
    needsPostgres: true,
    async run() {
      const { index } = await written()
      const swap = (): Promise<void> =>
        tamper(
          `update log_leaf set index = -1 where index = ${index}`,
          `update log_leaf set index = ${index} where index = ${index + 1}`,
          `update log_leaf set index = ${index + 1} where index = -1`,
        )
      await swap()
      const report = await audited()
      await swap()
      expect([report.ok, faultsOf(report)[0]]).toEqual([false, ['leaf', index]])
      expect(await audited()).toMatchObject({ ok: true })
    },
  },
  {
    name: 'a hash of the tree is replaced in the database, past its triggers',
    guard: ['gateway/audit/check-entries.ts', "if (logged && !sameHash(logged, hash)) faults.add('leaf'"],
    second: 'the tiles do not add up to the root that is signed, unless a gateway went on from there',
    needsPostgres: true,
    async run() {
      await written()
      const rows = await cluster?.admin('select hash from log_hash where level = 0 and index = 0')
      const [was, other] = [String(rows?.rows[0]?.hash), Buffer.alloc(32, 7).toString('base64')]
      const set = (hash: string): Promise<void> => tamper(`update log_hash set hash = '${hash}' where level = 0 and index = 0`)
      await set(other)
      const report = await audited()
      await set(was)
      expect(report.ok).toBe(false)
      expect(faultsOf(report)).toContainEqual(['leaf', 0])
      expect(await audited()).toMatchObject({ ok: true })
    },
  },
  {
    name: 'the clock of a gateway goes back by an hour',
    guard: ['gateway/storage/writer.ts', 'this.#lastMs = Math.max(this.#lastMs, this.clock.now())'],
    needsPostgres: true,
    async run() {
      const gateway = shifted
      if (!gateway) throw new Error('there is no second gateway')
      const shift = async (shiftMs: number): Promise<void> => {
        const heard = once(gateway.child, 'message')
        gateway.child.send({ shiftMs })
        await heard
      }
      const held = await scene.held('http', scene.fresh())
      expect((await gateway.pay(11)).status).toBe(201)
      await shift(-HOUR_MS)
      // Its tokens are of an hour ago as well, and are good for an hour: it is asked for new ones.
      for (const amount of [12, 13]) expect((await gateway.pay(amount)).status).toBe(201)
      await shift(0)
      expect((await gateway.pay(14)).status).toBe(201)
      await logged()
      // Neither has the hold expired, nor has anybody taken the other for dead.
      expect((await scene.callOf(held)).state).toBe('held')
      const gone = await cluster?.admin('select count(*) as gone from process where lapsed_at_ms is not null')
      expect(Number(gone?.rows[0]?.gone)).toBe(0)
      expect(await audited()).toMatchObject({ ok: true, faults: [] })
    },
  },
  {
    name: 'the whole log is emptied in the database, for the gateway to write it anew with its own key',
    guard: ['gateway/record/grow-log.ts', 'if (!kept || size >= kept.size) return'],
    second: 'who has the data directory of every gateway too is found by those who kept a checkpoint, and by witnesses',
    needsPostgres: true,
    async run() {
      await written()
      await tamper(
        'update entry set body = replace(body::text, \'"by":"lee"\', \'"by":"raj"\')::json where kind = \'view\'',
        'delete from log_leaf',
        'delete from log_hash',
        'update log_state set size = 0, checkpoint = null, at_ms = null',
        "update follower_position set seq = 0, ended = false where follower = 'log'",
      )
      await expect.poll(() => text('/metrics'), FOREVER).toMatch(/^gatehouse_log_broken 1$/m)
      expect((await send(scene.bed.url, { path: '/v1/checkpoint' })).status).toBe(404)
      await expect.poll(() => scene.bed.log(), FOREVER).toContain('is older than what this gateway signed')
    },
  },
]

const ELSEWHERE: readonly TestedElsewhere[] = [
  ['the queue is full: shed, and said so', 'gateway/record/recorder.test.ts', 'a full queue refuses all but outcomes'],
  [
    'the database is killed, hangs, is full or takes no connections, under load',
    'gateway/e2e/faults.test.ts',
    'nothing was executed unrecorded or twice',
  ],
  ['the gateway dies at every border of a call', 'gateway/e2e/crash.test.ts', 'at the border `%s`'],
  ['an export is altered, shortened, reordered', 'gateway/e2e/audit.test.ts', 'what was done to an export is found and named'],
  [
    'a whole log is written anew with another key',
    'gateway/e2e/audit.test.ts',
    'what is wrong with a log that was written anew is found and named',
  ],
  [
    'an erased payload whose proof must still verify',
    'gateway/e2e/erasure.test.ts',
    'its proofs of before verify still, and so do new ones of the same leaves',
  ],
  ['entries that go back in time', 'gateway/e2e/audit.test.ts', 'time'],
]

attackTable('attacks on the record', ATTACKS, ELSEWHERE, why === undefined)
