import type { Instant } from '../core/clock.ts'
import type { EntryBody, EntryKind } from '../core/entry.ts'
import type { CallId, OperationId } from '../core/ids.ts'

/** Stands in what is payload, and nowhere else. */
const CANARY = 'canary'

export const CALL = {
  id: 'call_00000001' as CallId,
  agent: 'clerk',
  subject: 'sam',
  operation: 'erp.createPayment' as OperationId,
  operationVersion: 'v1',
}

const request = {
  ...{ door: 'http', agent: 'clerk', agentEpoch: 1, owner: 'paul', subject: null, issuer: 'https://issuer.example', actors: ['clerk'] },
  ...{ operation: CALL.operation, operationVersion: 'v1', input: { to: CANARY }, asserted: { rationale: CANARY }, traceId: null },
}
const evidence = { policySet: 'set', engine: 'test', request: { to: CANARY }, shadow: [] }
const decision = (verdict: object) => ({ kind: 'decision', request, decision: { verdict, evidence }, release: null })
const outcome = (rest: object) => ({
  kind: 'outcome',
  intent: 'intent_1',
  outcome: { upstreamStatus: null, error: null, resultDigest: null, resultBytes: 0, upstreamMs: 3, ...rest },
})
const terms = { arguments: [{ pointer: '/to', allows: { kind: 'exactly', value: CANARY } }], maxUses: 3, totals: [], until: 1, by: 'maria' }
const hold = {
  id: 'hold_1',
  callId: CALL.id,
  state: 'open',
  matched: [],
  excluded: { people: [CANARY], unknown: [] },
  nonce: CANARY,
  gives: terms,
}
const policies = { policySet: 'set', base: 'before', by: 'olga' }

/** Bodies of each kind, as the record has them. */
export const BODIES = {
  decision: [
    decision({ effect: 'permit', policies: ['erp.pay'] }),
    decision({ effect: 'hold', policies: ['erp.ask'], holds: [] }),
    decision({ effect: 'deny', policies: [], reason: 'forbidden' }),
  ],
  explained: [{ kind: 'explained', by: 'olga', request, decision: { verdict: { effect: 'permit', policies: ['erp.pay'] }, evidence } }],
  intent: [{ kind: 'intent', intent: 'intent_1', agentEpoch: 1, policySet: 'set', consumes: null }],
  outcome: [
    outcome({ kind: 'completed', upstreamStatus: 201 }),
    outcome({ kind: 'in_doubt', error: { code: 'UPSTREAM_TIMEOUT', message: 'the system did not answer' } }),
    outcome({ kind: 'not_sent', error: { code: 'UPSTREAM', message: 'no way there' } }),
  ],
  cancelled: [{ kind: 'cancelled', by: 'clerk', why: 'not needed any more' }],
  lapsed: [{ kind: 'lapsed', process: 'p0' }],
  resolved: [{ kind: 'resolved', by: 'olga', effect: 'DID_NOT_HAPPEN', evidence: CANARY }],
  refused: [
    { kind: 'refused', door: 'http', agent: null, asked: null, code: 'UNAUTHENTICATED', message: 'a token is needed', faults: [] },
    { kind: 'refused', door: 'mcp', agent: 'clerk', asked: 'erp_fly', code: 'NOT_FOUND', message: 'no such operation', faults: [] },
  ],
  account: [
    {
      ...{ kind: 'account', traceId: 'a'.repeat(32), agent: 'clerk', subject: 'sam', count: 1, masked: ['credential'] },
      ...{ dropped: { spans: 0, attributes: 0, texts: 0 }, told: [{ id: 'b'.repeat(16), name: CANARY }] },
    },
  ],
  view: [{ kind: 'view', by: 'lee', what: 'payload' }],
  erased: [{ kind: 'erased', calls: [CALL.id], by: 'olga', why: 'asked for', entries: 3 }],
  'log.pruned': [
    {
      kind: 'log.pruned',
      floor: 512,
      entries: 256,
      newest: 1_700_000_000_000 as Instant,
      lastCall: CALL.id,
      processes: [{ process: 'p1', seq: 300 }],
      checkpoint: { size: 900, root: 'cm9vdA==' },
      by: 'gatehouse',
      why: 'retention',
    },
  ],
  'log.restored': [
    { kind: 'log.restored', from: { size: 900, root: 'cm9vdA==' }, to: { size: 400, root: 'cm9vdA==' }, by: 'local', why: 'disk lost' },
  ],
  labelled: [{ kind: 'labelled', agent: 'clerk', subject: null, run: null, labels: ['untrusted'] }],
  'run.started': [{ kind: 'run.started', run: 'run_1', agent: 'clerk', subject: null, by: 'olga' }],
  'hold.opened': [{ kind: 'hold.opened', hold }],
  'hold.changed': [
    { kind: 'hold.changed', hold: 'hold_1', from: 'open', to: 'approved', by: 'maria' },
    { kind: 'hold.changed', hold: 'hold_1', from: 'open', to: 'denied', by: 'gatehouse', why: 'policy changed' },
  ],
  'hold.escalated': [{ kind: 'hold.escalated', hold: 'hold_1', step: 1, to: 'chiefs', seats: [], notify: [] }],
  'hold.expiring': [{ kind: 'hold.expiring', hold: 'hold_1', expiresAt: 1 }],
  'hold.edited': [
    { kind: 'hold.edited', hold: 'hold_1', by: 'maria', comment: CANARY, changes: [{ pointer: '/to', from: CANARY, to: CANARY }] },
  ],
  vote: [{ kind: 'vote', hold: 'hold_1', voter: 'maria', verdict: 'approve', comment: CANARY, digest: 'd' }],
  'grant.proposed': [{ kind: 'grant.proposed', hold: 'hold_2', replaces: 'hold_1', by: 'maria', comment: CANARY, gives: terms }],
  'grant.opened': [{ kind: 'grant.opened', grant: { ...terms, id: 'grant_1', givers: ['maria', 'olga'] } }],
  'grant.used': [{ kind: 'grant.used', grant: 'grant_1', use: 1, amounts: [] }],
  'grant.revoked': [{ kind: 'grant.revoked', grant: 'grant_1', by: 'maria', why: 'no more' }],
  'grant.died': [{ kind: 'grant.died', grant: 'grant_1', why: 'its policy changed' }],
  'grant.break_glass': [
    { kind: 'grant.break_glass', id: 'glass_1', hold: 'hold_1', by: 'olga', reason: 'the plant stands still', until: 1, reviewDue: 2 },
  ],
  'grant.review_lapsed': [{ kind: 'grant.review_lapsed', id: 'glass_1', by: 'gatehouse' }],
  'grant.reviewed': [{ kind: 'grant.reviewed', id: 'glass_1', by: 'sue', verdict: 'justified', comment: 'seen' }],
  'notice.sent': [{ kind: 'notice.sent', notice: 'hold.opened', person: 'maria', channel: 'mail', hold: 'hold_1', attempt: 1 }],
  'notice.given_up': [
    {
      kind: 'notice.given_up',
      notice: 'hold.opened',
      person: 'maria',
      channel: 'mail',
      hold: null,
      attempt: 10,
      why: '10 attempts failed',
    },
  ],
  'agent.changed': [
    { kind: 'agent.changed', agent: 'clerk', by: 'files', change: 'registered, status active', epoch: 1, status: 'active', attributes: {} },
    { kind: 'agent.changed', agent: 'clerk', by: 'olga', change: 'status suspended: odd', epoch: 2, status: 'suspended', why: 'odd' },
    { kind: 'agent.changed', agent: 'clerk', by: 'olga', change: 'status retired', epoch: 3, status: 'retired' },
    { kind: 'agent.changed', agent: 'clerk', by: 'files', change: 'roles', epoch: 4 },
  ],
  'agent.token': [{ kind: 'agent.token', agent: 'clerk', by: 'local', subject: null }],
  'person.token': [{ kind: 'person.token', person: 'maria', by: 'local' }],
  'person.link': [{ kind: 'person.link', person: 'maria', by: 'local' }],
  'person.session': [
    { kind: 'person.session', person: 'maria', change: 'signed_in' },
    { kind: 'person.session', person: 'maria', change: 'signed_out' },
  ],
  'credential.set': [{ kind: 'credential.set', connector: 'erp', credential: 'key', version: 1, by: 'local' }],
  'connector.drift_found': [{ kind: 'connector.drift_found', connector: 'erp', drift: [] }],
  'connector.drift_reviewed': [{ kind: 'connector.drift_reviewed', connector: 'erp', subjects: [] }],
  'connector.drift_gone': [{ kind: 'connector.drift_gone', connector: 'erp', subjects: [] }],
  'playbook.served': [{ kind: 'playbook.served', playbook: 'refund', version: '1', digest: 'd', schema: 's' }],
  'policy.proposed': [{ kind: 'policy.proposed', proposal: 'proposal_1', change: 'publish', note: 'as agreed', ...policies }],
  'policy.reviewed': [{ kind: 'policy.reviewed', proposal: 'proposal_1', policySet: 'set', by: 'olga', verdict: 'approve', comment: null }],
  'policy.activated': [{ kind: 'policy.activated', source: 'review', proposal: 'proposal_1', why: null, policies: {}, ...policies }],
  'policy.rolled_back': [{ kind: 'policy.rolled_back', why: 'too strict', proposal: null, emergency: true, ...policies }],
  'policy.refused': [
    { kind: 'policy.refused', change: 'publish', code: 'BAD_INPUT', message: 'faulty', faults: [], ...policies },
    { kind: 'policy.refused', change: 'files', code: 'BAD_INPUT', message: 'faulty', faults: [], ...policies, policySet: null },
  ],
} as unknown as Readonly<Record<EntryKind, readonly EntryBody[]>>
