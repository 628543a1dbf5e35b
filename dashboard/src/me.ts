import { type QueryClient, queryOptions, useQuery } from '@tanstack/react-query'
import { ask, readSession, type SessionState } from './gateway.ts'
import { graphql, type ResultOf } from './graphql.ts'

const ME = graphql(`query Me { me { name groups roles } }`)

export type Me = ResultOf<typeof ME>['me']

/** Who is signed in here, and whether anybody can. */
export const sessionQuery = queryOptions({ queryKey: ['session'], queryFn: readSession, staleTime: 60_000, refetchOnWindowFocus: true })

export const meQuery = queryOptions({ queryKey: ['me'], queryFn: async ({ signal }) => (await ask(ME, {}, signal)).me, staleTime: 60_000 })

/** The person at this browser; undefined while that is not known. */
export const useMe = (): Me | undefined => useQuery(meQuery).data

/** Roles that read calls, agents, connectors and policies. Approvers without one see their inbox. */
export const mayRead = (me: Me | undefined): boolean =>
  me?.roles.some((role) => ['operator', 'security', 'auditor', 'local'].includes(role)) ?? false

/** Auditors read everything and change nothing: they see no buttons. */
export const mayChange = (me: Me | undefined): boolean => me !== undefined && !me.roles.includes('auditor')

export const hasRole = (me: Me | undefined, ...roles: readonly string[]): boolean => me?.roles.some((role) => roles.includes(role)) ?? false

/** Somebody else, or nobody, is at this browser from here on: what was read for the one before is forgotten. */
export function changePerson(client: QueryClient, session: SessionState): void {
  client.setQueryData(sessionQuery.queryKey, session)
  client.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== sessionQuery.queryKey[0] })
}
