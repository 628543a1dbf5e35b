import { isJsonObject, type JsonValue } from '../../gateway/core/json.ts'
import { namespaceOf, type Operation } from '../../gateway/core/operation.ts'
import { groupsOf, resourceTypes } from './cedar-schema.ts'
import type { LoadedPolicy } from './load-policies.ts'

/** The policies that can apply to one and the same set of operations. */
export interface Slice {
  /** Short and unique in its decider. */
  readonly id: string
  /** In force: everything but shadows, sorted by id. */
  readonly policies: readonly LoadedPolicy[]
  readonly shadows: readonly LoadedPolicy[]
}

const text = (value: JsonValue | undefined): string => (typeof value === 'string' ? value : '')

/** `Type::"id"` for an entity in Cedar's JSON policy format. */
function uid(value: JsonValue | undefined): string {
  if (!isJsonObject(value)) return ''
  const name = isJsonObject(value.__entity) ? value.__entity : value
  return `${text(name.type)}::${JSON.stringify(text(name.id))}`
}

/** An operation's Cedar action, as policies name it. */
export const actionOf = (operation: Operation): string => `${namespaceOf(operation.connector)}::Action::${JSON.stringify(operation.name)}`

/** Whether a policy's scope can match the operation: what can be told from action and resource alone. Never false for one that does match. */
export function canApply(policy: LoadedPolicy, operation: Operation): boolean {
  if (policy.connector !== null && policy.connector !== operation.connector) return false
  return actionMatches(policy.json.action, operation) && resourceCanMatch(policy.json.resource, operation)
}

function actionMatches(scope: JsonValue | undefined, operation: Operation): boolean {
  if (!isJsonObject(scope) || scope.op === 'All') return true
  const own = actionOf(operation)
  if (scope.op === '==') return uid(scope.entity) === own
  const names = Array.isArray(scope.entities) ? scope.entities.map(uid) : [uid(scope.entity)]
  const reached = [own, ...groupsOf(operation).map((group) => `Gatehouse::Action::${JSON.stringify(group)}`)]
  return names.some((name) => reached.includes(name))
}

function resourceCanMatch(scope: JsonValue | undefined, operation: Operation): boolean {
  if (!isJsonObject(scope) || scope.op === 'All') return true
  const types = resourceTypes(operation)
  const connector = `Gatehouse::Connector::${JSON.stringify(operation.connector)}`
  const within = (entity: JsonValue | undefined): boolean =>
    uid(entity) === connector || types.some((type) => type !== 'Gatehouse::Connector' && uid(entity).startsWith(`${type}::"`))
  if (scope.op !== 'is') return within(scope.entity)
  const inside = scope.in
  return types.includes(text(scope.entity_type)) && (!isJsonObject(inside) || within(inside.entity))
}

/** The slice of every operation; operations with the same policies share one. */
export function sliceOperations(
  policies: readonly LoadedPolicy[],
  operations: readonly Operation[],
): { slices: readonly Slice[]; of: ReadonlyMap<string, Slice> } {
  const slices = new Map<string, Slice>()
  const of = new Map<string, Slice>()
  for (const operation of operations) {
    const own = policies.filter((policy) => canApply(policy, operation))
    const key = own.map((policy) => policy.id).join('\n')
    let slice = slices.get(key)
    if (!slice) {
      slice = { id: `s${slices.size}`, policies: own.filter((p) => !p.shadow), shadows: own.filter((p) => p.shadow) }
      slices.set(key, slice)
    }
    of.set(operation.id, slice)
  }
  return { slices: [...slices.values()], of }
}
