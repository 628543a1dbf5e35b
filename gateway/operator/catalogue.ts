import type { Call } from '../core/call.ts'
import { type ConnectorHealth, healthOf } from '../core/connector-health.ts'
import type { FoundDrift } from '../core/drift.ts'
import { GatewayError } from '../core/errors.ts'
import type { ConnectorInfo, Operation } from '../core/operation.ts'
import type { Operator } from '../ports/operator.ts'
import type { ServedPlaybook } from '../ports/playbook-store.ts'
import type { OperatorDeps } from './deps.ts'
import { requireReader } from './roles.ts'

export function listConnectors(deps: OperatorDeps, by: Operator): readonly ConnectorInfo[] {
  requireReader(by, 'listing connectors')
  return deps.catalogue().connectors
}

export function findConnector(deps: OperatorDeps, by: Operator, name: string): ConnectorInfo | undefined {
  requireReader(by, 'looking at a connector')
  return deps.catalogue().connectors.find((connector) => connector.name === name)
}

/** How a connector's system does, by its newest calls. */
export async function connectorHealth(deps: OperatorDeps, by: Operator, name: string): Promise<ConnectorHealth> {
  requireReader(by, 'looking at a connector')
  return healthOf(await deps.store.ends(name))
}

/** How many parts of what a system says of itself nobody has reviewed. */
export async function driftCount(deps: OperatorDeps, by: Operator, name: string): Promise<number> {
  requireReader(by, 'looking at a connector')
  return await deps.drifts.count(name)
}

/** What a system says of itself that nobody has reviewed. */
export async function connectorDrift(deps: OperatorDeps, by: Operator, name: string): Promise<readonly FoundDrift[]> {
  requireReader(by, 'looking at a connector')
  return await deps.drifts.of(name)
}

/** A version of a playbook that was ever served. How agents decide is no secret to people. */
export async function servedPlaybook(
  deps: OperatorDeps,
  _by: Operator,
  name: string,
  version: string,
): Promise<ServedPlaybook | undefined> {
  return await deps.playbooks.served(name, version)
}

/** Operations by id. Throws NOT_FOUND for a connector that does not exist. */
export function listOperations(deps: OperatorDeps, by: Operator, connector: string | undefined): readonly Operation[] {
  requireReader(by, 'listing operations')
  const { connectors, operations } = deps.catalogue()
  if (connector !== undefined && !connectors.some(({ name }) => name === connector)) {
    throw new GatewayError('NOT_FOUND', `no connector \`${connector}\``)
  }
  return [...operations.values()]
    .filter((operation) => connector === undefined || operation.connector === connector)
    .sort((a, b) => (a.id < b.id ? -1 : 1))
}

/** The operation of a call that this person may see; undefined where there is another version of it now. */
export function operationOf(deps: OperatorDeps, _by: Operator, call: Call): Operation | undefined {
  const operation = deps.catalogue().operations.get(call.operation)
  return operation?.version === call.operationVersion ? operation : undefined
}
