import type { DecisionRecord } from '../../gateway/core/call.ts'
import type { JsonObject } from '../../gateway/core/json.ts'
import { namespaceOf, type ConnectorInfo, type Operation } from '../../gateway/core/operation.ts'
import type { Agent, Person } from '../../gateway/core/principal.ts'
import { visibleChars } from '../../gateway/core/visible-text.ts'
import type { Question } from '../../gateway/ports/decider.ts'
import type { Cedar, CedarEngine } from './cedar.ts'
import { cedarSchema, contextShape, cutRecord, resourceTypes } from './cedar-schema.ts'
import { encode, sampleOf, wellFormed } from './encode.ts'
import { mergeReads, namedByType, type ReadTree, type Reads } from './expression.ts'
import { factsContext } from './facts-context.ts'
import type { DeclaredFacts, OperationFacts } from './facts-file.ts'
import type { RecordShape } from './input-shape.ts'
import type { LoadedPolicy } from './load-policies.ts'
import type { Answer } from './verdict.ts'

export type EntityUid = { type: string; id: string }
export type Entity = { uid: EntityUid; attrs: JsonObject; parents: EntityUid[] }

/** A request as it is put to the engine: under the plan's schema, with nothing that its policies do not look at. */
export interface PlannedRequest {
  principals: EntityUid[]
  action: EntityUid
  resource: EntityUid
  context: JsonObject
  entities: Entity[]
}

/** What a plan needs to know beside its operation. */
export interface Surroundings {
  connectors: ReadonlyMap<string, ConnectorInfo>
  people: ReadonlyMap<string, Person>
  facts: DeclaredFacts
}

const agentUid = (id: string): EntityUid => ({ type: 'Gatehouse::Agent', id })
const personUid = (id: string): EntityUid => ({ type: 'Gatehouse::Person', id })

/**
 * How questions about one operation are put to one set of policies: the cut-down schema and request. Two questions with the same request get
 * the same answer, since the policies can look at nothing else.
 */
export class Plan {
  readonly operation: Operation
  /** The context as the policies look at it. */
  readonly shape: RecordShape
  readonly #facts: OperationFacts
  readonly #reads: Reads
  readonly #named: ReadonlyMap<string, ReadonlySet<string>>
  readonly #schemaName: string
  readonly #around: Surroundings

  /** `label` tells plans of one operation apart. */
  constructor(operation: Operation, policies: readonly LoadedPolicy[], label: string, around: Surroundings) {
    this.operation = operation
    this.#facts = around.facts.of(operation)
    this.#reads = mergeReads(policies.map((policy) => policy.reads))
    this.shape = cutRecord(contextShape(operation, this.#facts), this.#reads.context)
    this.#named = namedByType(this.#reads)
    this.#schemaName = `${label}:${operation.id}`
    this.#around = around
  }

  /** The name of the plan's schema, preparsed where that has not happened yet. */
  prepare(engine: CedarEngine): string {
    engine.ensureSchema(this.#schemaName, () =>
      cedarSchema({ operations: [this.operation], context: () => this.shape, attributes: this.#reads.attributes }),
    )
    return this.#schemaName
  }

  /** Throws CannotEncode for a value that Cedar cannot hold, where a policy looks at it. */
  request(question: Question): PlannedRequest {
    const { operation } = this
    const { agent, subject } = question.principal
    const person = subject === undefined ? undefined : (question.person ?? { name: subject, groups: [], roles: [] })
    const principals = [agentUid(wellFormed(agent.name, 'agent'))]
    if (subject !== undefined) principals.push(personUid(wellFormed(subject, 'subject')))
    const resource = this.#resource(question)
    const entities = [this.#agent(agent), this.#connectorOrObject(resource)]
    if (subject !== undefined && person) entities.push(this.#person(subject, person))
    if (this.#reads.attributes.has('owner') && agent.owner !== subject)
      entities.push(this.#person(agent.owner, this.#around.people.get(agent.owner) ?? { groups: [] }))
    return {
      principals,
      action: { type: `${namespaceOf(operation.connector)}::Action`, id: operation.name },
      resource,
      context: this.#context(question),
      entities: entities.filter((entity) => entity !== undefined),
    }
  }

  /** A request that nobody makes, to warm the engine with. */
  sample(): PlannedRequest {
    const { connector, name } = this.operation
    const [type = ''] = resourceTypes(this.operation)
    return {
      principals: [agentUid('')],
      action: { type: `${namespaceOf(connector)}::Action`, id: name },
      resource: { type, id: '' },
      context: sampleOf(this.shape) as JsonObject,
      entities: [],
    }
  }

  #context(question: Question): JsonObject {
    const { input, now, door, rationale, run, decisionRecord, principal } = question
    const { subject } = principal
    const all: JsonObject = { input, door, ...factsContext(this.shape, this.#facts, question) }
    // Only where it is looked at, and in whole seconds: otherwise no two requests were ever equal.
    if (reaches(this.#reads.context, 'now')) all.now = new Date(now - (now % 1_000)).toISOString()
    if (rationale !== undefined) all.rationale = rationale
    if (run !== undefined) all.run = run
    if (decisionRecord !== undefined) all.decisionRecord = recordSaid(decisionRecord)
    if (reaches(this.#reads.context, 'rationaleChars')) all.rationaleChars = visibleChars(rationale ?? '')
    if (subject !== undefined) all.subject = { __entity: personUid(subject) }
    return encode(this.shape, all) as JsonObject
  }

  #resource({ resourceKey }: Question): EntityUid {
    const { businessKey, connector } = this.operation
    if (!businessKey || resourceKey === undefined) return { type: 'Gatehouse::Connector', id: connector }
    return { type: `${namespaceOf(connector)}::${businessKey.type}`, id: wellFormed(resourceKey, businessKey.at) }
  }

  #agent(agent: Agent): Entity | undefined {
    const { autonomy, clearance, owner, region, team } = agent
    const known: JsonObject = { autonomy, clearance: [...clearance].sort(), owner: { __entity: personUid(owner) }, region, team }
    return this.#entity(agentUid(agent.name), known, 'Gatehouse::Role', agent.roles)
  }

  #person(id: string, { groups, region }: { groups: readonly string[]; region?: string }): Entity | undefined {
    return this.#entity(personUid(id), region === undefined ? {} : { region }, 'Gatehouse::Group', groups)
  }

  #connectorOrObject(resource: EntityUid): Entity | undefined {
    const { connector } = this.operation
    if (resource.type !== 'Gatehouse::Connector') return this.#entity(resource, {}, 'Gatehouse::Connector', [connector])
    const { kind = '', region = '' } = this.#around.connectors.get(connector) ?? {}
    return this.#entity(resource, { kind, region }, '', [])
  }

  /** Only attributes that are looked at and parents that are named; nothing at all where that leaves an empty entity. */
  #entity(uid: EntityUid, attributes: JsonObject, parentType: string, parents: readonly string[]): Entity | undefined {
    const kept = Object.entries(attributes).filter(([name]) => this.#reads.attributes.has(name))
    const named = this.#named.get(parentType)
    const above = named ? parents.filter((parent) => named.has(parent)).sort() : []
    if (kept.length === 0 && above.length === 0) return undefined
    return { uid, attrs: Object.fromEntries(kept), parents: above.map((id) => ({ type: parentType, id })) }
  }
}

/** Whether policies look at this member, or at all of them. */
export const reaches = (tree: ReadTree, name: string): boolean => tree.whole || tree.children.has(name)

/** A record from before playbooks were has been checked against none. */
const recordSaid = ({ playbook, version, outcome, checked = false }: DecisionRecord): JsonObject => ({
  playbook,
  version,
  outcome,
  checked,
})

/** Puts one principal's question to a preparsed set. Throws what the engine throws; a refused request is an answer with errors. */
export function ask(engine: CedarEngine, set: string, schema: string, request: PlannedRequest, principal: EntityUid): Answer {
  const { action, resource, context, entities } = request
  const answer = engine.with((api) =>
    api.statefulIsAuthorized({
      principal,
      action,
      resource,
      context: context as Cedar.Context,
      entities: entities as Cedar.Entities,
      preparsedPolicySetId: set,
      preparsedSchemaName: schema,
      validateRequest: true,
    }),
  )
  return answerOf(answer)
}

export function answerOf(answer: Cedar.AuthorizationAnswer): Answer {
  if (answer.type === 'failure')
    return { allow: false, refused: true, reason: [], failed: [], errors: answer.errors.map((error) => `request: ${error.message}`) }
  const { decision, diagnostics } = answer.response
  return {
    allow: decision === 'allow',
    refused: false,
    failed: diagnostics.errors.map(({ policyId }) => policyId),
    reason: [...diagnostics.reason].sort(),
    errors: diagnostics.errors.map(({ policyId, error }) => `${policyId}: ${error.message}`).sort(),
  }
}
