import { isJsonObject, type JsonObject, type JsonValue } from '../../gateway/core/json.ts'
import { LIMITS } from '../../gateway/limits.ts'
import type { FailedPart, NearMiss } from '../../gateway/ports/decider.ts'
import type { CedarEngine } from './cedar.ts'
import { conditionsOf, parseCondition } from './conditions.ts'
import { chainsIn, type Chain } from './expression.ts'
import { type LoadedPolicy, policyText } from './load-policies.ts'
import { ask, type EntityUid, type PlannedRequest } from './plan.ts'

/** A part of a permit as a permit of its own, so that the engine, and nobody else, says whether it holds. */
interface Part {
  permit: LoadedPolicy
  sentence: string
  policy: string | JsonObject
  looks: readonly Chain[]
}

/** What of the context is metadata; arguments, facts and what the agent said are for those who may see payloads. */
const OPEN = new Set(['door', 'now', 'subject'])

/**
 * Which permits of a set almost allowed a request, and which of their parts did not hold. Every part of a permit's scope and every condition is put
 * to the engine by itself, all in one question for each principal.
 */
export class NearMisses {
  readonly #engine: CedarEngine
  readonly #set: string
  readonly #permits: readonly LoadedPolicy[]
  #parts: ReadonlyMap<string, Part> | undefined

  /** `set` names the parts' preparsed set; the permits have been checked. Beyond `LIMITS.nearMissPermitsMax` they are left out: whoever decides must not wait. */
  constructor(engine: CedarEngine, set: string, permits: readonly LoadedPolicy[]) {
    this.#engine = engine
    this.#set = set
    this.#permits = permits.slice(0, LIMITS.nearMissPermitsMax)
  }

  /** For principals that no permit allows: fewest failed parts first, then by principal and id. Throws what the engine throws. */
  of(schema: string, request: PlannedRequest): readonly NearMiss[] {
    this.#parts ??= new Map(this.#permits.flatMap((permit) => this.#split(permit)).map((part, index) => [`p${index}`, part]))
    const parts = this.#parts
    this.#engine.ensurePolicySet(this.#set, () => Object.fromEntries([...parts].map(([id, { policy }]) => [id, policy])))
    const misses = request.principals.flatMap((principal) => this.#missesOf(principal, schema, request, parts))
    return misses.sort((a, b) => a.failed.length - b.failed.length).slice(0, LIMITS.nearMissesMax)
  }

  #missesOf(principal: EntityUid, schema: string, request: PlannedRequest, parts: ReadonlyMap<string, Part>): NearMiss[] {
    const { reason, failed: broken, refused } = ask(this.#engine, this.#set, schema, request, principal)
    if (refused) return []
    const held = new Set(reason)
    const missed = new Map<LoadedPolicy, FailedPart[]>(this.#permits.map((permit) => [permit, []]))
    for (const [id, part] of parts) {
      if (held.has(id)) continue
      const own = missed.get(part.permit) ?? []
      // What cannot be evaluated is guarded by a part before it: only where all of those hold was it the reason.
      if (broken.includes(id) && own.length > 0) continue
      const sentence = broken.includes(id) ? `${part.sentence}: it cannot be evaluated` : part.sentence
      own.push({ sentence, ...valuesOf(part, principal, request) })
    }
    return [...missed].map(([permit, failed]) => ({ principal: text(principal), policy: policyText(permit), failed }))
  }

  #split(permit: LoadedPolicy): Part[] {
    const scopes = (['principal', 'resource'] as const).flatMap((what): Part[] => {
      const scope = permit.json[what]
      if (!isJsonObject(scope) || scope.op === 'All') return []
      const policy = { ...ANYTHING, [what]: scope }
      return [{ permit, sentence: `the ${what} is not ${scopeText(scope)}`, policy, looks: [{ variable: what, path: [] }] }]
    })
    const conditions = conditionsOf(permit.text).map((condition): Part => {
      const { policy, json } = parseCondition(condition, this.#engine)
      const { kind, text } = condition
      const sentence = kind === 'when' ? `\`${text}\` is not true` : `\`${text}\` is true, which the permit excludes`
      return { permit, sentence, policy, looks: chainsIn(json) }
    })
    return [...scopes, ...conditions]
  }
}

const ANYTHING = { effect: 'permit', principal: { op: 'All' }, action: { op: 'All' }, resource: { op: 'All' }, conditions: [] }

const text = ({ type, id }: EntityUid): string => `${type}::${JSON.stringify(id)}`

/** A scope after "is not", such as ``in `Gatehouse::Role::"payer"` ``. */
function scopeText(scope: JsonObject): string {
  const type = typeof scope.entity_type === 'string' ? `a \`${scope.entity_type}\`` : ''
  const inner = isJsonObject(scope.in) ? scope.in : scope
  const { type: of, id } = isJsonObject(inner.entity) ? inner.entity : {}
  const entity = typeof of === 'string' && typeof id === 'string' ? `\`${text({ type: of, id })}\`` : ''
  if (scope.op === '==') return entity
  return [type, entity && `in ${entity}`].filter(Boolean).join(' ')
}

/** What a part looked at, by path. */
function valuesOf({ looks }: Part, principal: EntityUid, request: PlannedRequest): Omit<FailedPart, 'sentence'> {
  const looked: JsonObject = {}
  const payload: JsonObject = {}
  for (const { variable, path } of looks) {
    const open = variable === 'principal' || (variable === 'context' && OPEN.has(path[0] ?? ''))
    const into = open ? looked : payload
    const root = variable === 'principal' ? principal : variable === 'resource' ? request.resource : request.action
    const value = variable === 'context' ? contextValue(request.context, path, request) : entityValue(root, path, request)
    into[[variable, ...path].join('.')] = value
  }
  return { looked, payload }
}

/** An entity's attribute; of the entity itself its name, and what it is in where policies ask for that. */
function entityValue(uid: EntityUid, [name, ...path]: readonly string[], request: PlannedRequest): JsonValue {
  const entity = request.entities.find((one) => one.uid.type === uid.type && one.uid.id === uid.id)
  if (name !== undefined) return contextValue(entity?.attrs ?? {}, [name, ...path], request)
  const parents = (entity?.parents ?? []).map(text)
  return parents.length === 0 ? text(uid) : `${text(uid)} in ${parents.join(', ')}`
}

function contextValue(value: JsonValue | undefined, [name, ...path]: readonly string[], request: PlannedRequest): JsonValue {
  const uid = isJsonObject(value) && isJsonObject(value.__entity) ? value.__entity : undefined
  if (uid) {
    const entity = { type: String(uid.type), id: String(uid.id) }
    return entityValue(entity, name === undefined ? [] : [name, ...path], request)
  }
  if (name === undefined) return value ?? null
  return isJsonObject(value) && Object.hasOwn(value, name) ? contextValue(value[name], path, request) : null
}
