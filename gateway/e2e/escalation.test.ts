import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freshPostgres } from '../storage/test-databases.ts'
import { type Bed, startBed } from './harness.ts'
import { Replica } from './replica.ts'
import { fields, items, jsonOf, send } from './send.ts'

const postgres = await freshPostgres('escalations of two gateways')
const FOREVER = { timeout: 60_000, interval: 20 }

/** Payments that finance managers leave alone for a second may be approved by the CFO's office as well. */
const ESCALATE = (text: string): string =>
  text.replace('  expires: 4h\n', '  expires: 4h\n  escalate: [{ after: 1s, to: cfo-office, notify: [support-leads] }]\n')

const HOLD = `query ($id: ID!) { call(id: $id) { state hold { id ineligible requires { group count standIns } escalation { to opens notify happened } } } }`

describe.skipIf(postgres === undefined)('a hold that nobody decides', () => {
  let bed: Bed
  let other: Replica
  beforeAll(async () => {
    bed = await startBed({ environment: { DATABASE_URL: postgres?.options.databaseUrl }, edits: { 'approvals.yaml': ESCALATE } })
    other = new Replica(bed)
    await other.start()
  }, 120_000)
  afterAll(async () => {
    await other?.close()
    await bed?.close()
    await postgres?.drop()
  }, 60_000)

  test('escalates once, whichever gateway lives, and its stand-ins approve it', async () => {
    const token = await bed.agentToken('invoice-clerk')
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const body = JSON.stringify({ vendorId: 'V-1001', amount: 3_200, currency: 'EUR', reference: 'escalates' })
    const held = await send(bed.url, { method: 'POST', path: '/proxy/erp/payments', headers, body })
    const id = String(fields(jsonOf(held)).callId)
    await other.kill()
    const seen = async (person: string) => fields((await bed.people(person, HOLD, { id })).call)
    await expect.poll(async () => fields(items(fields((await seen('maria')).hold).escalation)[0]).happened, FOREVER).toBe(true)
    await other.start()
    const chief = await seen('chen')
    expect(chief).toMatchObject({
      state: 'held',
      hold: {
        ineligible: null,
        requires: [{ group: 'finance-managers', count: 1, standIns: ['cfo-office'] }],
        escalation: [{ to: 'cfo-office', opens: ['finance-managers'], notify: ['support-leads'], happened: true }],
      },
    })
    await bed.people('chen', 'mutation ($id: ID!) { approveHold(id: $id) { state } }', { id: String(fields(chief.hold).id) })
    const ended = await send(bed.url, { method: 'GET', path: `/v1/calls/${id}?wait=30`, headers })
    expect(fields(jsonOf(ended)).state).toBe('completed')
    const { call } = await bed.people('lee', 'query ($id: ID!) { call(id: $id) { entries { kind } } }', { id })
    expect(items(fields(call).entries).filter((entry) => fields(entry).kind === 'hold.escalated')).toHaveLength(1)
  }, 120_000)
})
