import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startOrganisation } from '../../examples/acme/organisation.ts'
import { ask } from '../cli/control-plane.ts'
import { readAddress } from '../config/address-file.ts'
import type { JsonObject } from '../core/json.ts'
import { copyAcme, edited } from './acme-copy.ts'

let folder: string
let organisation: Awaited<ReturnType<typeof startOrganisation>>
let tokens: { agent: string; maria: string; raj: string }

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-edit-'))
  const acme = copyAcme(folder)
  edited(join(acme, 'approvals.yaml'), (text) => text.replace('expires: 4h', 'expires: 4h\n  edits: allowed'))
  const dataDir = join(folder, 'data')
  const configFile = join(acme, 'gatehouse.yaml')
  const quiet = { write: () => {} }
  organisation = await startOrganisation({ dataDir, configFile, host: '127.0.0.1', port: 0, environment: {}, logStream: quiet })
  const address = readAddress(dataDir)
  if (!address) throw new Error('no gateway runs')
  const minted = await ask(
    address,
    'mutation { agent: agentToken(agent: "invoice-clerk") maria: userToken(person: "maria") raj: userToken(person: "raj") }',
  )
  tokens = minted as unknown as typeof tokens
}, 60_000)
afterAll(async () => {
  await organisation?.close()
  rmSync(folder, { recursive: true, force: true })
})

const people = (token: string, query: string, variables: JsonObject) => ask({ url: organisation.gateway.url, token }, query, variables)
const EDIT =
  'mutation ($id: ID!, $input: JSONObject!) { editHold(id: $id, input: $input, comment: "the order is for 900") { id state editsAllowed ineligible edited { by editors changes } votes { voter } progress { seats { group filledBy open } refusals } callsBefore { id } } }'
const APPROVE = 'mutation ($id: ID!) { approveHold(id: $id) { state } }'

async function agent(path: string, body?: JsonObject): Promise<{ status: number; edited: string | null; body: JsonObject }> {
  const headers = {
    authorization: `Bearer ${tokens.agent}`,
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
  }
  const response = await fetch(
    `${organisation.gateway.url}${path}`,
    body ? { method: 'POST', headers, body: JSON.stringify(body) } : { headers },
  )
  return { status: response.status, edited: response.headers.get('gatehouse-edited'), body: JSON.parse(await response.text()) }
}

test('a payment is edited, approved by somebody else, executed as edited, and its agent is told at every door', async () => {
  const input = { vendorId: 'V-1001', amount: 2400, currency: 'EUR', reference: 'edit me' }
  const held = await agent('/proxy/erp/payments', input)
  expect(held).toMatchObject({ status: 202, body: { code: 'HELD' } })
  const callId = String(held.body.callId)
  const found = await people(tokens.maria, '{ holds(filter: { state: [open] }) { edges { node { id callId } } } }', {})
  const { edges } = found.holds as unknown as { edges: { node: { id: string; callId: string } }[] }
  const old = edges.find(({ node }) => node.callId === callId)?.node.id ?? ''
  const less = { ...input, amount: 1900 }
  const changes = [{ pointer: '/amount', from: 2400, to: 1900 }]
  const { editHold } = await people(tokens.maria, EDIT, { id: old, input: less })
  const hold = editHold as { id: string }
  expect(editHold).toMatchObject({
    state: 'open',
    editsAllowed: true,
    ineligible: 'who edited the arguments of a call may not vote on it',
    edited: { by: 'maria', editors: ['maria'], changes },
    votes: [],
    progress: { seats: [{ group: 'finance-managers', filledBy: [], open: 1 }], refusals: 0 },
    callsBefore: [],
  })
  expect(hold.id).not.toBe(old)
  await expect(people(tokens.maria, APPROVE, { id: hold.id })).rejects.toThrow(/who edited the arguments/)
  await expect(people(tokens.raj, APPROVE, { id: old })).rejects.toThrow(/not open: it is superseded/)
  const told = { edited: { by: 'maria', changes } }
  expect(await agent(`/v1/calls/${callId}`)).toMatchObject({ status: 202, body: { state: 'held', ...told } })
  expect(await agent('/proxy/erp/payments', input)).toMatchObject({ status: 202, edited: '/amount', body: { callId, ...told } })
  const payment =
    'mutation ($a: Float!) { pay: erp_releasePayment(vendorId: "V-1001", amount: $a, currency: "EUR", reference: "edit me") { amount } }'
  const query = { query: payment, variables: { a: 2400 } }
  expect((await agent('/graphql', query)).body).toMatchObject({ errors: [{ extensions: { code: 'HELD', callId, ...told } }] })
  expect(await people(tokens.raj, APPROVE, { id: hold.id })).toMatchObject({ approveHold: { state: 'approved' } })
  // Its own call again joins the edited one, also for the result.
  expect((await agent('/graphql', query)).body).toMatchObject({
    data: { pay: { amount: 1900 } },
    extensions: { gatehouse: { calls: { pay: callId }, edited: { pay: told.edited } } },
  })
  expect(await agent(`/v1/calls/${callId}?wait=20`)).toMatchObject({
    status: 200,
    body: { state: 'completed', result: { amount: 1900 }, ...told },
  })
  const journal = organisation.acme.systems.erp.journal.entries({ operation: 'releasePayment' })
  expect(journal.map(({ body }) => JSON.parse(String(body)))).toEqual([less])
  const trail = await people(tokens.maria, 'query ($id: ID!) { call(id: $id) { entries { kind } } }', { id: callId })
  expect(JSON.stringify(trail)).toContain('hold.edited')
}, 60_000)
