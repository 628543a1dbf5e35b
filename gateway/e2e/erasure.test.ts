import { dirname, join } from 'node:path'
import { Writable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { eraseCalls } from '../cli/audit-erase.ts'
import { createOutput } from '../cli/output.ts'
import { readPolicyFolder } from '../cli/policy-folder.ts'
import { leafHash } from '../record/merkle.ts'
import { parseVerifierKey } from '../record/signed-note.ts'
import { verifyProof } from '../record/tlog-proof.ts'
import { type Bed, startBed } from './harness.ts'
import { type Fields, fields, items, jsonOf, type Reply, send } from './send.ts'

const CANARY = 'zzada.lovelace'
const NOBODY = `call_${'0'.repeat(26)}`
const WHY = 'request 4711 of a customer'
const ERASE =
  'mutation ($calls: [ID!], $filter: ErasureFilter, $why: String!) { erasePayloads(calls: $calls, filter: $filter, why: $why) { calls entries kept { call why } next } }'
const CALL = `query ($id: ID!) { call(id: $id) {
  state input inputText rationale result { body } object { key } erased { at by why } hold { votes { voter comment } } decision { facts outcome }
  entries(payloads: true) { kind erased body } logged { index leaf proof } } }`

let bed: Bed
const made: Record<string, string> = {}

const post = async (agent: string, path: string, body: unknown, headers: Record<string, string> = {}): Promise<Reply> =>
  send(bed.url, {
    method: 'POST',
    path,
    headers: { authorization: `Bearer ${await bed.agentToken(agent)}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
const write = () =>
  post('prober', '/proxy/probe/things', { name: CANARY }, { 'idempotency-key': 'erased-1', 'gatehouse-rationale': `${CANARY} wrote` })
const read = async (id: string): Promise<Fields> => fields((await bed.people('lee', CALL, { id })).call)
const erase = async (person: string | null, variables: Fields): Promise<Fields> =>
  fields((await bed.people(person, ERASE, { why: WHY, ...variables })).erasePayloads)
/** Proofs of a call, once all its entries are in the log. */
async function proofs(id: string, last: string): Promise<readonly Fields[]> {
  const all = async () => items((await read(id)).logged).map(fields)
  const isWhole = (found: readonly Fields[]) =>
    found.some(({ leaf }) => String(leaf).includes(`"kind":"${last}"`)) && found.every(({ proof }) => proof)
  await vi.waitFor(async () => expect(isWhole(await all())).toBe(true), { timeout: 20_000, interval: 50 })
  return await all()
}
const verified = async (logged: readonly Fields[]): Promise<number> => {
  const key = parseVerifierKey((await send(bed.url, { method: 'GET', path: '/v1/log.vkey', headers: {} })).text)
  for (const { index, leaf, proof } of logged)
    expect(verifyProof(String(proof), leafHash(Buffer.from(String(leaf))), [key], 'gatehouse/acme').index).toBe(index)
  return logged.length
}
const command = async (person: string, which: Partial<Parameters<typeof eraseCalls>[2]>) => {
  let text = ''
  const stream = new Writable({
    write(chunk, _encoding, done) {
      text += String(chunk)
      done()
    },
  })
  const address = { url: bed.url, token: await bed.personToken(person) }
  const all = { calls: [], subject: undefined, object: undefined, before: undefined, why: WHY, ...which }
  return { exit: await eraseCalls(createOutput(false, stream, stream), address, all), text }
}

const holdOf = async (callId: string): Promise<unknown> =>
  fields(fields((await bed.people('aisha', 'query ($id: ID!) { call(id: $id) { hold { id } } }', { id: callId })).call).hold).id

beforeAll(async () => {
  bed = await startBed()
  const written = await write()
  expect(written.status, written.text).toBeLessThan(300)
  made.written = String(written.headers['gatehouse-call'])
  const payment = { vendorId: 'V-1001', amount: 1_240, currency: 'EUR', reference: CANARY }
  const pay = async (amount: number): Promise<string> => {
    const reply = await post('invoice-clerk', '/proxy/erp/payments', { ...payment, amount }, { 'gatehouse-rationale': `${CANARY} is due` })
    return String(reply.headers['gatehouse-call'])
  }
  made.refused = await pay(1_240)
  made.open = await pay(1_250)
  const REJECT = 'mutation ($id: ID!, $comment: String) { rejectHold(id: $id, comment: $comment) { id } }'
  await bed.people('maria', REJECT, { id: await holdOf(made.refused), comment: `not for ${CANARY}` })
})
afterAll(() => bed?.close())

describe('who may erase what', () => {
  test.each([
    ['the local operator', null, 'FORBIDDEN'],
    ['an operator', 'olga', 'FORBIDDEN'],
    ['an auditor', 'lee', 'FORBIDDEN'],
    ['an approver', 'maria', 'FORBIDDEN'],
  ])('%s erases nothing', async (_who, person, code) => {
    await expect(erase(person, { calls: [made.written] })).rejects.toThrow(code)
    expect((await read(String(made.written))).erased).toBeNull()
  })

  test.each([
    ['without a reason', { calls: [NOBODY], why: ' ' }, 'the reason is missing'],
    ['neither calls nor filter', {}, 'one of both'],
    ['calls and filter', { calls: [NOBODY], filter: { subject: 'sam' } }, 'one of both'],
    ['an empty filter', { filter: {} }, 'the filter is empty'],
    ['too many', { calls: Array.from({ length: 101 }, () => NOBODY) }, 'at most 100'],
  ])('%s: refused', async (_what, variables, message) => {
    await expect(erase('aisha', variables)).rejects.toThrow(message)
  })

  test('a call that is held is kept whole, as is what is no call', async () => {
    const { calls, kept } = await erase('aisha', { calls: [made.open, NOBODY] })
    expect(calls).toEqual([])
    expect(kept).toEqual([
      { call: made.open, why: 'it is held: erase it once it has ended' },
      { call: NOBODY, why: 'there is no such call' },
    ])
    expect(fields((await read(String(made.open))).input).reference).toBe(CANARY)
  })
})

describe('erased', () => {
  let proved: readonly Fields[]

  test('a call loses all that it was about, and keeps all that happened', async () => {
    const id = String(made.written)
    proved = await proofs(id, 'outcome')
    expect(await read(id)).toMatchObject({ erased: null, input: { name: CANARY } })
    expect(await command('aisha', { calls: [id] })).toEqual({
      exit: 0,
      text: 'the payloads of 1 calls are erased, in 1 entries; 0 calls are kept\n',
    })
    const call = await read(id)
    expect(call).toMatchObject({ state: 'completed', input: null, inputText: null, rationale: null, result: null, object: null })
    expect(call.erased).toMatchObject({ by: 'aisha', why: WHY })
    expect(call.decision).toEqual({ facts: null, outcome: 'permit' })
    const entries = items(call.entries).map(fields)
    expect(entries.find(({ kind }) => kind === 'decision')?.erased).toBe(true)
    expect(entries.find(({ kind }) => kind === 'erased')?.body).toMatchObject({ calls: [id], by: 'aisha', why: WHY, entries: 1 })
  })

  test('its proofs of before verify still, and so do new ones of the same leaves, with one of its erasure', async () => {
    expect(await verified(proved)).toBe(proved.length)
    const after = await proofs(String(made.written), 'erased')
    expect(await verified(after)).toBe(after.length)
    const leaves = after.map(({ leaf }) => leaf)
    for (const { leaf } of proved) expect(leaves).toContain(leaf)
  })

  test('its idempotency key still says that the call was made: nothing is executed again', async () => {
    const seen = bed.watch()
    const again = await write()
    expect([again.status, fields(jsonOf(again)).code]).toEqual([409, 'RESULT_NOT_KEPT'])
    expect(seen()).toEqual([])
  })

  test('a refused payment loses what its voter wrote; the vote stays', async () => {
    const { calls, next } = await erase('aisha', { filter: { object: 'V-1001', before: new Date(Date.now() + 60_000).toISOString() } })
    expect([calls, next]).toEqual([[made.refused], null])
    const { hold } = await read(String(made.refused))
    expect(items(fields(hold).votes)).toEqual([{ voter: 'maria', comment: null }])
  })

  test('a simulation counts them as not to be decided again', async () => {
    const { files, facts } = readPolicyFolder(join(dirname(bed.configFile), 'policies'))
    const query =
      'query ($draft: PolicyTextsInput!, $since: DateTimeISO!) { simulatePolicies(draft: $draft, since: $since) { calls undecided { why calls examples } } }'
    const since = new Date(Date.now() - 3_600_000).toISOString()
    const { undecided } = fields((await bed.people('aisha', query, { draft: { files, facts }, since })).simulatePolicies)
    const told = items(undecided).map(fields)
    expect(told.find(({ why }) => why === 'its payload was erased')).toMatchObject({ calls: 2 })
  })

  test('in the end no row of any table has a word of it', async () => {
    const REJECT = 'mutation ($id: ID!) { rejectHold(id: $id, comment: "no") { id } }'
    await bed.people('maria', REJECT, { id: await holdOf(String(made.open)) })
    expect((await erase('aisha', { calls: [made.open] })).calls).toEqual([made.open])
    const { rows } = await bed.remains()
    expect(rows.filter((row) => row.startsWith('entry '))).not.toEqual([])
    expect(rows.filter((row) => row.includes(CANARY) || row.includes('zzada'))).toEqual([])
  })
})
