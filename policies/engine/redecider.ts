import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Decision, Verdict } from '../../gateway/core/decision.ts'
import { canonicalJson, isJsonObject, type JsonObject, type JsonValue } from '../../gateway/core/json.ts'
import { namespaceOf } from '../../gateway/core/operation.ts'
import { LIMITS } from '../../gateway/limits.ts'
import { CedarEngine, type CedarSchema, engineVersion } from './cedar.ts'
import { classScope } from './class-scope.ts'
import { ask, type EntityUid, type PlannedRequest } from './plan.ts'
import { type Ruling, stricter, verdictOf } from './verdict.ts'

/**
 * `same`: the policies that decided say again what was decided. `unasked`: a denial for something that policy was not asked, such as a fact that nobody
 * knew. `differs`: what is recorded is not what they say, and `again` is.
 */
export type DecidedAgain = { kind: 'same' } | { kind: 'unasked' } | { kind: 'differs'; again: Verdict | null; why: string }

interface Rule extends Ruling {
  connector: string | null
  permits: boolean
  text: string
}

/**
 * Decides recorded decisions again from the text that their policy set is named after (`Decider.wholeText`) and the request in their evidence, and from
 * nothing else: no register, no configuration, no plan of the decider that decided. Every policy of the connector and the organisation is asked, also those
 * that the decider knew could not apply.
 */
export class Redecider {
  /** `cedar 4.13.0` */
  readonly version: string
  readonly #engine = new CedarEngine()
  readonly #rules: readonly Rule[]
  readonly #byId: ReadonlyMap<string, Rule>
  readonly #schema: CedarSchema
  readonly #known = new LRUCache<string, Verdict>({ max: LIMITS.decisionMemoEntriesMax, maxSize: LIMITS.decisionMemoCharsMax })

  /** Throws TypeError where the text is none of a policy set. */
  constructor(whole: string) {
    const read: JsonValue = JSON.parse(whole)
    const [policies, schema] = Array.isArray(read) ? read : []
    if (!Array.isArray(policies) || !isJsonObject(schema)) throw new TypeError('this is no text of a policy set')
    this.version = engineVersion(this.#engine)
    this.#schema = schema as unknown as CedarSchema
    this.#rules = policies.flatMap((policy) => this.#rule(policy))
    this.#byId = new Map(this.#rules.map((rule) => [rule.id, rule]))
  }

  again({ verdict, evidence }: Decision): DecidedAgain {
    const { request } = evidence
    if (!isRequest(request)) {
      // A question that could not be put at all: whatever was said of it, nothing was let through.
      if (verdict.effect === 'deny' && verdict.policies.length === 0) return { kind: 'unasked' }
      return { kind: 'differs', again: null, why: `policy was not asked, and yet the call was not denied` }
    }
    const again = this.#verdict(request)
    if (comparable(again) === comparable(verdict)) return { kind: 'same' }
    if (verdict.effect === 'deny' && verdict.reason === 'policy_error' && verdict.policies.length === 0) return { kind: 'unasked' }
    return { kind: 'differs', again, why: `recorded as ${inWords(verdict)}, decided again as ${inWords(again)}` }
  }

  #verdict(request: PlannedRequest): Verdict {
    const key = JSON.stringify(request)
    const known = this.#known.get(key)
    if (known) return known
    const made = request.principals.map((principal) => this.#verdictFor(request, principal)).reduce(stricter)
    this.#known.set(key, made, { size: key.length + 1 })
    return made
  }

  #verdictFor(request: PlannedRequest, principal: EntityUid): Verdict {
    const namespace = request.action.type.replace(/::Action$/, '')
    const own = this.#rules.filter(({ connector }) => connector === null || namespaceOf(connector) === namespace)
    const [all, permits] = [`${namespace}:all`, `${namespace}:permits`]
    this.#engine.ensurePolicySet(all, () => textsOf(own))
    this.#engine.ensurePolicySet(permits, () => textsOf(own.filter((rule) => rule.permits)))
    const schema = `${namespace}:${request.action.id}`
    this.#engine.ensureSchema(schema, () => schemaOf(this.#schema, namespace, request.action.id))
    return verdictOf(
      ask(this.#engine, all, schema, request, principal),
      () => ask(this.#engine, permits, schema, request, principal),
      this.#byId,
    )
  }

  /** Nothing of policies that decide no call: shadows, and those about data classes. */
  #rule(policy: JsonValue): Rule[] {
    const [id, connector, text] = Array.isArray(policy) ? policy : []
    if (typeof id !== 'string' || typeof text !== 'string' || (connector !== null && typeof connector !== 'string'))
      throw new TypeError('this is no text of a policy set')
    const parsed = this.#engine.with((api) => api.policyToJson(text))
    if (parsed.type === 'failure') throw new TypeError(`policy \`${id}\` cannot be read: ${parsed.errors[0]?.message ?? ''}`)
    const json = parsed.json as unknown as JsonObject
    const given = isJsonObject(json.annotations) ? json.annotations : {}
    const annotations = Object.fromEntries(Object.entries(given).map(([name, value]) => [name, typeof value === 'string' ? value : '']))
    if (annotations.shadow !== undefined || classScope(json) === 'alone') return []
    const hash = createHash('sha256').update(text).digest('hex')
    return [{ id, connector, text, hash, hold: annotations.hold, annotations, permits: json.effect === 'permit' }]
  }
}

const textsOf = (rules: readonly Rule[]): Record<string, string> => Object.fromEntries(rules.map(({ id, text }) => [id, text]))

/** One action's part of the schema. A request has only what the decider's policies looked at: nothing of it is required here. */
function schemaOf(schema: CedarSchema, namespace: string, action: string): CedarSchema {
  const own = schema[namespace]
  const named = own?.actions[action]
  if (!own || !named) throw new TypeError(`the policy set knows no action \`${action}\` of \`${namespace}\``)
  const picked = { Gatehouse: schema.Gatehouse, [namespace]: { ...own, actions: { [action]: named } } }
  return relaxed(picked as unknown as JsonValue) as unknown as CedarSchema
}

/** The same with every attribute of every record optional. */
function relaxed(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(relaxed)
  if (!isJsonObject(value)) return value
  const { type, attributes } = value
  const members = Object.entries(value).map(([name, member]): [string, JsonValue] => [name, relaxed(member)])
  if (type !== 'Record' || !isJsonObject(attributes)) return Object.fromEntries(members)
  const optional = Object.entries(attributes).map(([name, attribute]): [string, JsonValue] => {
    const inner = relaxed(attribute)
    return [name, isJsonObject(inner) ? { ...inner, required: false } : inner]
  })
  return { ...Object.fromEntries(members), attributes: Object.fromEntries(optional) }
}

const isUid = (value: JsonValue | undefined): boolean =>
  isJsonObject(value) && typeof value.type === 'string' && typeof value.id === 'string'

function isRequest(request: JsonObject | PlannedRequest): request is PlannedRequest {
  const { principals, action, resource, context, entities } = request as JsonObject
  const asked = Array.isArray(principals) && principals.length > 0 && principals.every(isUid)
  return asked && isUid(action) && isUid(resource) && isJsonObject(context) && Array.isArray(entities)
}

/** What a verdict comes to: words about errors are the engine's, and may read otherwise in another one. */
function comparable(verdict: Verdict): string {
  const { errors: _words, advice: _told, ...rest } = { errors: undefined, advice: undefined, ...verdict }
  return canonicalJson(JSON.parse(JSON.stringify(rest)))
}

function inWords(verdict: Verdict): string {
  const by = verdict.policies.length === 0 ? '' : ` by ${verdict.policies.map((id) => `\`${id}\``).join(', ')}`
  return verdict.effect === 'deny' ? `a denial (${verdict.reason})${by}` : `a ${verdict.effect}${by}`
}
