import type { Finding } from '../../../gateway/ports/policy-drafts.ts'
import { isJsonObject, type JsonObject } from '../../../gateway/core/json.ts'
import { LIMITS } from '../../../gateway/limits.ts'
import { cedarSchema, contextShape, resourceTypes } from '../cedar-schema.ts'
import { conditionsOf, parseCondition, principalScopeOf } from '../conditions.ts'
import { chainsIn } from '../expression.ts'
import type { LoadedPolicy } from '../load-policies.ts'
import { ask, type Entity, type EntityUid } from '../plan.ts'
import { namespaceOf } from '../../../gateway/core/operation.ts'
import { type Examined, placeIn } from './finding.ts'

/** A part of a policy that only the principal decides. */
interface Part {
  text: string
  offset: number
  policy: string | JsonObject
}

/** Which of the registered agents and people a policy can be about, as far as only they decide it. */
export interface KnownPrincipals {
  findings: readonly Finding[]
  /** Policies that match nobody known. */
  useless: ReadonlySet<string>
  /** False where the policy cannot match this agent. */
  fits(policy: string, agent: string): boolean
}

/**
 * Asks the engine about every registered agent and person, those alike once. Where there are more kinds of them than `LIMITS.checkPrincipalsMax`, nothing
 * is claimed about any.
 */
export function knownPrincipals(examined: Examined): KnownPrincipals {
  const { compiled, organisation } = examined
  const policies = compiled.policies.map((policy) => ({ policy, parts: partsOf(policy, examined) })).filter(({ parts }) => parts.length > 0)
  const parts = new Map(policies.flatMap(({ parts }) => parts).map((part) => [part.text, part]))
  const named = new Set(compiled.policies.flatMap(({ reads }) => reads.entities.map(({ id }) => id)))
  const kinds = kindsOf(examined, named)
  const held = kinds.size > LIMITS.checkPrincipalsMax ? undefined : answers(examined, [...parts.values()], [...kinds.values()])
  const useless = new Set<string>()
  const findings: Finding[] = []
  const matching = new Map<string, ReadonlySet<Entity>>()
  for (const { policy, parts } of held ? policies : []) {
    const fitting = [...kinds.values()].filter((kind) => parts.every(({ text }) => held?.get(kind)?.has(text)))
    matching.set(policy.id, new Set(fitting))
    if (fitting.length > 0) continue
    useless.add(policy.id)
    const never = parts.find(({ text }) => ![...kinds.values()].some((kind) => held?.get(kind)?.has(text)))
    const why = never
      ? `\`${never.text}\` is true of no agent and no person there is`
      : 'no agent and no person there is meets all its conditions on the principal'
    const message = `the policy matches nobody: ${why}: correct it, or remove it`
    findings.push({ place: placeIn(policy, never?.offset ?? 0), severity: 'warning', rule: 'never-matches', policy: policy.id, message })
  }
  const byName = new Map(organisation.agents.map((agent) => [agent.name, kinds.get(kindOf(agentEntity(agent), named))]))
  return {
    findings,
    useless,
    fits(policy, agent) {
      const [fitting, kind] = [matching.get(policy), byName.get(agent)]
      return !fitting || !kind || fitting.has(kind)
    },
  }
}

function partsOf(policy: LoadedPolicy, { engine }: Examined): Part[] {
  const { principal } = policy.json
  const conditions = conditionsOf(policy.text).flatMap((condition): Part[] => {
    const { policy: alone, json } = parseCondition(condition, engine)
    const looks = chainsIn(json)
    const own = looks.length > 0 && looks.every(({ variable, path }) => variable === 'principal' && path[0] !== 'owner')
    return own
      ? [{ text: condition.kind === 'when' ? condition.text : `!(${condition.text})`, offset: condition.offset, policy: alone }]
      : []
  })
  if (!isJsonObject(principal) || principal.op === 'All') return conditions
  const { text, offset } = principalScopeOf(policy.text)
  const scope = { effect: 'permit', principal, action: { op: 'All' }, resource: { op: 'All' }, conditions: [] }
  return [{ text, offset, policy: scope }, ...conditions]
}

const uid = (type: string, id: string): EntityUid => ({ type: `Gatehouse::${type}`, id })

function agentEntity({ name, owner, roles, autonomy, clearance, region, team }: Examined['organisation']['agents'][number]): Entity {
  const attrs: JsonObject = { autonomy, clearance: [...clearance].sort(), owner: { __entity: uid('Person', owner) }, region, team }
  return { uid: uid('Agent', name), attrs, parents: [...roles].sort().map((role) => uid('Role', role)) }
}

/** Everything that parts can look at; a name counts where some policy names it. */
const kindOf = ({ uid: { type, id }, attrs, parents }: Entity, named: ReadonlySet<string>): string =>
  JSON.stringify([type, named.has(id) ? id : '', { ...attrs, owner: '' }, parents])

function kindsOf({ source, organisation }: Examined, named: ReadonlySet<string>): Map<string, Entity> {
  const people = source.people.map(({ name, groups, region }): Entity => {
    const attrs: JsonObject = region === undefined ? {} : { region }
    return { uid: uid('Person', name), attrs, parents: [...groups].sort().map((group) => uid('Group', group)) }
  })
  return new Map([...organisation.agents.map(agentEntity), ...people].map((entity) => [kindOf(entity, named), entity]))
}

/** Which parts hold for each kind of principal. */
function answers({ compiled, engine }: Examined, parts: readonly Part[], kinds: readonly Entity[]): Map<Entity, ReadonlySet<string>> {
  const [operation] = compiled.operations
  if (!operation) return new Map(kinds.map((kind) => [kind, new Set(parts.map(({ text }) => text))]))
  const schema = 'known-principals'
  engine.ensureSchema(schema, () =>
    cedarSchema({ operations: [operation], context: (one) => contextShape(one, compiled.facts.of(one)), relaxed: true }),
  )
  engine.ensurePolicySet(schema, () => Object.fromEntries(parts.map(({ policy }, index) => [`p${index}`, policy])))
  const [type = ''] = resourceTypes(operation)
  const asked = {
    action: { type: `${namespaceOf(operation.connector)}::Action`, id: operation.name },
    resource: { type, id: operation.connector },
    context: {},
  }
  return new Map(
    kinds.map((kind) => {
      const { reason } = ask(engine, schema, schema, { ...asked, principals: [kind.uid], entities: [kind] }, kind.uid)
      return [kind, new Set(parts.flatMap(({ text }, index) => (reason.includes(`p${index}`) ? [text] : [])))]
    }),
  )
}
