import type { Door } from '../core/call.ts'
import type { Decision } from '../core/decision.ts'
import { NO_FACTS } from '../core/facts.ts'
import type { Brand } from '../core/ids.ts'
import { atPointer, type JsonObject } from '../core/json.ts'
import { type Operation, resourceOf } from '../core/operation.ts'
import type { Principal } from '../core/principal.ts'
import type { Asserted } from '../core/call.ts'
import type { Question } from '../ports/decider.ts'
import type { Span } from '../ports/telemetry.ts'
import type { Parts } from './stages.ts'

/** A decision that permits: only `decide` and `permitOf` make one, and `execute` asks for it. */
export type Permit = Brand<Decision, 'Permit'>

/** What is decided about: the same for a fresh call and for the release of a held one. */
export interface Subject {
  door: Door
  principal: Principal
  operation: Operation
  input: JsonObject
  asserted: Asserted
}

/** Asks policy. Never throws: what cannot be decided is a deny. */
export function decide(parts: Parts, subject: Subject, span: Span): Decision {
  const started = span.child('decision')
  const decision = parts.decider.decide(questionOf(parts, subject))
  started.set({ 'gatehouse.decision': decision.verdict.effect, 'gatehouse.policies': decision.verdict.policies.join(',').slice(0, 256) })
  started.end()
  parts.onStage('decided')
  return decision
}

export function questionOf(parts: Parts, { door, principal, operation, input, asserted }: Subject): Question {
  const person = principal.subject === undefined ? undefined : parts.registry.person(principal.subject)
  const resourceKey = resourceOf(operation, input, atPointer)
  return {
    operation,
    principal,
    ...(person ? { person } : {}),
    ...(resourceKey === undefined ? {} : { resourceKey }),
    input,
    now: parts.clock.now(),
    door,
    ...asserted,
    facts: NO_FACTS,
  }
}

/** The permit of a decision that permits, or of one whose matched holds are all among the approved (same policy, same text). */
export function permitOf(decision: Decision, approved: readonly { policyId: string; policyHash: string }[] = []): Permit | undefined {
  const { verdict } = decision
  if (verdict.effect === 'permit') return decision as Permit
  if (verdict.effect === 'deny') return undefined
  const known = new Set(approved.map((hold) => `${hold.policyId}\n${hold.policyHash}`))
  // A hold without a reason is no permit: nothing of it could have been approved.
  return verdict.holds.length > 0 && verdict.holds.every((hold) => known.has(`${hold.policyId}\n${hold.policyHash}`))
    ? (decision as Permit)
    : undefined
}
