import type { Call } from '../core/call.ts'
import { instant } from '../core/clock.ts'
import { NOBODY_EXCLUDED } from '../core/exclusion.ts'
import { type Hold, PLAIN_TERMS } from '../core/hold.ts'
import type { CallId, HoldId, OperationId } from '../core/ids.ts'
import type { JsonObject } from '../core/json.ts'
import { visibleJson } from '../core/visible-text.ts'
import type { Message } from './message.ts'

const AT = instant(Date.UTC(2026, 10, 23, 12, 0, 0))

export const call = (more: Partial<Call> = {}): Call => ({
  id: 'call_00000001' as CallId,
  door: 'mcp',
  agent: 'invoice-clerk',
  owner: 'olga',
  issuer: 'https://gatehouse.example',
  actors: ['invoice-clerk'],
  connector: 'erp',
  operation: 'erp.createPayment' as OperationId,
  operationVersion: 'v1',
  input: { amount: 3_200 },
  rationale: 'the invoice is due',
  run: null,
  subject: 'sam',
  traceId: null,
  edit: null,
  state: 'held',
  denyReason: null,
  policies: ['payments-large'],
  holdId: 'hold_00000001' as HoldId,
  upstreamStatus: null,
  upstreamMs: null,
  error: null,
  result: null,
  resultKept: 'none',
  delivered: false,
  createdAt: AT,
  updatedAt: AT,
  ...more,
})

export const hold = (more: Partial<Hold> = {}): Hold => ({
  id: 'hold_00000001' as HoldId,
  callId: 'call_00000001' as CallId,
  state: 'open',
  matched: [
    {
      policyId: 'payments-large',
      policyHash: 'b'.repeat(64),
      approval: 'finance',
      reason: 'Payments above 1,000 need a second pair of eyes',
    },
  ],
  ...PLAIN_TERMS,
  requires: [{ group: 'finance-managers', count: 1, standIns: ['cfo-office'] }],
  escalated: 0,
  excluded: NOBODY_EXCLUDED,
  approvalVersions: {},
  digest: 'd'.repeat(64),
  nonce: 'n',
  expiresAt: instant(AT + 4 * 3_600_000),
  createdAt: AT,
  decidedAt: null,
  ...more,
})

/** A notice of an opened hold with these arguments. */
export function message(more: Partial<Message> = {}, input?: JsonObject): Message {
  const about = { hold: hold(), call: call(input ? { input } : {}) }
  return {
    id: 'notice_0123456789abcdef',
    kind: 'hold.opened',
    recipient: 'maria',
    asked: true,
    at: AT,
    now: instant(AT + 61_000),
    body: { kind: 'hold.opened', hold: about.hold },
    about,
    arguments: input ? visibleJson(input) : null,
    link: 'https://gatehouse.example/notice#secret',
    ...more,
  }
}
