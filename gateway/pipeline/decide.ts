import type { Instant } from '../core/clock.ts'
import type { Decision } from '../core/decision.ts'
import type { Brand } from '../core/ids.ts'
import type { CounterAnswer } from '../ports/recorder.ts'
import type { Span } from '../ports/telemetry.ts'
import { completed, type Gathered, known } from './facts.ts'
import type { Parts } from './stages.ts'
import { questionOf, type Subject } from './subject.ts'

/** A decision that permits: only `decide` and `permitOf` make one, and `execute` asks for it. */
export type Permit = Brand<Decision, 'Permit'>

/** What the record knows when it asks for a decision inside its transaction. */
export interface Counted {
  answers: ReadonlyMap<string, CounterAnswer>
  now: Instant
}

/** Asks policy with all that was gathered. Never throws: what cannot be decided is a deny. */
export function decide(parts: Parts, subject: Subject, gathered: Gathered, span: Span, counted?: Counted): Decision {
  const started = span.child('decision')
  const { facts, missing } = known(gathered, counted?.answers ?? new Map())
  const question = questionOf(parts, subject, facts, counted?.now)
  const decision = completed(gathered.decider.decide(question), gathered, missing)
  started.set({ 'gatehouse.decision': decision.verdict.effect, 'gatehouse.policies': decision.verdict.policies.join(',').slice(0, 256) })
  started.end()
  parts.onStage('decided')
  return decision
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
