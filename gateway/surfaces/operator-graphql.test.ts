import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getIntrospectionQuery } from 'graphql'
import { serverAudits } from 'graphql-http'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { buildOperatorSchema } from '../../schema/operator/schema.ts'
import { instant } from '../core/clock.ts'
import { BuiltInIssuer } from '../identity/built-in-issuer.ts'
import { createTokenVerifier } from '../identity/token-verifier.ts'
import { authenticateOperator, LocalOperator } from '../local-operator.ts'
import { type Bed, openBed } from '../operator/fixture-bed.ts'
import type { OperatorUseCases } from '../ports/operator.ts'
import { createOperatorDoor, type OperatorDoor } from './operator-graphql.ts'
import { LIMITS } from '../limits.ts'

let bed: Bed
let door: OperatorDoor
let server: Server
let url: string
let issuer: BuiltInIssuer
let localToken: string
const dataDir = mkdtempSync(join(tmpdir(), 'operator-door-'))
let broken = false

beforeAll(async () => {
  bed = await openBed()
  const clock = { now: () => instant(Date.now()) }
  issuer = await BuiltInIssuer.open({ dataDir, baseUrl: 'http://127.0.0.1:4000', organisation: 'acme', clock })
  const issuers = {
    rule: (iss: string, audience: 'agents' | 'people') => issuer.rules.find((rule) => rule.issuer === iss && rule.for === audience),
    close: async () => undefined,
  }
  const verifier = createTokenVerifier({ issuers, clock })
  const local = new LocalOperator()
  local.publish(dataDir, 'http://127.0.0.1:4000')
  localToken = JSON.parse(readFileSync(join(dataDir, 'gateway.json'), 'utf8')).token
  const cases: OperatorUseCases = {
    ...bed.cases,
    policies(by) {
      if (broken) throw new Error('canary-9 stack of the inside')
      return bed.cases.policies(by)
    },
  }
  door = createOperatorDoor({
    schema: buildOperatorSchema(),
    cases,
    authenticateOperator: (authorization) => authenticateOperator({ verifier, registry: bed.registry, local }, authorization),
    log: { info: () => undefined, warn: () => undefined, error: (fields) => void bed.logged.push(fields) },
  })
  server = createServer((req, res) => void door.handle(req, res))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/operator/graphql`
})
afterAll(async () => {
  await new Promise((resolve) => server.close(resolve).closeAllConnections())
  await door.close()
  await bed.close()
  rmSync(dataDir, { recursive: true })
})

const tokenOf = async (name: string): Promise<string> => (name === 'local' ? localToken : (await issuer.issueForPerson(name)).token)

interface Answer {
  status: number
  headers: Headers
  body: unknown
}

async function post(body: unknown, headers: Record<string, string>): Promise<Answer> {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: text })
  const answer = await response.text()
  return { status: response.status, headers: response.headers, body: answer === '' ? null : JSON.parse(answer) }
}

const ask = async (name: string, query: string, variables: object = {}): Promise<Answer> =>
  post({ query, variables }, { authorization: `Bearer ${await tokenOf(name)}` })

const failure = (code: string) => ({ errors: [{ extensions: { code } }] })

let amount = 20_000
const held = () => bed.ask({ amount: amount++ })

const INBOX = `{ holds(filter: { state: [open] }, orderBy: EXPIRES, first: 50) { edges { node {
  id agent subject operation alike votes { voter } ineligible requires { group } about { title } } } } }`

test.each(['maria', 'olga'])('a page of fifty holds is read with as many questions to the store as one hold: %s', async (person) => {
  const store = bed.storage.calls
  const asked = async (): Promise<readonly [number, object]> => {
    const spies = (['holds', 'hold', 'call', 'callsOf', 'votes', 'votesOn', 'publishers', 'publications'] as const).map((name) => {
      const spy = vi.spyOn(store, name)
      return [name, spy] as const
    })
    const { body } = await ask(person, INBOX)
    const times = Object.fromEntries(spies.map(([name, spy]) => [name, spy.mock.calls.length]).filter(([, count]) => count !== 0))
    for (const [, spy] of spies) spy.mockRestore()
    const edges = (body as { data: { holds: { edges: { node: { ineligible: string | null } }[] } } }).data.holds.edges
    expect(edges.every(({ node }) => (node.ineligible === null) === (person === 'maria'))).toBe(true)
    return [edges.length, times]
  }
  const once = { holds: 1, callsOf: 1, votesOn: 1, publications: 1 }
  await held()
  const [before, few] = await asked()
  expect(few).toEqual(once)
  for (let i = before; i < 50; i++) await held()
  expect(await asked()).toEqual([50, once])
})

describe('who is let in', () => {
  test.each([
    ['nobody', undefined, /^Bearer realm="gatehouse operators"$/],
    ['an empty bearer', 'Bearer ', /error="invalid_token"$/],
    ['another scheme', 'Basic YTpi', /error="invalid_token"$/],
    ['no token at all', 'Bearer nonsense', /error="invalid_token"$/],
    ['a local credential of another start', 'Bearer ghl_AAAA', /error="invalid_token"$/],
  ])('not: %s', async (_title, authorization, challenge) => {
    const before = (await bed.notes('refused')).length
    const answer = await post({ query: '{ me { name } }' }, authorization === undefined ? {} : { authorization })
    expect(answer).toMatchObject({ status: 401, body: failure('UNAUTHENTICATED') })
    expect(answer.headers.get('www-authenticate')).toMatch(challenge)
    expect((await bed.notes('refused')).slice(before)).toMatchObject([{ door: 'operator', code: 'UNAUTHENTICATED' }])
  })

  test("not: an agent's token, also one that acts for an approver; no vote comes of it", async () => {
    const both = await held()
    for (const subject of [undefined, 'maria']) {
      const { token } = await issuer.issue({ agent: 'clerk', ...(subject ? { subject } : {}) })
      const query = `mutation { approveHold(id: "${both.holdId}") { state } }`
      expect(await post({ query }, { authorization: `Bearer ${token}` })).toMatchObject({ status: 401 })
    }
    expect(await bed.storage.calls.votes(both.holdId)).toEqual([])
  })

  test('not: a person whom configuration does not know', async () => {
    expect(await ask('stranger', '{ me { name } }')).toMatchObject({ status: 401 })
  })

  test.each([
    ['maria', { name: 'maria', groups: ['finance-managers'], roles: [] }],
    ['aisha', { name: 'aisha', groups: ['security'], roles: ['security'] }],
    ['local', { name: 'local', groups: [], roles: ['local'] }],
  ])('%s', async (name, me) => {
    expect(await ask(name, '{ me { name groups roles } }')).toMatchObject({ status: 200, body: { data: { me } } })
  })

  test('introspection is open to everyone who is signed in', async () => {
    expect(await ask('chen', getIntrospectionQuery())).toMatchObject({
      status: 200,
      body: { data: { __schema: { queryType: { name: 'Query' } } } },
    })
  })
})

const HOLD = `{ holds(filter: { state: [open] }, first: 1) { edges { cursor node {
  id callId state agent owner subject connector operation input rationale onApproval digest expiresAt createdAt decidedAt ineligible
  requires { group count } votes { voter } reasons { policyId approval reason text } equalCall { id at }
} } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`

describe('holds', () => {
  test('the card says everything an approver needs, in plain fields', async () => {
    const both = await held()
    const { body } = await ask('maria', HOLD)
    expect(body).toMatchObject({
      data: {
        holds: {
          edges: [
            {
              cursor: Buffer.from(both.holdId).toString('base64url'),
              node: {
                id: both.holdId,
                callId: both.callId,
                state: 'open',
                agent: 'clerk',
                owner: 'paul',
                subject: null,
                operation: 'erp.releasePayment',
                input: { vendorId: 'v-7', amount: amount - 1 },
                rationale: 'the invoice is due',
                onApproval: 'execute',
                decidedAt: null,
                ineligible: null,
                requires: [{ group: 'finance-managers', count: 1 }],
                votes: [],
                reasons: [
                  {
                    policyId: 'erp.large',
                    approval: 'finance',
                    reason: 'a large payment',
                    text: expect.stringContaining('@hold("finance")'),
                  },
                ],
                equalCall: null,
              },
            },
          ],
          pageInfo: { hasPreviousPage: false },
        },
      },
    })
    expect(JSON.stringify(body)).not.toContain('errors')
  })

  test('operators see the card without its arguments, and why they may not vote', async () => {
    await held()
    expect(await ask('olga', HOLD)).toMatchObject({
      body: { data: { holds: { edges: [{ node: { input: null, ineligible: 'needs a member of `finance-managers`' } }] } } },
    })
  })

  test('approve, twice', async () => {
    const { holdId, callId } = await held()
    const query =
      'mutation ($id: ID!, $comment: String) { approveHold(id: $id, comment: $comment) { id state decidedAt votes { voter verdict comment } } }'
    expect(await ask('maria', query, { id: holdId, comment: 'ok' })).toMatchObject({
      status: 200,
      body: { data: { approveHold: { id: holdId, state: 'approved', votes: [{ voter: 'maria', verdict: 'approve', comment: 'ok' }] } } },
    })
    expect(await ask('raj', query, { id: holdId })).toMatchObject({ body: failure('HOLD_NOT_OPEN') })
    expect(bed.approved).toContain(callId)
  })

  test('reject', async () => {
    const { holdId, callId } = await held()
    await ask('raj', 'mutation ($id: ID!) { rejectHold(id: $id, comment: "no") { state } }', { id: holdId })
    expect(await bed.storage.calls.call(callId)).toMatchObject({ state: 'rejected' })
  })

  test('what is recorded of a call is read alike by trail, entries and views, by whoever may see the call', async () => {
    const { callId } = await held()
    await ask('maria', 'query ($id: ID!) { call(id: $id) { input } }', { id: callId })
    const query = `query ($id: ID!) { trail(call: $id) { entries { kind } views { by } }
      entries(filter: { call: $id }, first: 50) { edges { node { kind } } } views(call: $id) { edges { node { by } } } }`
    for (const name of ['olga', 'raj', 'lee']) {
      const { body } = await ask(name, query, { id: callId })
      const { trail, entries, views } = (body as { data: Record<'trail' | 'entries' | 'views', object> }).data
      const listed = (page: object) => (page as { edges: { node: object }[] }).edges.map(({ node }) => node)
      expect(trail).toEqual({ entries: listed(entries).reverse(), views: [{ by: 'maria' }] })
      expect(listed(views)).toEqual([{ by: 'maria' }])
    }
    expect(
      await ask('chen', 'query ($id: ID!) { entries(filter: { call: $id }) { edges { node { kind } } } }', { id: callId }),
    ).toMatchObject({
      body: failure('FORBIDDEN'),
    })
    expect(await ask('olga', '{ views(person: "maria") { edges { node { by } } } }')).toMatchObject({ body: failure('FORBIDDEN') })
  })

  test.each([
    ["the owner's vote", 'paul', 'NOT_ELIGIBLE'],
    ["the auditor's", 'lee', 'FORBIDDEN'],
    ["the local credential's", 'local', 'FORBIDDEN'],
    ['one who does not see it', 'chen', 'NOT_FOUND'],
  ])('refused: %s', async (_title, name, code) => {
    const { holdId } = await held()
    expect(await ask(name, `mutation { approveHold(id: "${holdId}") { state } }`)).toMatchObject({ body: failure(code) })
  })

  test.each([
    ['text around it', (id: string) => `please approve ${id}`],
    ['white space', (id: string) => ` ${id}`],
    ['a line break', (id: string) => `${id}\n`],
    ['upper case', (id: string) => id.toUpperCase()],
    ['the call id', (_: string, callId: string) => callId],
    ['nothing', () => ''],
  ])('an id is taken whole or not at all: %s', async (_title, write) => {
    const { holdId, callId } = await held()
    const answer = await ask('maria', 'mutation ($id: ID!) { approveHold(id: $id) { state } }', { id: write(holdId, callId) })
    expect(answer).toMatchObject({ body: failure('ID_MALFORMED') })
    expect(await bed.storage.calls.votes(holdId)).toEqual([])
  })

  test('pages follow one another by cursor, in both orders, and forged cursors are refused', async () => {
    const made = [await held(), await held(), await held()].map(({ holdId }) => holdId)
    for (const orderBy of ['NEWEST', 'EXPIRES']) {
      const seen: string[] = []
      let after: string | null = null
      for (let page = 0; page < 100; page++) {
        const { body } = await ask(
          'maria',
          `query ($after: String) { holds(filter: { state: [open] }, orderBy: ${orderBy}, first: 2, after: $after) { edges { node { id } } pageInfo { hasNextPage endCursor } } }`,
          { after },
        )
        const { holds } = (
          body as { data: { holds: { edges: { node: { id: string } }[]; pageInfo: { hasNextPage: boolean; endCursor: string } } } }
        ).data
        seen.push(...holds.edges.map(({ node }) => node.id))
        after = holds.pageInfo.endCursor
        if (!holds.pageInfo.hasNextPage) break
      }
      expect(new Set(seen).size).toBe(seen.length)
      const order = seen.filter((id) => made.some((one) => one === id))
      expect(order).toEqual(orderBy === 'NEWEST' ? [...made].reverse() : made)
    }
    for (const after of [
      '',
      'x',
      made[0] ?? '',
      Buffer.from("hold_' or 1=1").toString('base64url'),
      `${Buffer.from(made[0] ?? '').toString('base64url')}==`,
    ]) {
      expect(await ask('maria', 'query ($after: String) { holds(after: $after) { edges { cursor } } }', { after })).toMatchObject({
        body: failure('BAD_INPUT'),
      })
    }
  })

  test.each([0, -1, 501])('first: %i', async (first) => {
    expect(await ask('maria', `{ holds(first: ${first}) { edges { cursor } } }`)).toMatchObject({ body: failure('BAD_INPUT') })
  })
})

describe('calls', () => {
  test('one call from its decision to its outcome', async () => {
    const id = await bed.ran('completed', 77)
    const query = `query ($id: ID!) { call(id: $id) {
      id state door agent owner operation input rationale run trace resultKept result { status headers body encoding }
      decision { outcome denyReason reasons { policyId text } facts policySet release } intent { id process policySet consumes }
      outcome { kind upstreamStatus upstreamMs error { code } } hold { id } entries { kind seq body } } }`
    const { body } = await ask('aisha', query, { id })
    expect(body).toMatchObject({
      data: {
        call: {
          id,
          state: 'completed',
          door: 'mcp',
          input: { vendorId: 'v-7', amount: 77 },
          rationale: 'the invoice is due',
          trace: '4bf92f3577b34da6a3ce929d0e0e4736',
          result: { status: 200, body: '{"iban":"DE00"}' },
          decision: { outcome: 'permit', reasons: [{ policyId: 'erp.pay', text: expect.stringContaining('permit') }], release: null },
          intent: { consumes: null },
          outcome: { kind: 'completed', upstreamStatus: 200, upstreamMs: 12, error: null },
          hold: null,
          entries: expect.arrayContaining(['decision', 'intent', 'outcome'].map((kind) => expect.objectContaining({ kind }))),
        },
      },
    })
    expect(JSON.stringify(body)).toMatch(/"facts":\{.+\}/)
    const views = (await bed.entries(id)).filter((entry) => entry.kind === 'view')
    expect(views).toHaveLength(2)
  })

  test('an operator sees the same without arguments, result and facts, in the entries too', async () => {
    const id = await bed.ran('completed', 78)
    const query = `query ($id: ID!) { call(id: $id) { state input result { body } decision { outcome facts } entries(payloads: true) { kind body } } }`
    const { body } = await ask('olga', query, { id })
    expect(body).toMatchObject({
      data: { call: { state: 'completed', input: null, result: null, decision: { outcome: 'permit', facts: null } } },
    })
    expect(JSON.stringify(body)).not.toMatch(/"v-7"|DE00|amount/)
    expect((await bed.entries(id)).filter((entry) => entry.kind === 'view')).toEqual([])
  })

  test('lists by filter, newest first', async () => {
    const ids = [await bed.ran('failed', 31), await bed.ran('failed', 32)]
    const query =
      '{ calls(filter: { agent: "clerk", state: [failed], door: mcp, connector: "erp", since: "2020-01-01T00:00:00Z" }, first: 2) { edges { node { id state } } } }'
    expect(await ask('lee', query)).toMatchObject({
      body: { data: { calls: { edges: [...ids].reverse().map((id) => ({ node: { id, state: 'failed' } })) } } },
    })
    expect(await ask('lee', '{ calls(filter: { agent: "other" }) { edges { cursor } } }')).toMatchObject({
      body: { data: { calls: { edges: [] } } },
    })
    expect(await ask('maria', query)).toMatchObject({ body: failure('FORBIDDEN') })
  })

  test('resolveCall, by an operator who is not the owner', async () => {
    const id = await bed.ran('in_doubt', 33)
    const query = 'mutation ($id: ID!) { resolveCall(id: $id, effect: HAPPENED, evidence: "bank statement 12") { state } }'
    expect(await ask('paul', query, { id })).toMatchObject({ body: failure('NOT_ELIGIBLE') })
    expect(await ask('olga', query, { id })).toMatchObject({ body: { data: { resolveCall: { state: 'completed' } } } })
    expect(await ask('olga', query, { id })).toMatchObject({ body: failure('CALL_NOT_IN_DOUBT') })
  })

  test('a query that multiplies lists is stopped', async () => {
    const aliases = Array.from({ length: 11 }, (_, i) => `a${i}: calls(first: 500) { edges { cursor } }`).join(' ')
    expect(await ask('lee', `{ ${aliases} }`)).toMatchObject({ body: failure('BAD_INPUT') })
  })
})

describe('registry and policies', () => {
  test('agents, connectors, operations and policies', async () => {
    const { body } = await ask(
      'olga',
      `{ agents { name status epoch } agent(name: "clerk") { owner } connectors { name operations { id } }
         operations(connector: "erp") { id jointName mode reversibility inputSchema route businessKey { type } } policies { id effect text annotations } }`,
    )
    expect(body).toMatchObject({
      data: {
        agents: [{ name: 'clerk' }, { name: 'gone', status: 'retired' }, { name: 'intern', status: 'suspended' }],
        agent: { owner: 'paul' },
        connectors: [
          { name: 'erp', operations: [{ id: 'erp.getInvoice' }, { id: 'erp.releasePayment' }] },
          { name: 'crm', operations: [] },
        ],
        operations: [{ reversibility: 'read_only', mode: 'read' }, { route: 'POST /releasePayment' }],
        policies: [
          { id: 'erp.large', effect: 'forbid', annotations: { hold: 'finance' } },
          { id: 'erp.pay', effect: 'permit' },
          { id: 'library.quiet.all', effect: 'forbid' },
        ],
      },
    })
  })

  test('suspend and reinstate', async () => {
    const query = 'mutation { suspendAgent(name: "clerk", reason: "x") { agent { status } effectiveAfterMs } }'
    expect(await ask('aisha', query)).toMatchObject({ body: { data: { suspendAgent: { agent: { status: 'suspended' } } } } })
    expect(await ask('local', 'mutation { reinstateAgent(name: "clerk") { agent { status } } }')).toMatchObject({
      body: { data: { reinstateAgent: { agent: { status: 'active' } } } },
    })
    expect(await ask('lee', query)).toMatchObject({ body: failure('FORBIDDEN') })
  })

  test('explain', async () => {
    const query =
      'query ($input: JSON!) { explain(agent: "clerk", operation: "erp.releasePayment", input: $input) { outcome advice reasons { policyId approval } facts at } }'
    expect(await ask('aisha', query, { input: { vendorId: 'v', amount: 2_000 } })).toMatchObject({
      body: {
        data: {
          explain: { outcome: 'hold', advice: 'wait for finance', reasons: [{ policyId: 'erp.large', approval: 'finance' }], at: null },
        },
      },
    })
    const near =
      '{ explain(agent: "clerk", operation: "erp.releasePayment", input: { vendorId: "v", amount: -1 }) { denyReason nearMisses { principal policyId place failed { sentence values } } } }'
    const failed = [
      { sentence: '`context.input.amount.greaterThan(decimal("0.0"))` is not true', values: { 'context.input.amount': '-1.0' } },
    ]
    expect(await ask('aisha', near)).toMatchObject({
      body: {
        data: {
          explain: {
            denyReason: 'no_permit',
            nearMisses: [{ principal: 'Gatehouse::Agent::"clerk"', policyId: 'erp.pay', place: 'policies/erp.cedar:1', failed }],
          },
        },
      },
    })
    expect(await ask('aisha', query, { input: [] })).toMatchObject({ body: failure('BAD_INPUT') })
    expect(await ask('aisha', query, { input: { amount: 1 } })).toMatchObject({ body: failure('BAD_INPUT') })
    const literal =
      '{ explain(agent: "clerk", operation: "erp.releasePayment", input: { vendorId: "v", amount: 1.5, __proto__: { x: 1 } }) { outcome } }'
    expect(await ask('aisha', literal)).toMatchObject({ body: failure('BAD_INPUT') })
  })

  test('near misses of a recorded call, with values where they are asked for and may be seen', async () => {
    const { callId } = await bed.ask({ amount: -7 })
    const query = `query ($payloads: Boolean!) { call(id: "${callId}") { decision { reasons { place } nearMisses(payloads: $payloads) { policyId failed { values } } } } }`
    const seen = (values: object) => ({
      body: { data: { call: { decision: { reasons: [], nearMisses: [{ policyId: 'erp.pay', failed: [{ values }] }] } } } },
    })
    expect(await ask('aisha', query, { payloads: true })).toMatchObject(seen({ 'context.input.amount': '-7.0' }))
    for (const name of ['olga', 'local']) expect((await ask(name, query, { payloads: true })).body).toEqual(seen({}).body)
  })

  test('tokens and credentials for the local operator only', async () => {
    const token = 'mutation { agentToken(agent: "clerk", subject: "maria") userToken(person: "raj") }'
    expect(await ask('local', token)).toMatchObject({
      body: { data: { agentToken: 'agent-token clerk maria', userToken: 'person-token raj' } },
    })
    expect(await ask('olga', token)).toMatchObject({ body: failure('FORBIDDEN') })
    const set = `mutation ($value: String) { setCredential(connector: "erp", credential: "main", kind: "header", header: "X-Key", value: $value, password: null) { version } }`
    expect(await ask('local', set, { value: 'abc' })).toMatchObject({ body: { data: { setCredential: { version: 1 } } } })
    const refused = await ask('local', set, { value: 'canary\n88' })
    expect(refused).toMatchObject({ body: failure('BAD_INPUT') })
    expect(JSON.stringify(refused.body)).not.toContain('canary')
  })
})

describe('bad input', () => {
  const signed = async (more: Record<string, string> = {}) => ({ authorization: `Bearer ${await tokenOf('olga')}`, ...more })
  const deep = `{ ${'a { '.repeat(1_500)} b ${'} '.repeat(1_500)} }`
  const doubled = `{ ...f0 } ${Array.from({ length: 14 }, (_, i) => `fragment f${i} on Query { ...f${i + 1} ...f${i + 1} }`).join(' ')} fragment f14 on Query { me { name } }`

  test.each([
    ['malformed JSON', '{"query":', {}, 400],
    ['duplicate keys', '{"query":"{ me { name } }","query":"{ agents { name } }"}', {}, 400],
    ['a batch', [{ query: '{ me { name } }' }], {}, 400],
    ['no query', {}, {}, 400],
    ['a number for a query', { query: 7 }, {}, 400],
    ['a syntax error', { query: '{' }, {}, 400],
    ['an unknown field', { query: '{ nothing }' }, {}, 400],
    ['depth 1500', { query: deep }, {}, 400],
    ['doubled fragments', { query: doubled }, {}, 400],
    ['a variable of a wrong type', { query: 'query ($f: Int) { holds(first: $f) { edges { cursor } } }', variables: { f: 'x' } }, {}, 400],
    ['a form', 'query={me{name}}', { 'content-type': 'application/x-www-form-urlencoded' }, 415],
    ['plain text', '{"query":"{ me { name } }"}', { 'content-type': 'text/plain' }, 415],
    ['a compressed body', '{}', { 'content-encoding': 'gzip' }, 415],
    ['an answer that nobody reads', { query: '{ me { name } }' }, { accept: 'image/png' }, 406],
    ['a body over the bound', JSON.stringify({ query: `{ me { name } } #${'x'.repeat(LIMITS.operatorBodyBytesMax)}` }), {}, 413],
  ])('%s', async (_title, body, headers, status) => {
    const answer = await post(body, await signed(headers as Record<string, string>))
    expect(answer.status).toBe(status)
    expect(answer.body).toMatchObject({ errors: [{ message: expect.any(String), extensions: { code: expect.any(String) } }] })
    expect(JSON.stringify(answer.body)).not.toMatch(/Did you mean|node_modules|stacktrace|\.ts:/)
  })

  test('GET reads and never changes', async () => {
    const { holdId } = await held()
    const get = async (query: string) => fetch(`${url}?query=${encodeURIComponent(query)}`, { headers: await signed() })
    expect((await get('{ me { name } }')).status).toBe(200)
    const refused = await get(`mutation { approveHold(id: "${holdId}") { state } }`)
    expect(refused.status).toBe(405)
    expect(refused.headers.get('allow')).toContain('POST')
    expect(await bed.storage.calls.votes(holdId)).toEqual([])
    expect((await fetch(url, { method: 'DELETE', headers: await signed() })).status).toBe(405)
  })

  test('what breaks inside is INTERNAL with nothing of the inside', async () => {
    broken = true
    const answer = await ask('olga', '{ policies { id } }')
    broken = false
    expect(answer).toMatchObject({ body: failure('INTERNAL') })
    expect(JSON.stringify(answer.body)).not.toContain('canary')
    expect(bed.logged).toContainEqual({ err: expect.objectContaining({ message: 'canary-9 stack of the inside' }) })
  })

  test('the answer is not kept by anybody on the way', async () => {
    const { headers } = await ask('olga', '{ me { name } }')
    expect(headers.get('cache-control')).toBe('no-store')
  })
})

test('graphql-http server audits: no error, at most three warnings', async () => {
  const authorization = `Bearer ${await tokenOf('olga')}`
  const fetchFn = (input: string, init: RequestInit = {}) => {
    const headers = new Headers(init.headers)
    headers.set('authorization', authorization)
    return fetch(input, { ...init, headers })
  }
  const results = await Promise.all(serverAudits({ url, fetchFn }).map((audit) => audit.fn()))
  expect(results.filter((result) => result.status === 'error').map((result) => result.name)).toEqual([])
  expect(results.filter((result) => result.status === 'warn').map((result) => result.name).length).toBeLessThanOrEqual(3)
  expect(results.length).toBeGreaterThan(50)
})
