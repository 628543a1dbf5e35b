import { LRUCache } from 'lru-cache'
import { classesOf, type Operation } from '../../gateway/core/operation.ts'
import type { Person, Principal } from '../../gateway/core/principal.ts'
import { LIMITS } from '../../gateway/limits.ts'
import type { CedarEngine } from './cedar.ts'
import { classPoliciesFor, classSchema } from './class-policies.ts'
import { DATA_CLASS, READ_CLASS } from './class-scope.ts'
import type { LoadedPolicy } from './load-policies.ts'
import { ask, type PlannedRequest, type Surroundings } from './plan.ts'
import { whole } from './whole-principal.ts'

const SCHEMA = 'classes'
const NONE: ReadonlySet<string> = new Set()

/** Which data classes of an operation's answers a principal may read, by policy. Default deny; what cannot be decided may not be read. */
export class ReadableClasses {
  readonly #policies: readonly LoadedPolicy[]
  readonly #engine: CedarEngine
  readonly #around: Surroundings
  readonly #memo = new LRUCache<string, ReadonlySet<string>>({ max: LIMITS.readableClassesMemoEntriesMax })

  /** `policies` are those about `readClass`, validated. */
  constructor(policies: readonly LoadedPolicy[], engine: CedarEngine, around: Surroundings) {
    this.#policies = policies
    this.#engine = engine
    this.#around = around
  }

  /** With a subject, a class must be readable for both. One question for each class and principal, then remembered by all that the answer rests on. */
  of(principal: Principal, person: Person | undefined, operation: Operation): ReadonlySet<string> {
    const classes = classesOf(operation)
    if (classes.length === 0) return NONE
    const { key, principals, entities } = whole(principal, person, this.#around.people)
    const { id, region, version } = operation
    const asked = JSON.stringify([id, version, region, classes, key])
    const known = this.#memo.get(asked)
    if (known) return known
    const readable = new Set(classes.filter((name) => this.#readable(operation, { principals, entities: [...entities] }, name)))
    this.#memo.set(asked, readable)
    return readable
  }

  #readable({ connector, id, region }: Operation, who: Pick<PlannedRequest, 'principals' | 'entities'>, name: string): boolean {
    const set = `${SCHEMA}:${connector}`
    try {
      this.#engine.ensureSchema(SCHEMA, classSchema)
      this.#engine.ensurePolicySet(set, () =>
        Object.fromEntries(classPoliciesFor(this.#policies, connector).map(({ id: policy, text }) => [policy, text])),
      )
      const request: PlannedRequest = {
        ...who,
        action: { type: 'Gatehouse::Action', id: READ_CLASS },
        resource: { type: DATA_CLASS, id: name },
        context: { connector, operation: id, region },
      }
      return who.principals.every((principal) => {
        const { allow, errors } = ask(this.#engine, set, SCHEMA, request, principal)
        return allow && errors.length === 0
      })
    } catch {
      return false
    }
  }
}
