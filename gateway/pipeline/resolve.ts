import { createHash } from 'node:crypto'
import { GatewayError } from '../core/errors.ts'
import type { JsonObject } from '../core/json.ts'
import type { OperationId } from '../core/ids.ts'
import type { Operation } from '../core/operation.ts'
import type { Principal } from '../core/principal.ts'
import type { ProxiedRequest } from '../ports/connector.ts'
import type { Parts } from './stages.ts'

export interface View {
  key: string
  operations: readonly Operation[]
}

/** Names to operations, for one principal: what it may not see does not exist for it. */
export interface Resolver {
  view(principal: Principal): View
  find(principal: Principal, jointName: string): Operation | undefined
  match(principal: Principal, connector: string, request: ProxiedRequest): { operation: Operation; input: JsonObject }
}

export function createResolver(parts: Parts): Resolver {
  const views = new WeakMap<ReadonlySet<OperationId>, View>()
  const visible = (principal: Principal): ReadonlySet<OperationId> => {
    const person = principal.subject === undefined ? undefined : parts.registry.person(principal.subject)
    return parts.decider.visible(principal, person)
  }
  return {
    view(principal) {
      const ids = visible(principal)
      const known = views.get(ids)
      if (known) return known
      const operations = [...parts.catalogue.operations.values()].filter((o) => ids.has(o.id))
      const digest = createHash('sha256').update(
        `${parts.catalogue.version}\n${parts.decider.policySet}\n${operations.map((o) => o.id).join('\n')}`,
      )
      const view = { key: digest.digest('hex'), operations }
      views.set(ids, view)
      return view
    },
    find(principal, jointName) {
      const operation = parts.catalogue.byJointName.get(jointName)
      return operation && visible(principal).has(operation.id) ? operation : undefined
    },
    match(principal, connector, request) {
      const found = parts.connectors.get(connector)
      const ids = visible(principal)
      // A connector of which nothing is visible answers like one that does not exist, before its paths can be probed.
      if (!found?.operations.some((o) => ids.has(o.id))) throw new GatewayError('NOT_FOUND', 'no such operation')
      const matched = found.match(request, (operation) => ids.has(operation.id))
      if (matched.operation) return { operation: matched.operation, input: matched.input }
      throw new GatewayError('NOT_FOUND', 'no such operation')
    },
  }
}
