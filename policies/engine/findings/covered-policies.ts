import type { Finding } from '../../../gateway/ports/policy-drafts.ts'
import { canonicalJson, isJsonObject, type JsonObject, type JsonValue } from '../../../gateway/core/json.ts'
import type { Operation } from '../../../gateway/core/operation.ts'
import { LIMITS } from '../../../gateway/limits.ts'
import { type Condition, conditionsOf } from '../conditions.ts'
import type { LoadedPolicy } from '../load-policies.ts'
import { canApply } from '../slice.ts'
import { byAttribute } from './constant-conditions.ts'
import type { ConditionProbe } from './condition-probe.ts'
import type { Examined } from './finding.ts'

/** A policy taken apart. */
interface Taken {
  policy: LoadedPolicy
  operations: readonly Operation[]
  reached: ReadonlySet<string>
  conditions: readonly Condition[]
}

/** Policies that change nothing, since another one applies to at least the same calls and says the same or more. */
export function coveredPolicies(examined: Examined, probe: ConditionProbe): Finding[] {
  const { policies, operations } = examined.compiled
  const all = new Map(
    policies
      .filter((policy) => !policy.shadow && !policy.classes)
      .map((policy): [string, Taken] => {
        const own = operations.filter((one) => canApply(policy, one))
        return [policy.id, { policy, operations: own, reached: new Set(own.map(({ id }) => id)), conditions: conditionsOf(policy.text) }]
      }),
  )
  let pairs = 0
  return [...all.values()].flatMap((narrow): Finding[] => {
    const [first] = narrow.operations
    // Whatever covers it is in the slice of each of its operations.
    for (const { id } of (first && examined.compiled.sliceOf.get(first.id)?.policies) ?? []) {
      const wide = all.get(id)
      const effect = !wide || wide === narrow ? undefined : effectOf(narrow.policy, wide.policy)
      if (!wide || effect === undefined) continue
      pairs += 1
      if (pairs > LIMITS.checkPairsMax) return []
      if (!covers(wide, narrow, probe)) continue
      // Of two alike the later one is too many.
      if (effect === 'same' && covers(narrow, wide, probe) && isBefore(narrow.policy, wide.policy)) continue
      const { policy } = narrow
      return [
        { place: policy.place(0), severity: 'warning', rule: 'covered', policy: policy.id, message: sentence(narrow.policy, wide.policy) },
      ]
    }
    return []
  })
}

/** What becomes of `narrow` where `wide` applies as well; undefined where it still has its effect. */
function effectOf(narrow: LoadedPolicy, wide: LoadedPolicy): 'same' | 'stronger' | undefined {
  if (narrow.effect === 'permit') return wide.effect === 'permit' ? 'same' : wide.hold === undefined ? 'stronger' : undefined
  if (wide.effect === 'permit') return undefined
  if (narrow.hold === wide.hold) return 'same'
  return wide.hold === undefined ? 'stronger' : undefined
}

function sentence(narrow: LoadedPolicy, wide: LoadedPolicy): string {
  const by = `\`${wide.id}\` (${wide.place(0)})`
  if (narrow.effect === 'permit' && wide.effect === 'permit')
    return `it permits nothing that ${by} does not permit already: narrow that one, or remove this one`
  if (narrow.effect === 'permit') return `it permits nothing, as ${by} forbids all of it: narrow that one, or remove this one`
  if (narrow.hold !== undefined && wide.hold === undefined)
    return `it never holds a call, as ${by} forbids all of them: narrow that one, or remove this one`
  const verb = narrow.hold === undefined ? 'forbids' : 'holds'
  return `it ${verb} nothing that ${by} does not: narrow that one, or remove this one`
}

const isBefore = (a: LoadedPolicy, b: LoadedPolicy): boolean => a.place(0).localeCompare(b.place(0), 'en', { numeric: true }) < 0

/** Whether `wide` applies to every call that `narrow` applies to. False where that is not plain. */
function covers(wide: Taken, narrow: Taken, probe: ConditionProbe): boolean {
  if (!narrow.operations.every(({ id }) => wide.reached.has(id))) return false
  if (!principalCovers(wide.policy.json.principal, narrow.policy.json.principal)) return false
  if (!resourceCovers(wide.policy.json.resource, narrow.policy.json.resource)) return false
  const own = new Set(narrow.conditions.map(({ kind, text }) => `${kind} ${text}`))
  const further = wide.conditions.filter(({ kind, text }) => !own.has(`${kind} ${text}`))
  return further.length === 0 || implied(further, narrow, probe)
}

const op = (scope: JsonValue | undefined): JsonValue => (isJsonObject(scope) ? (scope.op ?? null) : null)
const same = (a: JsonValue | undefined, b: JsonValue | undefined): boolean => canonicalJson(a ?? null) === canonicalJson(b ?? null)

function principalCovers(wide: JsonValue | undefined, narrow: JsonValue | undefined): boolean {
  if (op(wide) === 'All' || same(wide, narrow)) return true
  if (!isJsonObject(wide) || !isJsonObject(narrow)) return false
  if (op(wide) === 'in' && op(narrow) === 'is') return same(wide.entity, isJsonObject(narrow.in) ? narrow.in.entity : null)
  return op(wide) === 'is' && wide.in === undefined && typeOf(narrow) === wide.entity_type
}

/** The type of all principals in a scope: roles are of agents, groups of people. */
function typeOf(scope: JsonObject): JsonValue {
  if (op(scope) === 'is') return scope.entity_type ?? null
  const type = isJsonObject(scope.entity) ? scope.entity.type : null
  if (op(scope) === '==') return type ?? null
  return type === 'Gatehouse::Role' ? 'Gatehouse::Agent' : type === 'Gatehouse::Group' ? 'Gatehouse::Person' : null
}

/** A connector's scope is all that its operations have; a business object's only where both say the same. */
function resourceCovers(wide: JsonValue | undefined, narrow: JsonValue | undefined): boolean {
  if (op(wide) === 'All' || same(wide, narrow)) return true
  const entity = isJsonObject(wide) ? wide.entity : null
  return op(wide) === 'in' && isJsonObject(entity) && entity.type === 'Gatehouse::Connector'
}

/** Whether the narrow one's conditions leave no value for which these do not hold: asked of the engine, attribute by attribute. */
function implied(further: readonly Condition[], narrow: Taken, probe: ConditionProbe): boolean {
  const asked = byAttribute(further, probe)
  if (asked.flatMap(({ conditions }) => conditions).length < further.length) return false
  const known = byAttribute(narrow.conditions, probe)
  return asked.every(({ path, conditions }) => {
    const own = known.find((one) => one.path.join('.') === path.join('.'))?.conditions ?? []
    return narrow.operations.every((operation) => {
      const domain = probe.domain(operation, path, [...own, ...conditions])
      return domain?.samples.every(
        (value) =>
          (own.length > 0 && probe.holds(operation, own, path, value) === false) ||
          probe.holds(operation, conditions, path, value) === true,
      )
    })
  })
}
