import { LRUCache } from 'lru-cache'
import { isJsonObject, type JsonObject, type JsonValue } from '../../gateway/core/json.ts'
import type { Operation } from '../../gateway/core/operation.ts'
import { LIMITS } from '../../gateway/limits.ts'
import type { CedarEngine, CedarSchema } from './cedar.ts'
import { cedarSchema, cutRecord, resourceTypes } from './cedar-schema.ts'
import { mergeReads, namedByType, readsOf, type Reads, variablesIn } from './expression.ts'
import { withoutScope } from './conditions.ts'
import type { RecordShape, Shape } from './input-shape.ts'
import type { LoadedPolicy } from './load-policies.ts'
import { ask, type Entity, type EntityUid, type Plan, type PlannedRequest } from './plan.ts'
import { inScope } from './scope-match.ts'
import type { Answer } from './verdict.ts'

const NEUTRAL: Pick<Operation, 'connector' | 'name' | 'mode' | 'reversibility'> = {
  connector: 'gatehouse',
  name: 'call',
  mode: 'read',
  reversibility: 'read-only',
}
const ACTION: EntityUid = { type: 'Gatehouse::Action', id: NEUTRAL.name }
const RESOURCE: EntityUid = { type: 'Gatehouse::Connector', id: '' }
const NOTHING: Answer = { allow: false, refused: false, reason: [], failed: [], errors: [] }

/** The policies whose scopes match, with those scopes taken away: only their conditions are left to the engine. */
interface Remainder {
  readonly name: string
  readonly policies: readonly LoadedPolicy[]
  readonly reads: Reads
  readonly named: ReadonlyMap<string, ReadonlySet<string>>
  /** What the conditions ask of: anything else need not be told apart. */
  readonly variables: ReadonlySet<string>
}

/** A remainder's questions about one operation. */
interface Prepared {
  readonly shape: RecordShape
  readonly schema: string
}

/** A question without what cannot change its answer. Equal keys have equal answers. */
export interface ReducedQuestion {
  readonly key: string
  all(): Answer
  permitsAlone(): Answer
}

/**
 * Puts questions to the engine without the policies whose scopes do not match, and without the entities that only scopes look at: matching a scope is
 * comparing names, which is done here; conditions are the engine's alone. Policy sets and schemas are shared by all operations that need the same.
 */
export class Reductions {
  readonly #engine: CedarEngine
  readonly #remainders = new Map<string, Remainder>()
  readonly #remainderOf = new WeakMap<readonly LoadedPolicy[], Remainder>()
  readonly #schemas = new Map<string, string>()
  readonly #prepared = new LRUCache<string, Prepared>({ max: LIMITS.reducedQuestionsMax })

  constructor(engine: CedarEngine) {
    this.#engine = engine
  }

  /** Undefined where the question has to be put whole: its resource is none that the operation has, or there are too many sets already. */
  reduced(plan: Plan, policies: readonly LoadedPolicy[], request: PlannedRequest, principal: EntityUid): ReducedQuestion | undefined {
    const { operation } = plan
    if (!resourceTypes(operation).includes(request.resource.type)) return undefined
    const remainder = this.#remainder(inScope(policies, request, principal, operation.connector))
    const prepared = remainder && this.#prepare(plan, remainder)
    if (!prepared) return undefined
    const { name } = remainder
    const { schema, shape } = prepared
    const asked = reducedRequest(remainder, shape, request, principal)
    const [who = principal] = asked.principals
    const put = (set: string, some: readonly LoadedPolicy[]): Answer => {
      if (some.length === 0) return NOTHING
      this.#engine.ensurePolicySet(set, () => Object.fromEntries(some.map(({ id, text }) => [id, withoutScope(text)])))
      this.#engine.ensureSchema(schema, () => schemaOf(operation, remainder, shape))
      return ask(this.#engine, set, schema, asked, who)
    }
    return {
      key: `${name} ${schema} ${JSON.stringify(asked)}`,
      all: () => put(name, remainder.policies),
      permitsAlone: () =>
        put(
          `${name}:permits`,
          remainder.policies.filter(({ effect }) => effect === 'permit'),
        ),
    }
  }

  #remainder(policies: readonly LoadedPolicy[]): Remainder | undefined {
    const same = this.#remainderOf.get(policies)
    if (same) return same
    const key = policies.map(({ id }) => id).join('\n')
    const known = this.#remainders.get(key)
    if (known) this.#remainderOf.set(policies, known)
    if (known || this.#remainders.size >= LIMITS.policyRemaindersMax) return known
    const conditions = policies.map(({ json }): JsonObject => ({ conditions: json.conditions ?? [] }))
    const reads = mergeReads(conditions.map(readsOf))
    const variables = new Set(conditions.flatMap((policy) => [...variablesIn(policy)]))
    const made = { name: `r${this.#remainders.size}`, policies, reads, named: namedByType(reads), variables }
    this.#remainders.set(key, made)
    return made
  }

  #prepare({ operation, shape: whole }: Plan, remainder: Remainder): Prepared | undefined {
    const key = `${remainder.name} ${operation.id}`
    const known = this.#prepared.get(key)
    if (known) return known
    const shape = cutRecord(whole, remainder.reads.context)
    const text = JSON.stringify(schemaOf(operation, remainder, shape))
    const schema = this.#schemas.get(text) ?? `q${this.#schemas.size}`
    if (!this.#schemas.has(text) && this.#schemas.size >= LIMITS.policySchemasMax) return undefined
    this.#schemas.set(text, schema)
    const made = { shape, schema }
    this.#prepared.set(key, made)
    return made
  }
}

const isNeutral = ({ variables }: Remainder): boolean => !variables.has('action') && !variables.has('resource')

/** The operation's own schema where conditions ask of action or resource, else one that all operations with such a context share. */
function schemaOf({ businessKey, ...operation }: Operation, remainder: Remainder, shape: RecordShape): CedarSchema {
  const asked: Operation = isNeutral(remainder) ? { ...operation, ...NEUTRAL } : { ...operation, ...(businessKey && { businessKey }) }
  return cedarSchema({ operations: [asked], context: () => shape, attributes: remainder.reads.attributes })
}

function reducedRequest(remainder: Remainder, shape: RecordShape, request: PlannedRequest, principal: EntityUid): PlannedRequest {
  const { variables, reads, named } = remainder
  const neutral = isNeutral(remainder)
  const untold = variables.has('principal') ? undefined : principal
  return {
    principals: [untold ? { type: principal.type, id: '' } : principal],
    action: neutral ? ACTION : request.action,
    resource: neutral ? RESOURCE : request.resource,
    context: cut(shape, request.context) as JsonObject,
    entities:
      reads.attributes.size + named.size === 0 ? [] : request.entities.flatMap((entity) => cutEntity(entity, remainder, shape, untold)),
  }
}

/** The part of an encoded value that a smaller shape has. */
function cut(shape: Shape, value: JsonValue): JsonValue {
  if (!isJsonObject(value) || (shape.kind !== 'record' && shape.kind !== 'union')) return value
  const parts: ReadonlyMap<string, Shape | { shape: Shape }> = shape.kind === 'record' ? shape.fields : shape.variants
  const kept: JsonObject = {}
  for (const [name, part] of parts) {
    const own = Object.hasOwn(value, name) ? value[name] : undefined
    if (own !== undefined) kept[name] = cut('shape' in part ? part.shape : part, own)
  }
  return kept
}

/** Nothing where conditions look at none of it; `untold` is the principal that they do not ask of, unless the context names it as the subject. */
function cutEntity(
  { uid, attrs, parents }: Entity,
  { reads, named }: Remainder,
  { fields }: RecordShape,
  untold: EntityUid | undefined,
): Entity[] {
  if (untold && uid.type === untold.type && uid.id === untold.id && !fields.has('subject')) return []
  const kept = Object.entries(attrs).filter(([name]) => reads.attributes.has(name))
  const above = parents.filter(({ type, id }) => named.get(type)?.has(id))
  return kept.length + above.length === 0 ? [] : [{ uid, attrs: Object.fromEntries(kept), parents: above }]
}
