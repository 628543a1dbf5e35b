import { queryOptions } from '@tanstack/react-query'
import { ask } from '../gateway.ts'
import { graphql, type ResultOf } from '../graphql.ts'
import type { AgentsSearch } from './agents-search.ts'

const AGENTS = graphql(`
  query Agents {
    agents { name owner team region purpose roles status lastCallAt }
  }
`)

const AGENT = graphql(`
  query Agent($name: String!) {
    agent(name: $name) {
      name
      owner
      team
      region
      purpose
      roles
      clearance
      autonomy
      status
      epoch
      registeredBy
      lastCallAt
      permissionCount
      permissions(first: 500) { id title mode reversibility }
      history(first: 100) { epoch at by status change why }
    }
    calls(filter: { agent: $name }, first: 10) {
      edges { node { id operation state createdAt } }
    }
    holds(filter: { agent: $name, state: [open] }, first: 100) {
      edges { node { id operation expiresAt } }
      pageInfo { hasNextPage }
    }
  }
`)

const FIGURES = graphql(`
  query AgentFigures($name: String!, $lately: DateTimeISO!, $long: DateTimeISO!) {
    lately: metrics(range: { since: $lately }, groupBy: TOTAL, filter: { agent: $name }) {
      rows { calls held denied failed inDoubt upstream { p95Ms } }
    }
    long: metrics(range: { since: $long }, groupBy: OPERATION, filter: { agent: $name }, first: 1000) {
      rows { key calls denied }
      more
    }
  }
`)

export const REGISTER = graphql(`
  mutation RegisterAgent(
    $name: String!
    $owner: String!
    $team: String!
    $region: String!
    $purpose: String!
    $roles: [String!]!
    $clearance: [String!]!
    $autonomy: Int!
    $keys: [JSON!]!
  ) {
    registerAgent(
      name: $name
      owner: $owner
      team: $team
      region: $region
      purpose: $purpose
      roles: $roles
      clearance: $clearance
      autonomy: $autonomy
      keys: $keys
    ) { name }
  }
`)

export const ACTIVATE = graphql(
  `mutation ActivateAgent($name: String!, $reason: String) { activateAgent(name: $name, reason: $reason) { agent { status } } }`,
)
export const REINSTATE = graphql(
  `mutation ReinstateAgent($name: String!, $reason: String) { reinstateAgent(name: $name, reason: $reason) { agent { status } } }`,
)
export const SUSPEND = graphql(
  `mutation SuspendAgent($name: String!, $reason: String) { suspendAgent(name: $name, reason: $reason) { effectiveAfterMs } }`,
)
export const RETIRE = graphql(
  `mutation RetireAgent($name: String!, $reason: String!) { retireAgent(name: $name, reason: $reason) { effectiveAfterMs cancelledHolds } }`,
)

export type ListedAgent = ResultOf<typeof AGENTS>['agents'][number]
export type AgentAnswer = ResultOf<typeof AGENT>
export type AgentData = NonNullable<AgentAnswer['agent']>
export type AgentStatus = ListedAgent['status']

/** Agents that fit: every word of the search is somewhere in what the list shows. Those that want something come first, retired ones last. */
export function fitting(agents: readonly ListedAgent[], { q = '', status }: AgentsSearch): readonly ListedAgent[] {
  const words = q.toLowerCase().split(/\s+/).filter(Boolean)
  const fits = ({ name, owner, team, region, purpose, roles }: ListedAgent): boolean => {
    const text = [name, owner, team, region, purpose, ...roles].join(' ').toLowerCase()
    return words.every((word) => text.includes(word))
  }
  const order: readonly AgentStatus[] = ['proposed', 'suspended', 'active', 'retired']
  return agents
    .filter((agent) => (status === undefined || agent.status === status) && fits(agent))
    .toSorted((a, b) => order.indexOf(a.status) - order.indexOf(b.status))
}

const POLL_MS = 15_000

export const agentsQuery = queryOptions({
  queryKey: ['agents'],
  queryFn: async ({ signal }) => (await ask(AGENTS, {}, signal)).agents,
  refetchInterval: POLL_MS,
})

export const agentQuery = (name: string) =>
  queryOptions({ queryKey: ['agents', name], queryFn: ({ signal }) => ask(AGENT, { name }, signal), refetchInterval: POLL_MS })

const DAY_MS = 86_400_000
export const LATELY_DAYS = 7
export const LONG_DAYS = 90

/** What an agent did: in total lately, and by operation for as long as a review looks back. */
export const agentFiguresQuery = (name: string) =>
  queryOptions({
    queryKey: ['agents', name, 'figures'],
    queryFn: ({ signal }) => {
      const since = (days: number): string => new Date(Date.now() - days * DAY_MS).toISOString()
      return ask(FIGURES, { name, lately: since(LATELY_DAYS), long: since(LONG_DAYS) }, signal)
    },
    refetchInterval: 4 * POLL_MS,
  })

export type AgentFigures = ResultOf<typeof FIGURES>
