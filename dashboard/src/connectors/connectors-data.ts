import { queryOptions } from '@tanstack/react-query'
import { ask } from '../gateway.ts'
import { graphql, type ResultOf } from '../graphql.ts'
import type { OperationsSearch } from './connectors-search.ts'

const CONNECTORS = graphql(`
  query Connectors {
    connectors {
      name
      kind
      region
      driftCount
      operations { id }
      health { state since lastSuccessAt lastFailureAt lastFailure lastFailureStatus failuresInARow calls }
    }
  }
`)

const CONNECTOR = graphql(`
  query Connector($name: String!) {
    connector(name: $name) {
      name
      kind
      region
      health { state since lastSuccessAt lastFailureAt lastFailure lastFailureStatus failuresInARow calls }
      drift { subject operation change since reviewed seen }
      operations {
        id
        name
        title
        description
        mode
        reversibility
        idempotency
        classes
        labels
        version
        route
        businessKey { type at }
      }
    }
  }
`)

export type ListedConnector = ResultOf<typeof CONNECTORS>['connectors'][number]
export type ConnectorData = NonNullable<ResultOf<typeof CONNECTOR>['connector']>
export type Health = ListedConnector['health']
export type DriftData = ConnectorData['drift'][number]
export type OperationData = ConnectorData['operations'][number]

const POLL_MS = 15_000

export const connectorsQuery = queryOptions({
  queryKey: ['connectors'],
  queryFn: async ({ signal }) => (await ask(CONNECTORS, {}, signal)).connectors,
  refetchInterval: POLL_MS,
})

export const connectorQuery = (name: string) =>
  queryOptions({
    queryKey: ['connectors', name],
    queryFn: async ({ signal }) => (await ask(CONNECTOR, { name }, signal)).connector,
    refetchInterval: POLL_MS,
  })

/** Operations that fit: every word is somewhere in what the page shows of them. */
export function fitting(operations: readonly OperationData[], { q = '', mode }: OperationsSearch): readonly OperationData[] {
  const words = q.toLowerCase().split(/\s+/).filter(Boolean)
  return operations.filter((operation) => {
    const { id, title, description, classes, labels, businessKey } = operation
    const text = [id, title ?? '', description, ...classes, ...labels, businessKey?.type ?? ''].join(' ').toLowerCase()
    return (mode === undefined || operation.mode === mode) && words.every((word) => text.includes(word))
  })
}
