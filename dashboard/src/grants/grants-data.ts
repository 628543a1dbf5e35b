import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query'
import { ask } from '../gateway.ts'
import { graphql, type ResultOf } from '../graphql.ts'

const GRANTS = graphql(`
  query Grants($state: GrantState, $after: String) {
    grants(state: $state, first: 50, after: $after) {
      edges {
        node {
          id state agent subject operation used maxUses until givers holdId callId createdAt endedAt endedBy why
          totals { of most spent }
          policies { policyId reason }
          arguments { pointer kind }
        }
      }
      pageInfo { hasNextPage endCursor }
    }
  }
`)

const ALLOWED = graphql(`
  query GrantArguments($id: ID!) { grant(id: $id) { arguments { pointer kind values } } }
`)

const BROKEN = graphql(`
  query BrokenGlass($after: String) {
    brokenGlass(first: 50, after: $after) {
      edges { node { id state holdId callId by reason reviewDue createdAt reviewRefused review { verdict by comment at } } }
      pageInfo { hasNextPage endCursor }
    }
  }
`)

const STANDING = graphql(`
  query HoldStanding($id: ID!) {
    hold(id: $id) {
      standingAllowed { maxUses lifeSeconds pinned totals { of most } }
      standing { by maxUses until totals { of most } arguments { pointer kind values } }
      breakGlassRefused
      brokenGlass { by reason reviewDue }
    }
  }
`)

export const GIVE = graphql(
  `mutation GiveStanding($id: ID!, $digest: String!, $standing: StandingInput!, $comment: String) { giveStanding(id: $id, digest: $digest, standing: $standing, comment: $comment) { id state } }`,
)
export const WITHDRAW = graphql(
  `mutation WithdrawStanding($id: ID!, $digest: String!, $comment: String) { withdrawStanding(id: $id, digest: $digest, comment: $comment) { id state } }`,
)
export const REVOKE = graphql(`mutation RevokeGrant($id: ID!, $why: String!) { revokeGrant(id: $id, why: $why) { id state } }`)
export const BREAK = graphql(
  `mutation BreakGlass($id: ID!, $digest: String!, $reason: String!) { breakGlass(id: $id, digest: $digest, reason: $reason) { id state } }`,
)
export const REVIEW = graphql(
  `mutation ReviewBreakGlass($id: ID!, $verdict: BreakGlassVerdict!, $comment: String!) { reviewBreakGlass(id: $id, verdict: $verdict, comment: $comment) { id state } }`,
)

export type ListedGrant = ResultOf<typeof GRANTS>['grants']['edges'][number]['node']
export type ListedBreakGlass = ResultOf<typeof BROKEN>['brokenGlass']['edges'][number]['node']
export type HoldStanding = NonNullable<ResultOf<typeof STANDING>['hold']>
export type StandingAllowed = NonNullable<HoldStanding['standingAllowed']>
export type StandingOfHold = NonNullable<HoldStanding['standing']>
export type GrantStateName = ListedGrant['state']

/** Grants of one state, newest first, or of all. */
export const grantsQuery = (state: GrantStateName | null) =>
  infiniteQueryOptions({
    queryKey: ['grants', state],
    initialPageParam: null as string | null,
    queryFn: async ({ pageParam, signal }) => (await ask(GRANTS, { state, after: pageParam }, signal)).grants,
    getNextPageParam: ({ pageInfo }) => (pageInfo.hasNextPage ? pageInfo.endCursor : null),
    refetchInterval: 15_000,
  })

/** What a grant lets stand at each argument. Asked for by a person, once: each look is recorded. */
export const allowedQuery = (id: string) =>
  queryOptions({
    queryKey: ['grant-arguments', id],
    queryFn: async ({ signal }) => (await ask(ALLOWED, { id }, signal)).grant,
    enabled: false,
    staleTime: Number.POSITIVE_INFINITY,
  })

export const brokenGlassQuery = infiniteQueryOptions({
  queryKey: ['broken-glass'],
  initialPageParam: null as string | null,
  queryFn: async ({ pageParam, signal }) => (await ask(BROKEN, { after: pageParam }, signal)).brokenGlass,
  getNextPageParam: ({ pageInfo }) => (pageInfo.hasNextPage ? pageInfo.endCursor : null),
  refetchInterval: 15_000,
})

/** What may come with the approval of a hold, and what does. Read once for each digest: its values are arguments, and each look is recorded. */
export const standingQuery = (id: string, digest: string) =>
  queryOptions({
    queryKey: ['inbox-standing', id, digest],
    queryFn: async ({ signal }) => (await ask(STANDING, { id }, signal)).hold,
    staleTime: Number.POSITIVE_INFINITY,
  })
