import { LRUCache } from 'lru-cache'
import type { OperationId } from '../../gateway/core/ids.ts'
import type { JsonObject } from '../../gateway/core/json.ts'
import { namespaceOf, type Operation } from '../../gateway/core/operation.ts'
import type { Person, Principal } from '../../gateway/core/principal.ts'
import { LIMITS } from '../../gateway/limits.ts'
import type { Cedar, CedarEngine } from './cedar.ts'
import { groupsOf } from './cedar-schema.ts'
import type { Compiled } from './compile.ts'
import { withUnknownContext } from './expression.ts'
import type { Entity, EntityUid, Surroundings } from './plan.ts'
import type { Slice } from './slice.ts'
import { whole } from './whole-principal.ts'

/** Operations that partial evaluation cannot tell apart. */
interface Unit {
  readonly operations: readonly Operation[]
  readonly example: Operation
  /** In Cedar's JSON policy format, by id, `context` unknown, without holds and shadows. */
  readonly policies: Record<string, JsonObject>
}

/**
 * Which operations a principal may ever use. Candidates are the operations that some permit's scope reaches; of these, one is hidden exactly when
 * partial evaluation, with every hold dropped and context and business object unknown, denies. Any failure leaves it visible.
 */
export class Visibility {
  readonly #units: readonly Unit[]
  readonly #engine: CedarEngine
  readonly #around: Surroundings
  readonly #byPrincipal = new LRUCache<string, string>({ max: LIMITS.visibilityMemoEntriesMax })
  /** Principals with the same view share one set. */
  readonly #sets = new LRUCache<string, ReadonlySet<OperationId>>({ max: LIMITS.graphqlViewsMax })

  constructor(compiled: Compiled, engine: CedarEngine, around: Surroundings) {
    this.#units = unitsOf(compiled)
    this.#engine = engine
    this.#around = around
  }

  /** With a subject, an operation is visible where both the agent's and the subject's question could be allowed. */
  visible(principal: Principal, person?: Person): ReadonlySet<OperationId> {
    const { key, principals, entities } = whole(principal, person, this.#around.people)
    let bits = this.#byPrincipal.get(key)
    if (bits === undefined) {
      bits = this.#bits(principals, entities)
      this.#byPrincipal.set(key, bits)
    }
    let set = this.#sets.get(bits)
    if (!set) {
      set = new Set(this.#units.flatMap((unit, i) => (bits[i] === '1' ? unit.operations.map((operation) => operation.id) : [])))
      this.#sets.set(bits, set)
    }
    return set
  }

  #bits(principals: readonly EntityUid[], entities: readonly Entity[]): string {
    const possible = (unit: Unit): boolean => principals.every((principal) => this.#possible(unit, principal, entities))
    return this.#units.map((unit) => (possible(unit) ? '1' : '0')).join('')
  }

  #possible({ example, policies }: Unit, principal: EntityUid, people: readonly Entity[]): boolean {
    const action: Entity = {
      uid: { type: `${namespaceOf(example.connector)}::Action`, id: example.name },
      attrs: {},
      parents: groupsOf(example).map((id) => ({ type: 'Gatehouse::Action', id })),
    }
    const { kind = '', region = '' } = this.#around.connectors.get(example.connector) ?? {}
    const connector: Entity = { uid: { type: 'Gatehouse::Connector', id: example.connector }, attrs: { kind, region }, parents: [] }
    try {
      const answer = this.#engine.with((api) =>
        api.isAuthorizedPartial({
          principal,
          action: action.uid,
          resource: example.businessKey ? null : connector.uid,
          context: {},
          policies: { staticPolicies: policies as unknown as Record<string, Cedar.PolicyJson> },
          entities: [...people, action, connector] as Cedar.Entities,
        }),
      )
      return answer.type !== 'residuals' || answer.response.decision !== 'deny'
    } catch {
      return true
    }
  }
}

/** Within a slice every scope matches by action, so operations differ only by resource, and by name where a condition looks at `action`. */
function unitsOf({ operations, sliceOf }: Compiled): Unit[] {
  const units = new Map<string, { operations: Operation[]; example: Operation; policies: Record<string, JsonObject> }>()
  for (const operation of operations) {
    const slice = sliceOf.get(operation.id)
    if (!slice?.policies.some((policy) => policy.effect === 'permit')) continue
    const named = slice.policies.some((policy) => policy.reads.action) ? operation.id : ''
    const key = JSON.stringify([slice.id, operation.connector, operation.businessKey?.type ?? null, named])
    const unit = units.get(key)
    if (unit) unit.operations.push(operation)
    else units.set(key, { operations: [operation], example: operation, policies: unheld(slice) })
  }
  return [...units.values()]
}

const unheld = (slice: Slice): Record<string, JsonObject> =>
  Object.fromEntries(
    slice.policies.filter((policy) => policy.hold === undefined).map((policy) => [policy.id, withUnknownContext(policy.json)]),
  )
