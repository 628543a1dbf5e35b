import { isJsonObject, type JsonValue } from '../../gateway/core/json.ts'
import { LIMITS } from '../../gateway/limits.ts'
import type { LoadedPolicy } from './load-policies.ts'
import type { EntityUid, PlannedRequest } from './plan.ts'

/**
 * One word for each way in which a scope can name a principal or a resource: a request is in the scope exactly when its own words hold the scope's. An id
 * stands last, so that none can pose as more than it is.
 */
const ALL = 'All'
const is = (type: string): string => `is\0${type}`
const equal = ({ type, id }: EntityUid): string => `==\0${type}\0${id}`
const inside = ({ type, id }: EntityUid): string => `in\0${type}\0${id}`
const isInside = (type: string, above: EntityUid): string => `is\0${type}\0${above.type}\0${above.id}`

/** The scopes of one slice's policies, and the subsets of them that requests were in before. */
interface Scopes {
  readonly principals: readonly string[]
  readonly resources: readonly string[]
  readonly subsets: Map<string, readonly LoadedPolicy[]>
}

const known = new WeakMap<readonly LoadedPolicy[], Scopes>()

/** The policies of a slice whose scopes match, in their order; equal subsets are mostly one array. A slice has none whose action scope does not match. */
export function inScope(
  policies: readonly LoadedPolicy[],
  request: PlannedRequest,
  principal: EntityUid,
  connector: string,
): readonly LoadedPolicy[] {
  const { principals, resources, subsets } = scopesOf(policies)
  const parents = request.entities.find(({ uid }) => uid.id === principal.id && uid.type === principal.type)?.parents ?? []
  const who = wordsFor(principal, parents)
  const { resource } = request
  const what = wordsFor(resource, resource.type === CONNECTOR ? [] : [{ type: CONNECTOR, id: connector }])
  let which = ''
  principals.forEach((word, i) => {
    which += who.has(word) && what.has(resources[i] ?? '') ? '1' : '0'
  })
  const subset = subsets.get(which) ?? policies.filter((_, i) => which[i] === '1')
  if (subsets.size < LIMITS.policyRemaindersMax) subsets.set(which, subset)
  return subset
}

const CONNECTOR = 'Gatehouse::Connector'

function wordsFor(uid: EntityUid, parents: readonly EntityUid[]): ReadonlySet<string> {
  // `in` is reflexive.
  const own = new Set([ALL, equal(uid), is(uid.type), inside(uid), isInside(uid.type, uid)])
  for (const above of parents) own.add(inside(above)).add(isInside(uid.type, above))
  return own
}

function scopesOf(policies: readonly LoadedPolicy[]): Scopes {
  const scopes = known.get(policies) ?? {
    principals: policies.map(({ json }) => scopeWord(json.principal)),
    resources: policies.map(({ json }) => scopeWord(json.resource)),
    subsets: new Map(),
  }
  known.set(policies, scopes)
  return scopes
}

/** Throws for a form of scope that this does not know: then nothing may be decided by it. */
function scopeWord(scope: JsonValue | undefined): string {
  if (!isJsonObject(scope)) throw new Error('a policy without a scope')
  const { op, entity, entity_type: type, in: within } = scope
  if (op === 'All') return ALL
  if (op === '==') return equal(uidOf(entity))
  if (op === 'in') return inside(uidOf(entity))
  if (op !== 'is' || typeof type !== 'string') throw new Error('a scope of an unknown form')
  return isJsonObject(within) ? isInside(type, uidOf(within.entity)) : is(type)
}

function uidOf(value: JsonValue | undefined): EntityUid {
  const name = isJsonObject(value) && isJsonObject(value.__entity) ? value.__entity : value
  if (!isJsonObject(name) || typeof name.type !== 'string' || typeof name.id !== 'string') throw new Error('a scope names no entity')
  return { type: name.type, id: name.id }
}
