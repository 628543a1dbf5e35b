import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { verifyExport } from '../audit/verify-export.ts'
import { exportAudit } from '../cli/audit-export.ts'
import { replayAudit } from '../cli/audit-replay.ts'
import { readAddress } from '../config/address-file.ts'
import type { JsonObject } from '../core/json.ts'
import { startOrganisation } from '../../examples/acme/organisation.ts'
import { EVERYTHING, linesIn, printed } from './exports.ts'
import { type Bed, startBed } from './harness.ts'
import { type Fields, fields, items, jsonOf, type Reply, send } from './send.ts'

const CANARY = 'zzcrushed.crate'
const RECORD = { cause: 'damaged', evidence: [`photo of ${CANARY}`], orderValue: 120.5, refundedBefore: false }
const ATTACHED = { playbook: 'refund', version: '1', outcome: 'refund', record: RECORD }
const WHY = 'zzphotos show two crushed crates'

let bed: Bed
const made = { attached: '', without: '' }

const get = async (path: string, agent: string | null = 'support-triage', method = 'GET'): Promise<Reply> =>
  send(bed.url, { method, path, headers: agent === null ? {} : { authorization: `Bearer ${await bed.agentToken(agent)}` } })

const refund = async (amount: number, decisionRecord?: JsonObject): Promise<string> => {
  const reply = await send(bed.url, {
    method: 'POST',
    path: '/proxy/crm/tickets/T-20003/refunds',
    headers: {
      authorization: `Bearer ${await bed.agentToken('support-triage')}`,
      'content-type': 'application/json',
      'gatehouse-rationale': WHY,
      ...(decisionRecord ? { 'gatehouse-decision-record': JSON.stringify(decisionRecord) } : {}),
    },
    body: JSON.stringify({ amount, currency: 'EUR', reason: 'damaged' }),
  })
  expect(reply.status, reply.text).toBe(202)
  return String(reply.headers['gatehouse-call'])
}

const SEEN = `decisionRecord { playbook version outcome checked record schema }`
const CALL = `query ($id: ID!) { call(id: $id) { rationale ${SEEN} decision { shadow } hold { id ${SEEN} } } }`
const callOf = async (person: string | null, id: string): Promise<Fields> => fields((await bed.people(person, CALL, { id })).call)

beforeAll(async () => {
  bed = await startBed()
  made.attached = await refund(20, ATTACHED)
  made.without = await refund(21)
})
afterAll(() => bed?.close())

describe('an agent fetches', () => {
  const KNOWN = ['probing 1.1', 'refund 1']
  const named = (one: unknown): string => `${String(fields(one).name)} ${String(fields(one).version)}`

  test('the list, the newest version, and one by its number', async () => {
    expect(items(fields(jsonOf(await get('/v1/playbooks'))).playbooks).map(named)).toEqual(KNOWN)
    expect(items(fields(jsonOf(await get('/v1/playbooks/'))).playbooks).map(named)).toEqual(KNOWN)
    const newest = await get('/v1/playbooks/refund')
    expect(fields(jsonOf(newest))).toEqual({
      name: 'refund',
      version: '1',
      title: expect.any(String),
      procedure: expect.stringContaining('1. Read the ticket'),
      outcomes: ['refund', 'refuse', 'ask', 'hand-over'],
      record: expect.objectContaining({ type: 'object' }),
      digest: expect.stringMatching(/^[0-9a-f]{64}$/),
      schema: expect.stringMatching(/^[0-9a-f]{64}$/),
    })
    expect((await get('/v1/playbooks/refund/1')).text).toBe(newest.text)
  })

  test.each([
    ['/v1/playbooks/refunds', 'GET', 404, 'no such playbook'],
    ['/v1/playbooks/refund/2', 'GET', 404, 'no such version of this playbook: there is `1`'],
    ['/v1/playbooks/refund/1/more', 'GET', 404, 'no such playbook'],
    ['/v1/playbooks/refund/', 'GET', 404, 'no such version'],
    ['/v1/playbooks/%2e%2e/refund', 'GET', 404, 'no such playbook'],
    ['/v1/playbooks/refund', 'POST', 405, 'use GET here'],
  ])('%s by %s: %i', async (path, method, status, words) => {
    const reply = await get(path, 'support-triage', method)
    expect([reply.status, reply.text.includes(words)]).toEqual([status, true])
  })

  test('nothing without a token, and nothing when it is suspended', async () => {
    const replies = [await get('/v1/playbooks', null), await get('/v1/playbooks', 'intern-bot')]
    expect(replies.map(({ status, headers }) => [status, 'www-authenticate' in headers])).toEqual(Array(2).fill([401, true]))
  })
})

describe('people see what was attached', () => {
  test.each(['lee', 'aisha', 'sam'])('%s: whole, on call and hold', async (person) => {
    const { schema } = fields(jsonOf(await get('/v1/playbooks/refund')))
    const whole = { ...ATTACHED, checked: true, schema }
    expect(await callOf(person, made.attached)).toMatchObject({ rationale: WHY, decisionRecord: whole, hold: { decisionRecord: whole } })
    expect(await callOf(person, made.without)).toMatchObject({ decisionRecord: null, hold: { decisionRecord: null } })
  })

  test.each([['olga'], [null]])('%s: not, since it is payload', async (person) => {
    expect(await callOf(person, made.attached)).toMatchObject({ rationale: WHY, decisionRecord: null })
    const entries = await bed.people(person, 'query ($id: ID!) { call(id: $id) { entries(payloads: true) { body } } }', {
      id: made.attached,
    })
    expect(JSON.stringify(entries)).not.toContain(CANARY)
  })

  test('one look is one line of the record, whatever it looks at', async () => {
    const looks = async (): Promise<number> => {
      const { call } = await bed.people('olga', 'query ($id: ID!) { call(id: $id) { entries { kind } } }', { id: made.attached })
      return items(fields(call).entries).filter((entry) => fields(entry).kind === 'view').length
    }
    const before = await looks()
    await bed.people('lee', `query ($id: ID!) { call(id: $id) { input ${SEEN} hold { input ${SEEN} } } }`, { id: made.attached })
    expect((await looks()) - before).toBe(1)
  })

  test('a policy that is only watched says what it would have done', async () => {
    expect(await callOf('lee', made.attached)).toMatchObject({ decision: { shadow: [] } })
    expect(await callOf('lee', made.without)).toMatchObject({ decision: { shadow: ['crm-refund-by-playbook'] } })
  })

  test('the search finds what the agent said, and nothing of what it attached', async () => {
    const found = async (text: string): Promise<readonly unknown[]> => {
      const { calls } = await bed.people(
        'lee',
        'query ($text: String!) { calls(filter: { text: $text }, first: 10) { edges { node { id } } } }',
        { text },
      )
      return items(fields(calls).edges).map((edge) => fields(fields(edge).node).id)
    }
    await vi.waitFor(async () => expect((await found('zzphotos')).toSorted()).toEqual([made.attached, made.without].toSorted()), {
      timeout: 20_000,
    })
    expect(await found(CANARY)).toEqual([])
    expect(await found('zzcrushed')).toEqual([])
  })
})

describe('an auditor', () => {
  test('reads the playbook as agents could fetch it', async () => {
    const query =
      '{ playbook(name: "refund", version: "1") { name version title procedure outcomes record digest schema } other: playbook(name: "refund", version: "2") { name } }'
    const { playbook, other } = await bed.people('lee', query)
    expect([playbook, other]).toEqual([jsonOf(await get('/v1/playbooks/refund/1')), null])
  })

  test('has it in an export, where every decision is decided again', async () => {
    const out = mkdtempSync(join(tmpdir(), 'gatehouse-playbooks-'))
    try {
      const address = { url: bed.url, token: await bed.personToken('lee') }
      const logged = async () =>
        items(
          fields((await bed.people('lee', 'query ($id: ID!) { call(id: $id) { logged { index } } }', { id: made.without })).call).logged,
        )
      await vi.waitFor(async () => expect((await logged()).length).toBeGreaterThan(1), { timeout: 20_000 })
      expect((await printed((output) => exportAudit(output, address, { ...EVERYTHING, out: join(out, 'all') }))).exit).toBe(0)
      const report = await verifyExport(join(out, 'all'), { vkey: null, since: null })
      expect(report).toMatchObject({ ok: true, faults: [], decisions: { differ: 0, withoutPayload: 0 } })
      expect(readFileSync(join(out, 'all', 'entries.ndjson'), 'utf8')).toContain(CANARY)
      expect(linesIn(join(out, 'all')).filter(({ leaf }) => leaf.includes(CANARY))).toEqual([])
      const replayed = await printed((output) => replayAudit(output, address, { since: null, until: null }))
      expect(replayed.exit).toBe(0)
    } finally {
      rmSync(out, { recursive: true, force: true })
    }
  })

  test('finds nothing of it once it is erased', async () => {
    const reject = 'mutation ($id: ID!) { rejectHold(id: $id, comment: "twice") { id } }'
    await bed.people('sam', reject, { id: fields((await callOf('sam', made.attached)).hold).id })
    const erase = 'mutation ($calls: [ID!]) { erasePayloads(calls: $calls, why: "asked for") { calls } }'
    await bed.people('aisha', erase, { calls: [made.attached] })
    expect(await callOf('lee', made.attached)).toMatchObject({ rationale: null, decisionRecord: null, hold: { decisionRecord: null } })
  })

  test('and no row of the database ever had it in plain text', async () => {
    const { rows, entries } = await bed.remains()
    expect(bed.log()).not.toContain(CANARY)
    expect(rows.filter((row) => row.includes(CANARY))).toEqual([])
    const refused = entries.flatMap(({ body }) => (body.kind === 'refused' && body.door === 'status' ? [`${body.asked} ${body.code}`] : []))
    expect(refused).toContain('GET /v1/playbooks/refund/2 NOT_FOUND')
    const served = entries.flatMap(({ body }) => (body.kind === 'playbook.served' ? [`${body.playbook} ${body.version}`] : []))
    expect(served.toSorted()).toEqual(['probing 1.1', 'refund 1'])
  })
})

describe('what was served once', () => {
  const start = () => {
    const { configFile, dataDir, environment } = bed
    return startOrganisation({ configFile, dataDir, environment, host: '127.0.0.1', port: 0, logStream: { write: () => undefined } })
  }

  test('never changes: another text under the same version refuses the start, a new version does not', async () => {
    await bed.remains()
    const file = join(dirname(bed.configFile), 'playbooks/refund-1.yaml')
    const before = readFileSync(file, 'utf8')
    writeFileSync(file, before.replace('above 500 EUR', 'above 5000 EUR'))
    await expect(start()).rejects.toThrow(
      /playbooks\/refund-1\.yaml:\d+:1: version `1` of playbook `refund` was served with another text \(digest [0-9a-f]{64}\): give what changed a new version/,
    )
    writeFileSync(file, before.replace('above 500 EUR', 'above 5000 EUR').replace('version: "1"', 'version: "2"'))
    const { gateway, close } = await start()
    try {
      const token = readAddress(bed.dataDir)?.token ?? ''
      const query =
        '{ one: playbook(name: "refund", version: "1") { procedure } two: playbook(name: "refund", version: "2") { procedure } }'
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
      const reply = await send(gateway.url, { method: 'POST', path: '/operator/graphql', headers, body: JSON.stringify({ query }) })
      const { one, two } = fields(fields(jsonOf(reply)).data)
      expect([fields(one).procedure, fields(two).procedure]).toEqual([
        expect.stringContaining('above 500 EUR'),
        expect.stringContaining('above 5000 EUR'),
      ])
    } finally {
      await close()
    }
  })
})
