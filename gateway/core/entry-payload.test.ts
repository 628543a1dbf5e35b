import { expect, test } from 'vitest'
import type { EntryBody } from './entry.ts'
import { payloadOf, shortened, withoutPayload, withPayload } from './entry-payload.ts'

const MARK = 'personal'

const request = {
  door: 'http',
  agent: 'clerk',
  agentEpoch: 1,
  owner: 'paul',
  subject: null,
  issuer: 'https://issuer.example',
  actors: [],
  operation: 'erp.pay',
  operationVersion: 'v',
  input: { to: MARK },
  asserted: { rationale: MARK, run: 'run_1', decisionRecord: { playbook: 'p', version: '1', outcome: MARK } },
  traceId: null,
}
const decision = {
  verdict: { effect: 'permit', policies: ['p'] },
  evidence: {
    policySet: 's',
    engine: 'e',
    request: { context: { input: { to: MARK } } },
    shadow: [],
    lookups: [
      { fact: 'vendor', operation: 'erp.get', fields: { name: MARK }, digest: 'd', error: null },
      { fact: 'other', operation: 'erp.get', fields: null, digest: null, error: 'away' },
    ],
  },
}

const BODIES = [
  { kind: 'decision', request, decision, release: null, reserves: [{ key: 'k', amount: '1.0' }] },
  { kind: 'explained', by: 'aisha', request, decision },
  {
    kind: 'decision',
    request: { ...request, asserted: {} },
    decision: { ...decision, evidence: { ...decision.evidence, lookups: undefined } },
    release: 'hold_1',
  },
  { kind: 'hold.opened', hold: { id: 'hold_1', nonce: MARK, excluded: { people: [MARK], unknown: [] } } },
  {
    kind: 'hold.opened',
    hold: {
      id: 'hold_2',
      nonce: MARK,
      excluded: { people: [], unknown: [] },
      gives: { maxUses: 2, arguments: [{ pointer: '/to', allows: { kind: 'exactly', value: MARK } }] },
    },
  },
  { kind: 'grant.proposed', hold: 'hold_2', replaces: 'hold_1', by: 'maria', comment: MARK, gives: null },
  { kind: 'grant.opened', grant: { id: 'grant_1', arguments: [{ pointer: '/to', allows: { kind: 'exactly', value: MARK } }] } },
  { kind: 'hold.edited', hold: 'hold_1', by: 'maria', comment: MARK, changes: [{ pointer: '/to', from: MARK, to: `${MARK}2` }] },
  { kind: 'vote', hold: 'hold_1', voter: 'maria', verdict: 'approve', comment: MARK, digest: 'd' },
  {
    ...{ kind: 'account', traceId: 'a'.repeat(32), agent: 'clerk', subject: null, count: 1, masked: [] },
    ...{ dropped: { spans: 0, attributes: 0, texts: 0 }, told: [{ id: 'b'.repeat(16), name: MARK, messages: [{ text: MARK }] }] },
  },
  { kind: 'resolved', by: 'olga', effect: 'HAPPENED', evidence: MARK },
] as unknown as EntryBody[]

test.each(BODIES.map((body) => [body.kind, body] as const))(
  '%s: what is left has nothing of the payload, and both together are the entry',
  (_kind, body) => {
    const bare = withoutPayload(body)
    const payload = payloadOf(body)
    expect(JSON.stringify(bare)).not.toContain(MARK)
    expect(payload).not.toBeNull()
    const stored = JSON.parse(JSON.stringify({ bare, payload }))
    expect(withPayload(stored.bare, stored.payload)).toEqual(JSON.parse(JSON.stringify(body)))
  },
)

test('an entry of another kind has none', () => {
  const body: EntryBody = { kind: 'lapsed', process: 'p1' }
  expect([payloadOf(body), withoutPayload(body)]).toEqual([null, body])
})

test('an entry that is too long keeps its shape', () => {
  const policies = Array.from({ length: 5_000 }, (_, at) => `policy-${at}`)
  const body = {
    kind: 'decision',
    request,
    decision: { ...decision, verdict: { effect: 'permit', policies } },
    release: null,
  } as unknown as EntryBody
  const short = shortened(withoutPayload(body))
  expect(short).toMatchObject({
    kind: 'decision',
    request: { agent: 'clerk', input: {} },
    decision: { verdict: { effect: 'permit', policies: [] } },
  })
  expect(
    shortened({ kind: 'policy.activated', policies: Object.fromEntries(policies.map((id) => [id, 'hash'])), by: 'x'.repeat(2_000) }),
  ).toEqual({
    kind: 'policy.activated',
    policies: {},
    by: '',
  })
})
