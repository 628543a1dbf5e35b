import type { Call } from '../core/call.ts'
import { GatewayError } from '../core/errors.ts'
import type { ConnectorInfo, Operation } from '../core/operation.ts'
import type { Operator } from '../ports/operator.ts'
import type { OperatorDeps } from './deps.ts'
import { requireReader } from './roles.ts'

export function listConnectors(deps: OperatorDeps, by: Operator): readonly ConnectorInfo[] {
  requireReader(by, 'listing connectors')
  return deps.catalogue().connectors
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
