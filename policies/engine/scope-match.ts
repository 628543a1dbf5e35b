import { isJsonObject, type JsonValue } from '../../gateway/core/json.ts'
import type { LoadedPolicy } from './load-policies.ts'
import type { EntityUid, PlannedRequest } from './plan.ts'

/** One word for each way in which a scope can name a principal or a resource: a request is in the scope exactly when its own words hold the scope's. */
const word = (kind: string, ...names: (EntityUid | string)[]): string =>
  [kind, ...names.flatMap((name) => (typeof name === 'string' ? [name] : [name.type, name.id]))].join('\0')

interface ScopeWords {
  principal: string
  resource: string
}

const words = new WeakMap<LoadedPolicy, ScopeWords>()

/** The policies of a slice whose scopes match, in their order. A slice has none whose action scope does not match. */
export function inScope(
  policies: readonly LoadedPolicy[],
  request: PlannedRequest,
  principal: EntityUid,
  connector: string,
): readonly LoadedPolicy[] {
  const parents = request.entities.find(({ uid }) => uid.id === principal.id && uid.type === principal.type)?.parents ?? []
  const who = wordsFor(principal, parents)
  const { resource } = request
  const what = wordsFor(resource, resource.type === 'Gatehouse::Connector' ? [] : [{ type: 'Gatehouse::Connector', id: connector }])
  return policies.filter((policy) => {
    const scope = scopeOf(policy)
    return who.has(scope.principal) && what.has(scope.resource)
  })
}

function wordsFor(uid: EntityUid, parents: readonly EntityUid[]): ReadonlySet<string> {
  const own = [word('All'), word('==', uid), word('is', uid.type)]
  // `in` is reflexive.
  for (const above of [uid, ...parents]) own.push(word('in', above), word('is', uid.type, above))
  return new Set(own)
}

function scopeOf(policy: LoadedPolicy): ScopeWords {
  const known = words.get(policy)
  if (known) return known
  const made = { principal: scopeWord(policy.json.principal), resource: scopeWord(policy.json.resource) }
  words.set(policy, made)
  return made
}

/** Throws for a form of scope that this does not know: then nothing may be decided by it. */
function scopeWord(scope: JsonValue | undefined): string {
  if (!isJsonObject(scope)) throw new Error('a policy without a scope')
  const { op, entity, entity_type: type, in: inside } = scope
  if (op === 'All') return word('All')
  if (op === '==' || op === 'in') return word(op, uidOf(entity))
  if (op !== 'is' || typeof type !== 'string') throw new Error('a scope of an unknown form')
  return isJsonObject(inside) ? word('is', type, uidOf(inside.entity)) : word('is', type)
}

function uidOf(value: JsonValue | undefined): EntityUid {
  const name = isJsonObject(value) && isJsonObject(value.__entity) ? value.__entity : value
  if (!isJsonObject(name) || typeof name.type !== 'string' || typeof name.id !== 'string') throw new Error('a scope names no entity')
  return { type: name.type, id: name.id }
}
