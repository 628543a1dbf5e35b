import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { instant } from '../core/clock.ts'
import type { CallId } from '../core/ids.ts'
import type { Operator, OperatorUseCases } from '../ports/operator.ts'
import { type Bed, openBed } from './fixture-bed.ts'
import { as } from './fixture-organisation.ts'

let bed: Bed
let heldCall: CallId
let executed: CallId
let doubtful: CallId
beforeAll(async () => {
  bed = await openBed()
  heldCall = (await bed.ask({ amount: 7_000 })).callId
  executed = await bed.ran('completed', 10)
  doubtful = await bed.ran('in_doubt', 20)
})
afterAll(() => bed.close())

const code = (expected: string) => expect.objectContaining({ code: expected })
const NOW = instant(Date.now())
const PEOPLE = ['maria', 'olga', 'aisha', 'lee', 'local'] as const
const outcome = async (work: () => unknown): Promise<string> => {
  try {
    await work()
    return 'ok'
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error)
  }
}

/** For security and auditors alone. */
const AUDITS = ['FORBIDDEN', 'FORBIDDEN', 'ok', 'ok', 'FORBIDDEN'] as const

/** Who may do what: an approver, an operator, security, an auditor (who is in the approving group too), the local credential. */
test.each([
  ['list calls', (c: OperatorUseCases, by: Operator) => c.calls(by, {}, { first: 1 }), ['FORBIDDEN', 'ok', 'ok', 'ok', 'ok']],
  ['list holds', (c: OperatorUseCases, by: Operator) => c.holds(by, { orderBy: 'NEWEST' }, { first: 1 }), ['ok', 'ok', 'ok', 'ok', 'ok']],
  ['list agents', (c: OperatorUseCases, by: Operator) => c.agents(by), ['FORBIDDEN', 'ok', 'ok', 'ok', 'ok']],
  ['look at an agent', (c: OperatorUseCases, by: Operator) => c.agent(by, 'clerk'), ['FORBIDDEN', 'ok', 'ok', 'ok', 'ok']],
  ['list connectors', (c: OperatorUseCases, by: Operator) => c.connectors(by), ['FORBIDDEN', 'ok', 'ok', 'ok', 'ok']],
  ['list operations', (c: OperatorUseCases, by: Operator) => c.operations(by, undefined), ['FORBIDDEN', 'ok', 'ok', 'ok', 'ok']],
  ['list policies', (c: OperatorUseCases, by: Operator) => c.policies(by), ['FORBIDDEN', 'ok', 'ok', 'ok', 'ok']],
  ["read a policy's text", (c: OperatorUseCases, by: Operator) => c.policyText(by, 'erp.large'), ['ok', 'ok', 'ok', 'ok', 'ok']],
  [
    'read metrics',
    (c: OperatorUseCases, by: Operator) => c.callMetrics(by, { since: NOW }, 'TOTAL', {}, 1),
    ['FORBIDDEN', 'ok', 'ok', 'ok', 'ok'],
  ],
  ['read exceptions', (c: OperatorUseCases, by: Operator) => c.exceptions(by, { since: NOW }, 1), ['FORBIDDEN', 'ok', 'ok', 'ok', 'ok']],
  ['list entries', (c: OperatorUseCases, by: Operator) => c.entries(by, {}, { first: 1 }), AUDITS],
  ['see who looked', (c: OperatorUseCases, by: Operator) => c.views(by, {}, { first: 1 }), AUDITS],
  ['look at a run', (c: OperatorUseCases, by: Operator) => c.run(by, 'r'), ['FORBIDDEN', 'ok', 'ok', 'ok', 'ok']],
  [
    'draw calls',
    (c: OperatorUseCases, by: Operator) => c.sample(by, { first: 1, seed: 's', filter: {} }),
    ['FORBIDDEN', 'ok', 'ok', 'ok', 'ok'],
  ],
  [
    'explain',
    (c: OperatorUseCases, by: Operator) => c.explain(by, 'clerk', 'erp.releasePayment', { vendorId: 'v', amount: 1 }, undefined),
    ['FORBIDDEN', 'ok', 'ok', 'ok', 'FORBIDDEN'],
  ],
  [
    'start a run',
    (c: OperatorUseCases, by: Operator) => c.startRun(by, 'clerk', 'maria'),
    ['FORBIDDEN', 'ok', 'ok', 'FORBIDDEN', 'FORBIDDEN'],
  ],
  [
    'suspend',
    (c: OperatorUseCases, by: Operator) => c.setAgentStatus(by, 'intern', 'suspend', 'x'),
    ['FORBIDDEN', 'ok', 'ok', 'FORBIDDEN', 'ok'],
  ],
  [
    'mint an agent token',
    (c: OperatorUseCases, by: Operator) => c.mintAgentToken(by, 'clerk', undefined),
    ['FORBIDDEN', 'FORBIDDEN', 'FORBIDDEN', 'FORBIDDEN', 'ok'],
  ],
  [
    'mint a person token',
    (c: OperatorUseCases, by: Operator) => c.mintPersonToken(by, 'maria'),
    ['FORBIDDEN', 'FORBIDDEN', 'FORBIDDEN', 'FORBIDDEN', 'ok'],
  ],
  [
    'make a link to sign in',
    (c: OperatorUseCases, by: Operator) => c.mintSignInLink(by, 'maria'),
    ['FORBIDDEN', 'FORBIDDEN', 'FORBIDDEN', 'FORBIDDEN', 'ok'],
  ],
  [
    'set a credential',
    (c: OperatorUseCases, by: Operator) => c.setCredential(by, 'erp', 'main', { kind: 'query', parameter: 'key', value: 'v' }),
    ['FORBIDDEN', 'FORBIDDEN', 'FORBIDDEN', 'FORBIDDEN', 'ok'],
  ],
  [
    'resolve a call that is not in doubt',
    (c: OperatorUseCases, by: Operator) => c.resolveCall(by, executed, 'HAPPENED', 'seen'),
    ['FORBIDDEN', 'CALL_NOT_IN_DOUBT', 'CALL_NOT_IN_DOUBT', 'FORBIDDEN', 'FORBIDDEN'],
  ],
] as const)('roles: %s', async (_title, verb, expected) => {
  const got: string[] = []
  for (const name of PEOPLE) got.push(await outcome(() => verb(bed.cases, as(name))))
  expect(got).toEqual(expected)
})

describe('payloads', () => {
  test.each([
    ['an approver of the hold', 'maria', true],
    ['security', 'aisha', true],
    ['an auditor', 'lee', true],
    ['an operator', 'olga', false],
    ["the agent's owner, though in the group", 'paul', false],
    ['the local credential', 'local', false],
    ['an approver of something else', 'chen', false],
  ])('%s', async (_title, name, may) => {
    const call = await bed.storage.calls.call(heldCall)
    if (!call) throw new Error('no call')
    const before = (await bed.entries(heldCall)).filter((body) => body.kind === 'view').length
    expect(await bed.cases.mayViewPayload(as(name), call)).toBe(may)
    const after = (await bed.entries(heldCall)).filter((body) => body.kind === 'view')
    expect(after.length).toBe(before + (may ? 1 : 0))
    if (may) expect(after.at(-1)).toEqual({ kind: 'view', by: name, what: 'payload' })
  })

  test('a call without a hold is for security and auditors', async () => {
    const call = await bed.storage.calls.call(executed)
    if (!call) throw new Error('no call')
    expect(await bed.cases.mayViewPayload(as('maria'), call)).toBe(false)
    expect(await bed.cases.mayViewPayload(as('aisha'), call)).toBe(true)
  })

  test('the trail has arguments and facts only where they are asked for and may be seen', async () => {
    const decisionOf = async (name: string, payloads: boolean) => {
      const body = (await bed.cases.trail(as(name), heldCall, payloads)).find((entry) => entry.body.kind === 'decision')?.body
      if (body?.kind !== 'decision') throw new Error('no decision')
      return body
    }
    expect((await decisionOf('aisha', true)).request.input).toEqual({ vendorId: 'v-7', amount: 7_000 })
    expect(Object.keys((await decisionOf('aisha', true)).decision.evidence.request)).not.toEqual([])
    for (const [name, payloads] of [
      ['aisha', false],
      ['olga', true],
      ['local', true],
    ] as const) {
      const body = await decisionOf(name, payloads)
      expect([body.request.input, body.decision.evidence.request]).toEqual([{}, {}])
      expect(body.decision.verdict.effect).toBe('hold')
    }
  })
})

test("a call is found by readers and by those who are asked about it; others' calls look like none", async () => {
  expect(await bed.cases.call(as('maria'), heldCall)).toMatchObject({ id: heldCall })
  expect(await bed.cases.call(as('olga'), executed)).toMatchObject({ id: executed })
  expect(await bed.cases.call(as('chen'), heldCall)).toBeUndefined()
  expect(await bed.cases.call(as('maria'), executed)).toBeUndefined()
  await expect(bed.cases.trail(as('maria'), executed, false)).rejects.toEqual(code('NOT_FOUND'))
})

test('what a call is about is told to those alone who may see the call', async () => {
  expect(await bed.cases.objectOf(as('olga'), executed)).toBeNull()
  await expect(bed.cases.objectOf(as('maria'), executed)).rejects.toEqual(code('NOT_FOUND'))
})

test('the newest equal call that was executed', async () => {
  const first = await bed.ran('completed', 500)
  bed.recorder.delivered(first)
  const { callId } = await bed.ask({ amount: 9_500 })
  const held = await bed.storage.calls.call(callId)
  if (!held) throw new Error('no call')
  expect(await bed.cases.equalCall(as('maria'), held)).toBeUndefined()
  expect(await bed.cases.equalCall(as('maria'), { ...held, input: { vendorId: 'v-7', amount: 500 } })).toMatchObject({ id: first })
})

describe('resolving', () => {
  test.each([
    ['the owner', 'paul', 'seen at the bank', 'NOT_ELIGIBLE'],
    ['without evidence', 'olga', '  ', 'BAD_INPUT'],
    ['too much of it', 'olga', 'x'.repeat(2_001), 'BAD_INPUT'],
  ])('refused: %s', async (_title, name, evidence, expected) => {
    await expect(bed.cases.resolveCall(as(name), doubtful, 'HAPPENED', evidence)).rejects.toEqual(code(expected))
    expect(await bed.storage.calls.call(doubtful)).toMatchObject({ state: 'in_doubt' })
  })

  test.each([
    ['olga', null],
    ['aisha', null],
    ['paul', /needs an operator or security|owner/],
    ['maria', /needs an operator or security/],
    ['lee', /needs an operator or security/],
  ])('%s is told before they try whether they may', async (name, why) => {
    const call = await bed.storage.calls.call(doubtful)
    if (!call) throw new Error('no call')
    const told = bed.cases.whyNotResolve(as(name), call)
    if (why === null) expect(told).toBeNull()
    else expect(told).toMatch(why)
  })

  test('ends a call in doubt, once', async () => {
    const tries = await Promise.allSettled(
      (['HAPPENED', 'DID_NOT_HAPPEN'] as const).map((effect) => bed.cases.resolveCall(as('olga'), doubtful, effect, 'seen at the bank')),
    )
    expect(tries.map((t) => t.status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(tries.find((t) => t.status === 'rejected')).toMatchObject({ reason: { code: 'CALL_NOT_IN_DOUBT' } })
    const resolved = (await bed.entries(doubtful)).filter((body) => body.kind === 'resolved')
    expect(resolved).toMatchObject([{ by: 'olga', evidence: 'seen at the bank' }])
  })
})

describe('agents', () => {
  test('a suspension is durable, raises the epoch, and says how long it took; a repeat changes nothing', async () => {
    const before = bed.registry.agent('clerk')
    const { agent, effectiveAfterMs } = await bed.cases.setAgentStatus(as('aisha'), 'clerk', 'suspend', 'odd payments')
    expect(agent).toMatchObject({ status: 'suspended', epoch: (before?.epoch ?? 0) + 1 })
    expect(effectiveAfterMs).toBeGreaterThanOrEqual(0)
    expect(await bed.cases.setAgentStatus(as('olga'), 'clerk', 'suspend', undefined)).toMatchObject({
      agent: { epoch: agent.epoch },
      effectiveAfterMs: 0,
    })
    expect(await bed.cases.setAgentStatus(as('local'), 'clerk', 'reinstate', undefined)).toMatchObject({
      agent: { status: 'active', epoch: agent.epoch + 1 },
    })
    expect(await bed.notes('agent.changed')).toContainEqual(expect.objectContaining({ agent: 'clerk', by: 'aisha', epoch: agent.epoch }))
  })

  test.each([
    ['nobody', 'NOT_FOUND'],
    ['gone', 'BAD_INPUT'],
  ])('%s cannot be reinstated', async (name, expected) => {
    await expect(bed.cases.setAgentStatus(as('olga'), name, 'reinstate', undefined)).rejects.toEqual(code(expected))
  })
})

describe('near misses of a recorded call', () => {
  const SENTENCE = '`context.input.amount.greaterThan(decimal("0.0"))` is not true'

  test('name what was missing; values of arguments are for those who may see payloads, and the look is recorded', async () => {
    const { callId } = await bed.ask({ amount: -5 })
    const seen = async (name: string, payloads: boolean) => await bed.cases.nearMisses(as(name), callId, payloads)
    const looks = async () => (await bed.entries(callId)).filter(({ kind }) => kind === 'view').length
    const open = [{ sentence: SENTENCE, looked: {}, payload: { 'context.input.amount': '-5.0' } }]
    expect(await seen('aisha', true)).toMatchObject([{ principal: 'Gatehouse::Agent::"clerk"', policy: { id: 'erp.pay' }, failed: open }])
    expect(await looks()).toBe(1)
    for (const [name, payloads] of [
      ['aisha', false],
      ['olga', true],
      ['local', true],
    ] as const) {
      expect(await seen(name, payloads)).toMatchObject([{ failed: [{ sentence: SENTENCE, looked: {}, payload: {} }] }])
    }
    expect(await looks()).toBe(1)
  })

  test('are null for a call that was decided otherwise, and for nobody who may not see the call', async () => {
    expect(await bed.cases.nearMisses(as('aisha'), heldCall, false)).toBeNull()
    await expect(bed.cases.nearMisses(as('maria'), executed, false)).rejects.toEqual(code('NOT_FOUND'))
  })
})

describe('explaining', () => {
  test('says which permit was near', async () => {
    const { decision, nearMisses } = await bed.cases.explain(
      as('olga'),
      'clerk',
      'erp.releasePayment',
      { vendorId: 'v', amount: -1 },
      undefined,
      {},
    )
    expect(decision.verdict).toMatchObject({ effect: 'deny', reason: 'no_permit' })
    expect(nearMisses).toMatchObject([{ policy: { id: 'erp.pay' }, failed: [{ payload: { 'context.input.amount': '-1.0' } }] }])
  })

  test('decides as policy would, executes and holds nothing, and is recorded', async () => {
    const input = { vendorId: 'v', amount: 1_000.5 }
    const { decision, policies } = await bed.cases.explain(as('aisha'), 'clerk', 'erp.releasePayment', input, undefined)
    expect(decision.verdict).toMatchObject({ effect: 'hold', policies: ['erp.large'] })
    expect(policies.map(({ id }) => id)).toEqual(['erp.large'])
    expect((await bed.notes('explained')).at(-1)).toMatchObject({
      by: 'aisha',
      request: { agent: 'clerk', input },
      decision: { verdict: { effect: 'hold' } },
    })
  })

  test.each([
    ['an unknown agent', 'nobody', 'erp.releasePayment', {}, 'NOT_FOUND'],
    ['an unknown operation', 'clerk', 'erp.payAll', {}, 'NOT_FOUND'],
    ['a prototype name', 'clerk', '__proto__', {}, 'NOT_FOUND'],
    ['a missing argument', 'clerk', 'erp.releasePayment', { vendorId: 'v' }, 'BAD_INPUT'],
    ['an undeclared argument', 'clerk', 'erp.releasePayment', { vendorId: 'v', amount: 1, more: 1 }, 'BAD_INPUT'],
  ])('refused: %s', async (_title, agent, operation, input, expected) => {
    await expect(bed.cases.explain(as('aisha'), agent, operation, input, undefined)).rejects.toEqual(code(expected))
  })
})

describe('facts that are given for an explanation', () => {
  test.each([
    ['another name', { derived: {} }],
    ['history that is no object', { history: [] }],
    ['labels that are no list', { labels: 'pii' }],
    ['findings that are no texts', { findings: [1] }],
  ])('refused: %s', async (_title, facts) => {
    const input = { vendorId: 'v', amount: 1 }
    await expect(bed.cases.explain(as('aisha'), 'clerk', 'erp.releasePayment', input, undefined, facts)).rejects.toEqual(code('BAD_INPUT'))
  })
})

describe('a run that somebody starts', () => {
  test('is in the record', async () => {
    const run = await bed.cases.startRun(as('olga'), 'clerk', 'maria')
    expect(run).toMatch(/^run_[0-9a-z]{26}$/)
    expect((await bed.notes('run.started')).at(-1)).toEqual({ kind: 'run.started', run, agent: 'clerk', subject: 'maria', by: 'olga' })
  })

  test.each([
    ['an unknown agent', 'nobody', 'maria', 'NOT_FOUND'],
    ['a subject that is none', 'clerk', 'a b', 'BAD_INPUT'],
  ])('refused: %s', async (_title, agent, subject, expected) => {
    await expect(bed.cases.startRun(as('olga'), agent, subject)).rejects.toEqual(code(expected))
  })
})

describe('development tokens', () => {
  test('are recorded, without the token', async () => {
    expect(await bed.cases.mintAgentToken(as('local'), 'intern', 'maria')).toBe('agent-token intern maria')
    expect(await bed.cases.mintPersonToken(as('local'), 'raj')).toBe('person-token raj')
    expect(await bed.notes('agent.token')).toContainEqual({ kind: 'agent.token', agent: 'intern', by: 'local', subject: 'maria' })
    expect(await bed.notes('person.token')).toContainEqual({ kind: 'person.token', person: 'raj', by: 'local' })
  })

  test('are refused without a development issuer, and for strangers', async () => {
    await expect(bed.production.mintAgentToken(as('local'), 'clerk', undefined)).rejects.toEqual(code('FORBIDDEN'))
    await expect(bed.production.mintPersonToken(as('local'), 'maria')).rejects.toEqual(code('FORBIDDEN'))
    await expect(bed.cases.mintAgentToken(as('local'), 'nobody', undefined)).rejects.toEqual(code('NOT_FOUND'))
    await expect(bed.cases.mintAgentToken(as('local'), 'clerk', 'a b')).rejects.toEqual(code('BAD_INPUT'))
    await expect(bed.cases.mintPersonToken(as('local'), 'nobody')).rejects.toEqual(code('NOT_FOUND'))
  })
})

describe('credentials', () => {
  test.each([
    [{ kind: 'header', header: 'X-Api-Key', value: 'Bearer abc' }, { 'x-api-key': 'Bearer abc' }, {}],
    [
      { kind: 'basic', username: 'gate', password: 'p:ss wörd' },
      { authorization: `Basic ${Buffer.from('gate:p:ss wörd').toString('base64')}` },
      {},
    ],
    [{ kind: 'query', parameter: 'key', value: 'a&b' }, {}, { key: 'a&b' }],
  ])('seals %o, recorded without its value', async (value, headers, query) => {
    const { version } = await bed.cases.setCredential(as('local'), 'erp', 'main', value)
    const lease = await bed.vault.lease('erp', 'main')
    const lower = Object.fromEntries(Object.entries(lease.headers()).map(([name, text]) => [name.toLowerCase(), text]))
    expect([lower, lease.query(), lease.version]).toEqual([headers, query, version])
    expect((await bed.notes('credential.set')).at(-1)).toEqual({
      kind: 'credential.set',
      connector: 'erp',
      credential: 'main',
      version,
      by: 'local',
    })
  })

  const SECRET = 'canary-77'
  test.each([
    ['no connector', 'hr', 'main', { kind: 'header', header: 'a', value: SECRET }, 'NOT_FOUND'],
    ['a bad name', 'erp', '../main', { kind: 'header', header: 'a', value: SECRET }, 'BAD_INPUT'],
    ['no kind', 'erp', 'main', { value: SECRET }, 'BAD_INPUT'],
    ['a kind of the prototype', 'erp', 'main', { kind: 'constructor', value: SECRET }, 'BAD_INPUT'],
    ['a line break', 'erp', 'main', { kind: 'header', header: 'a', value: `${SECRET}\r\nx: y` }, 'BAD_INPUT'],
    ['a header that is none', 'erp', 'main', { kind: 'header', header: 'a b', value: SECRET }, 'BAD_INPUT'],
    ['a colon in the user name', 'erp', 'main', { kind: 'basic', username: 'a:b', password: SECRET }, 'BAD_INPUT'],
    ['a member too many', 'erp', 'main', { kind: 'query', parameter: 'k', value: SECRET, header: 'x' }, 'BAD_INPUT'],
    ['a missing member', 'erp', 'main', { kind: 'basic', username: SECRET }, 'BAD_INPUT'],
    ['an empty value', 'erp', 'main', { kind: 'query', parameter: 'k', value: '' }, 'BAD_INPUT'],
    ['too long a value', 'erp', 'main', { kind: 'query', parameter: 'k', value: SECRET.repeat(1_000) }, 'BAD_INPUT'],
  ])('refuses %s, without saying the value', async (_title, connector, name, value, expected) => {
    const before = await bed.vault.list()
    const refused = bed.cases.setCredential(as('local'), connector, name, value)
    await expect(refused).rejects.toEqual(code(expected))
    await expect(refused).rejects.not.toThrow(SECRET)
    expect(await bed.vault.list()).toEqual(before)
  })
})

test('a refusal is recorded and counted; where the record is away it stands all the same', async () => {
  const refusal = { code: 'UNAUTHENTICATED' as const, message: 'the token has expired' }
  await bed.cases.refused(refusal)
  expect(await bed.notes('refused')).toContainEqual(expect.objectContaining({ door: 'operator', code: 'UNAUTHENTICATED', agent: null }))
  expect(bed.counted).toContainEqual({ name: 'refused', door: 'operator', code: 'UNAUTHENTICATED' })
  const closed = await openBed()
  await closed.recorder.close()
  await closed.cases.refused(refusal)
  expect(closed.logged).toContainEqual(expect.objectContaining({ code: 'UNAUTHENTICATED' }))
  await closed.close()
})
