import { exportJWK, generateKeyPair, type CryptoKey, SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freshPostgres } from '../storage/test-databases.ts'
import { DOORS, openDoor } from './doors.ts'
import { type Bed, startBed } from './harness.ts'
import { httpForms } from './http-form.ts'
import { Replica } from './replica.ts'
import { type Fields, fields, items, jsonOf, type Reply, send } from './send.ts'

const postgres = await freshPostgres('two gateways and an agent')
const FOREVER = { timeout: 60_000, interval: 20 }

/** One gateway lets an agent in and stops it; the other one is where it works. */
describe.skipIf(postgres === undefined)('the life of an agent on two gateways', () => {
  let bed: Bed
  let other: Replica
  let pair: { publicKey: CryptoKey; privateKey: CryptoKey }
  beforeAll(async () => {
    bed = await startBed({ environment: { DATABASE_URL: postgres?.options.databaseUrl } })
    other = new Replica(bed)
    await other.start()
    pair = await generateKeyPair('ES256', { extractable: true })
  }, 120_000)
  afterAll(async () => {
    await other?.close()
    await bed?.close()
    await postgres?.drop()
  }, 60_000)

  async function register(by: string, name: string): Promise<Fields> {
    const query = `mutation ($name: String!, $keys: [JSON!]) { registerAgent(name: $name, owner: "paul", team: "finance", region: "eu",
      purpose: "Pays what is due.", roles: ["accounts-payable"], clearance: ["confidential"], autonomy: 3, keys: $keys) { name status registeredBy } }`
    return fields((await bed.people(by, query, { name, keys: [await exportJWK(pair.publicKey)] })).registerAgent)
  }

  const step = async (by: string, verb: string, name: string): Promise<Fields> =>
    fields(
      (
        await bed.people(
          by,
          `mutation ($name: String!) { ${verb}(name: $name, reason: "a test") { agent { status } effectiveAfterMs cancelledHolds } }`,
          { name },
        )
      )[verb],
    )

  /** Asks the replica for a token as agents do (RFC 7523 2.2), with the registered key. */
  async function tokenRequest(name: string, key = pair.privateKey): Promise<Reply> {
    const assertion = await new SignJWT({ jti: crypto.randomUUID() })
      .setProtectedHeader({ alg: 'ES256' })
      .setIssuer(name)
      .setSubject(name)
      .setAudience(`${other.url}/oauth/token`)
      .setIssuedAt()
      .setExpirationTime('1m')
      .sign(key)
    const type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
    const body = new URLSearchParams({
      grant_type: 'client_credentials',
      client_assertion_type: type,
      client_assertion: assertion,
    }).toString()
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    return await send(other.url, { method: 'POST', path: '/oauth/token', headers, body })
  }

  async function tokenOf(name: string): Promise<string> {
    await expect.poll(async () => (await tokenRequest(name)).status, FOREVER).toBe(200)
    return String(fields(jsonOf(await tokenRequest(name))).access_token)
  }

  const pay = (token: string, amount: number, reference: string): Promise<Reply> =>
    send(other.url, {
      method: 'POST',
      path: '/proxy/erp/payments',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ vendorId: 'V-1001', amount, currency: 'EUR', reference }),
    })

  async function held(token: string, reference: string): Promise<string> {
    const reply = await pay(token, 4_000, reference)
    expect(reply.status).toBe(202)
    return String(fields(jsonOf(reply)).callId)
  }

  const callOf = async (id: string): Promise<Fields> =>
    fields((await bed.people('aisha', 'query ($id: ID!) { call(id: $id) { state hold { id state } } }', { id })).call)

  test('registered by one, activated by another, it works with the key that it was registered with; then it is retired', async () => {
    expect(await register('olga', 'newcomer')).toEqual({ name: 'newcomer', status: 'proposed', registeredBy: 'olga' })
    // It is known on the other gateway and refused there, whatever it proves.
    await expect
      .poll(async () => items((await other.people('lee', '{ agents { name } }')).agents).map((one) => fields(one).name), FOREVER)
      .toContain('newcomer')
    expect((await tokenRequest('newcomer')).status).toBe(401)
    for (const who of ['olga', 'paul', 'lee', 'maria']) await expect(step(who, 'activateAgent', 'newcomer')).rejects.toThrow('FORBIDDEN')
    expect(await step('aisha', 'activateAgent', 'newcomer')).toMatchObject({ agent: { status: 'active' } })
    const token = await tokenOf('newcomer')
    expect((await tokenRequest('newcomer', (await generateKeyPair('ES256')).privateKey)).status).toBe(401)
    expect((await pay(token, 100, 'life-1')).status).toBe(201)
    const waiting = await held(token, 'life-2')

    const seen = bed.watch()
    expect(await step('olga', 'retireAgent', 'newcomer')).toMatchObject({ agent: { status: 'retired' }, cancelledHolds: 1 })
    expect(await callOf(waiting)).toMatchObject({ state: 'cancelled', hold: { state: 'cancelled' } })
    // Bound at commit: what the other gateway still takes for active gets no intent.
    expect([401, 403]).toContain((await pay(token, 100, 'life-3')).status)
    await expect.poll(async () => (await pay(token, 100, 'life-4')).status, FOREVER).toBe(401)
    expect((await tokenRequest('newcomer')).status).toBe(401)
    expect(seen()).toEqual([])
    await expect(register('olga', 'newcomer')).rejects.toThrow('NAME_TAKEN')
    await expect(step('olga', 'reinstateAgent', 'newcomer')).rejects.toThrow('BAD_INPUT')
    const { agent } = await other.people('lee', '{ agent(name: "newcomer") { lastCallAt history { by status change why epoch } } }')
    expect(fields(agent).lastCallAt).toEqual(expect.any(String))
    expect(fields(agent).history).toEqual([
      { by: 'olga', status: 'retired', change: 'status retired: a test', why: 'a test', epoch: 3 },
      { by: 'aisha', status: 'active', change: 'status active: a test', why: 'a test', epoch: 2 },
      { by: 'olga', status: 'proposed', change: 'registered, status proposed', why: null, epoch: 1 },
    ])
  })

  test('suspended on one gateway while its calls wait on the other: nothing of it runs, and every door refuses it', async () => {
    await register('olga', 'stopped')
    await step('aisha', 'activateAgent', 'stopped')
    const token = await tokenOf('stopped')
    const waiting = await held(token, 'stop-1')
    const approved = await held(token, 'stop-2')
    expect(await step('olga', 'suspendAgent', 'stopped')).toMatchObject({ agent: { status: 'suspended' }, cancelledHolds: 0 })
    const seen = bed.watch()
    const { hold } = await callOf(approved)
    await other.people('maria', 'mutation ($id: ID!) { approveHold(id: $id) { state } }', { id: String(fields(hold).id) })
    await expect.poll(async () => (await callOf(approved)).state, FOREVER).toBe('cancelled')
    expect((await callOf(waiting)).state).toBe('held')
    expect(seen()).toEqual([])
    // Its tokens are refused at every door of the gateway that stopped it.
    const forms = httpForms(bed.configFile, bed.environment)
    const doors = DOORS.map((name) => openDoor(name, bed, forms))
    const ask = { agent: 'stopped', operation: 'erp.getVendor', input: { vendorId: 'V-1001' } }
    expect(await Promise.all(doors.map(async (door) => (await door.call(ask)).code))).toEqual(doors.map(() => 'UNAUTHENTICATED'))
    await expect.poll(async () => (await pay(token, 100, 'stop-3')).status, FOREVER).toBe(401)
  })
})
