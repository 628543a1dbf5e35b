import type { Asserted, Door } from '../core/call.ts'
import type { Instant } from '../core/clock.ts'
import type { Facts } from '../core/facts.ts'
import { atPointer, type JsonObject } from '../core/json.ts'
import { type Operation, resourceOf } from '../core/operation.ts'
import type { Principal } from '../core/principal.ts'
import type { Question } from '../ports/decider.ts'
import type { Parts } from './stages.ts'

/** What is decided about: the same for a fresh call and for the release of a held one. */
export interface Subject {
  door: Door
  principal: Principal
  operation: Operation
  input: JsonObject
  asserted: Asserted
}

export function questionOf(
  parts: Pick<Parts, 'registry' | 'clock'>,
  { door, principal, operation, input, asserted }: Subject,
  facts: Facts,
  now: Instant = parts.clock.now(),
): Question {
  const person = principal.subject === undefined ? undefined : parts.registry.person(principal.subject)
  const resourceKey = resourceOf(operation, input, atPointer)
  return {
    operation,
    principal,
    ...(person ? { person } : {}),
    ...(resourceKey === undefined ? {} : { resourceKey }),
    input,
    now,
    door,
    ...asserted,
    facts,
  }
}
