import { callRequest } from '../core/entry.ts'
import { NO_FACTS } from '../core/facts.ts'
import { GatewayError } from '../core/errors.ts'
import type { OperationId } from '../core/ids.ts'
import { atPointer, type JsonObject } from '../core/json.ts'
import { resourceOf } from '../core/operation.ts'
import type { Principal } from '../core/principal.ts'
import type { PolicyText, Question } from '../ports/decider.ts'
import type { Explained, Operator } from '../ports/operator.ts'
import type { OperatorDeps } from './deps.ts'
import { requireReader, requireRole } from './roles.ts'

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

/** What policy would say to this call now. Nothing is executed or held; the question and its answer are recorded. Throws NOT_FOUND, BAD_INPUT. */
export async function explain(
  deps: OperatorDeps,
  by: Operator,
  agentName: string,
  operationName: string,
  raw: JsonObject,
  subject: string | undefined,
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
  const person = subject === undefined ? undefined : deps.registry.person(subject)
  const resourceKey = resourceOf(operation, input, atPointer)
  const question: Question = {
    operation,
    principal,
    ...(person ? { person } : {}),
    ...(resourceKey === undefined ? {} : { resourceKey }),
    input,
    now: deps.clock.now(),
    door: 'graphql',
    facts: NO_FACTS,
  }
  const { decision, determining } = deps.decider().explain(question)
  await deps.recorder.note(null, { kind: 'explained', by: by.name, request: callRequest({ ...question, asserted: {} }, null), decision })
  return { decision, policies: determining }
}
