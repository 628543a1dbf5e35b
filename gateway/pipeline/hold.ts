import { createHash } from 'node:crypto'
import type { Call } from '../core/call.ts'
import { after } from '../core/clock.ts'
import type { LookedUp, MatchedHold } from '../core/decision.ts'
import { GatewayError } from '../core/errors.ts'
import { excludedBy } from '../core/exclusion.ts'
import type { StandingTerms } from '../core/grant.ts'
import { type ApprovalDefinition, combineApprovals, type Hold } from '../core/hold.ts'
import type { CallId } from '../core/ids.ts'
import { canonicalJson, type JsonObject } from '../core/json.ts'
import type { Subject } from './subject.ts'
import type { Parts } from './stages.ts'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

/** Opens a hold: the AND of all matched approvals, bound by digest to exactly this call and what was looked up for it. */
export function openHold(
  parts: Parts,
  callId: CallId,
  subject: Subject,
  matched: readonly MatchedHold[],
  lookups: readonly LookedUp[] = [],
): Hold {
  const definitions = matched.map(({ approval }) => definitionOf(parts, approval))
  const { expiresMs, ...terms } = combineApprovals(definitions)
  const approvalVersions = Object.fromEntries(definitions.map(({ name, version }) => [name, version]))
  const nonce = parts.nonce()
  const now = parts.clock.now()
  return {
    id: parts.newHoldId(),
    callId,
    state: 'open',
    matched,
    ...terms,
    escalated: 0,
    excluded: excludedBy(terms.excludes, subject.input, lookups),
    approvalVersions,
    digest: bindingDigest(parts.organisation, subject, lookups, { matched, nonce }, approvalVersions),
    nonce,
    expiresAt: after(now, expiresMs),
    createdAt: now,
    decidedAt: null,
  }
}

function definitionOf(parts: Parts, name: string): ApprovalDefinition {
  const definition = parts.approvals.get(name)
  // The engine refuses policies that name an unknown approval, so this is a lost approval: never a way through.
  if (!definition) throw new GatewayError('DENIED', 'the approval that this call needs is not defined')
  return definition
}

/** What an approval is bound to, as one digest: SHA-256 hex over JCS. A vote names it, a release checks it. */
export function bindingDigest(
  organisation: string,
  { principal, operation, input }: Pick<Subject, 'principal' | 'operation' | 'input'>,
  lookups: readonly LookedUp[],
  { matched, nonce, gives }: Pick<Hold, 'matched' | 'nonce' | 'gives'>,
  approvalVersions: Readonly<Record<string, string>>,
): string {
  return sha256(
    canonicalJson({
      tenant: organisation,
      agent: principal.agent.name,
      subject: principal.subject ?? null,
      operation: operation.id,
      version: operation.version,
      input,
      lookups: lookups.map(({ fact, digest }) => [fact, digest]).sort(),
      policies: matched.map(({ policyId, policyHash }) => [policyId, policyHash]).sort(),
      approvals: { ...approvalVersions },
      nonce,
      ...(gives ? { gives: termsAsJson(gives) } : {}),
    }),
  )
}

const termsAsJson = ({ arguments: constraints, totals, ...terms }: StandingTerms): JsonObject => ({
  ...terms,
  totals: totals.map((total) => ({ ...total })),
  arguments: constraints.map(({ pointer, allows }) => ({
    pointer,
    allows: allows.kind === 'one_of' ? { ...allows, values: [...allows.values] } : { ...allows },
  })),
})

/** Digest of the arguments alone, for idempotency keys. */
export const argumentsDigest = (operation: string, input: JsonObject): string => sha256(canonicalJson({ operation, input }))

const joinKey = (agent: string, subject: string | null, operation: string, version: string, input: JsonObject): string =>
  sha256(canonicalJson([agent, subject, operation, version, input]))

/** Equal calls have equal keys: agent, subject, operation version and canonical arguments. */
export const joinKeyOf = ({ principal, operation, input }: Pick<Subject, 'principal' | 'operation' | 'input'>): string =>
  joinKey(principal.agent.name, principal.subject ?? null, operation.id, operation.version, input)

/** The key of a call that stands in the record. */
export const joinKeyOfCall = ({ agent, subject, operation, operationVersion, input }: Call): string =>
  joinKey(agent, subject, operation, operationVersion, input)
