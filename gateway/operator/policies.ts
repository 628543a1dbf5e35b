import { callRequest } from '../core/entry.ts'
import { GatewayError } from '../core/errors.ts'
import type { Facts } from '../core/facts.ts'
import type { CallId, OperationId } from '../core/ids.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../core/json.ts'
import type { Principal } from '../core/principal.ts'
import type { NearMiss, PolicyText } from '../ports/decider.ts'
import type { Explained, Operator } from '../ports/operator.ts'
import { findCall, mayViewPayload } from './calls.ts'
import type { OperatorDeps } from './deps.ts'
import { hasRole, requireReader, requireRole } from './roles.ts'

export function listPolicies(deps: OperatorDeps, by: Operator): readonly PolicyText[] {
  requireReader(by, 'listing policies')
  return deps.decider().policies()
}

/** One policy as it stood in a set, today's where none is named, for every signed-in person. */
export async function policyText(deps: OperatorDeps, _by: Operator, id: string, policySet?: string): Promise<PolicyText | undefined> {
  const decider = deps.decider()
  if (policySet !== undefined && policySet !== decider.policySet) return await deps.policySets.text(policySet, id)
  return decider.policies().find((policy) => policy.id === id)
}

/**
 * What policy would say to this call now, on facts as they stand and those that are given. Nothing is executed, held or looked up; the question and its
 * answer are recorded. Throws NOT_FOUND, BAD_INPUT.
 */
export async function explain(
  deps: OperatorDeps,
  by: Operator,
  agentName: string,
  operationName: string,
  raw: JsonObject,
  subject: string | undefined,
  facts: JsonObject | undefined,
): Promise<Explained> {
  requireRole(by, 'explaining a decision', 'security', 'auditor', 'operator')
  const agent = deps.registry.agent(agentName)
  if (!agent) throw new GatewayError('NOT_FOUND', `no agent \`${agentName}\``)
  const operation = deps.catalogue().operations.get(operationName as OperationId)
  if (!operation) throw new GatewayError('NOT_FOUND', `no operation \`${operationName}\`: an operation is \`connector.operation\``)
  const input = deps.prepare(operation, raw)
  const principal: Principal = {
    agent,
    ...(subject === undefined ? {} : { subject }),
    actors: [agent.name],
    issuer: 'explain',
    tokenExpiresAtMs: deps.clock.now(),
  }
  const asked = { door: 'graphql', principal, operation, input, asserted: {} } as const
  const { decision, determining, nearMisses } = await deps.decideDry(asked, givenFacts(facts ?? {}), hasRole(by, 'security', 'auditor'))
  await deps.recorder.note(null, { kind: 'explained', by: by.name, request: callRequest(asked, null), decision })
  return { decision, policies: determining, nearMisses }
}

/** Which permits almost allowed a recorded call. A look at values that are payloads is recorded. Throws NOT_FOUND. */
export async function nearMisses(deps: OperatorDeps, by: Operator, id: CallId, payloads: boolean): Promise<readonly NearMiss[] | null> {
  const call = await findCall(deps, by, id)
  if (!call) throw new GatewayError('NOT_FOUND', `no call \`${id}\``)
  const decided = (await deps.store.entries(id)).findLast(({ body }) => body.kind === 'decision')
  if (decided?.body.kind !== 'decision' || decided.erased) return null
  const { verdict, evidence } = decided.body.decision
  if (verdict.effect !== 'deny' || verdict.reason !== 'no_permit') return null
  const found = await deps.nearMisses(evidence.policySet, call.operation, evidence.request)
  if (found === null || (payloads && (await mayViewPayload(deps, by, call)))) return found
  return found.map((miss) => ({ ...miss, failed: miss.failed.map((part) => ({ ...part, payload: {} })) }))
}

const isTexts = (value: JsonValue): value is string[] => Array.isArray(value) && value.every((item) => typeof item === 'string')

/** Throws BAD_INPUT, with a pointer, for what is none of the facts. */
function givenFacts(given: JsonObject): Partial<Facts> {
  const facts: { history?: JsonObject; lookup?: JsonObject; labels?: string[]; findings?: string[] } = {}
  for (const [name, value] of Object.entries(given)) {
    if ((name === 'history' || name === 'lookup') && isJsonObject(value)) facts[name] = value
    else if ((name === 'labels' || name === 'findings') && isTexts(value)) facts[name] = [...new Set(value)].sort()
    else
      throw new GatewayError(
        'BAD_INPUT',
        'facts are `history` and `lookup`, objects by name, and `labels` and `findings`, lists of texts',
        {
          faults: [{ pointer: `/facts/${name.slice(0, 64)}`, message: 'is none of them, or of another form' }],
        },
      )
  }
  return facts
}
