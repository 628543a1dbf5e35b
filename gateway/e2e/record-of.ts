import type { Bed } from './harness.ts'
import { type Fields, fields, items } from './send.ts'

const QUERY = `query ($id: ID!) {
  call(id: $id) {
    state agent owner subject actors connector operation operationVersion input resultKept rationale run trace
    decisionRecord { playbook version outcome checked record schema }
    decision { outcome denyReason advice reasons { policyId approval } errors shadow facts }
    hold { state requires { group count } onApproval votes { voter verdict comment } }
    intent { policySet }
    outcome { kind upstreamStatus resultBytes maskedClasses masked error { code message advice } }
    error { code message advice }
    entries(payloads: true) { kind body }
  }
}`

/** What an auditor finds under a call, its entries included; `policies` are the determining ones. */
export async function recordOf(bed: Bed, callId: string): Promise<Fields> {
  const call = fields((await bed.people('lee', QUERY, { id: callId })).call)
  const policies = items(fields(call.decision).reasons).map((reason) => String(fields(reason).policyId))
  // Labels that were written a moment ago are not written again, so it is a matter of time which call wrote them.
  const entries = items(call.entries).filter((entry) => !['view', 'labelled'].includes(String(fields(entry).kind)))
  return { ...call, policies, entries }
}

/** Keys whose values no two calls share, or that name the door. */
const OWN = new Set([
  'id',
  'callId',
  'trace',
  'traceId',
  'door',
  'now',
  'at',
  'process',
  'seq',
  'issuer',
  'nonce',
  'digest',
  'resultDigest',
  'resultBytes',
])
const OWN_TIMES = new Set(['createdAt', 'updatedAt', 'expiresAt', 'decidedAt', 'upstreamMs', 'tokenExpiresAtMs'])

/** A value without ids, times and what else belongs to one call alone; null members of answers count as absent. */
export function scrubbed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(scrubbed)
  if (typeof value === 'string')
    return value.replace(/\b(call|hold|intent)_[0-9a-z]{26}/g, '$1_').replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, '<time>')
  if (typeof value !== 'object' || value === null) return value
  // A counter's key is a digest under the installation's own key.
  if ('reserves' in value && Array.isArray(value.reserves))
    return {
      ...fields(scrubbed({ ...value, reserves: null })),
      reserves: value.reserves.map((one) => scrubbed({ ...fields(one), key: null })),
    }
  const kept = Object.entries(value).filter(
    ([key, member]) => !OWN.has(key) && !OWN_TIMES.has(key) && member !== null && member !== undefined,
  )
  return Object.fromEntries(kept.map(([key, member]) => [key, scrubbed(member)]))
}
