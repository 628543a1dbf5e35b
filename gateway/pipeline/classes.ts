import { classesOf, type Operation } from '../core/operation.ts'
import type { Principal } from '../core/principal.ts'
import type { Parts } from './stages.ts'

/** The data classes that an operation's output declares, as one caller may read them today. */
export interface Classes {
  /** Masked in whatever the caller is handed. */
  refused: ReadonlySet<string>
  /** Not masked: whoever receives a result has read them. */
  readable: ReadonlySet<string>
}

/**
 * Asks policy which of the operation's classes this agent, and the subject where there is one, may read. What policy does not name is refused. An operation
 * without classes asks nothing.
 */
export function classesFor(
  { decider, registry }: Pick<Parts, 'decider' | 'registry'>,
  principal: Principal,
  operation: Operation,
): Classes {
  const declared = declaredClasses(operation)
  if (declared.length === 0) return NONE
  const person = principal.subject === undefined ? undefined : registry.person(principal.subject)
  return divided(operation, declared, decider.readableClasses(principal, person, operation.id))
}

const NONE: Classes = Object.freeze({ refused: new Set<string>(), readable: new Set<string>() })

/** Callers with the same word of policy share one answer. */
const answers = new WeakMap<ReadonlySet<string>, WeakMap<Operation, Classes>>()

function divided(operation: Operation, declared: readonly string[], allowed: ReadonlySet<string>): Classes {
  const byOperation = answers.get(allowed) ?? new WeakMap<Operation, Classes>()
  answers.set(allowed, byOperation)
  let classes = byOperation.get(operation)
  if (!classes) {
    const of = (isReadable: boolean): ReadonlySet<string> => new Set(declared.filter((name) => allowed.has(name) === isReadable))
    classes = { refused: of(false), readable: of(true) }
    byOperation.set(operation, classes)
  }
  return classes
}

const known = new WeakMap<Operation, readonly string[]>()

function declaredClasses(operation: Operation): readonly string[] {
  const classes = known.get(operation) ?? classesOf(operation)
  known.set(operation, classes)
  return classes
}
