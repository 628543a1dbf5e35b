import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query'
import { ask } from '../gateway.ts'
import { graphql, type ResultOf } from '../graphql.ts'
import { type CallSearch, filterOf } from './call-search.ts'

const PAGE = 100
/** Newer calls that are counted; beyond, the page says that there are more. */
export const NEWER_MAX = 50
const POLL_MS = 5_000
/** Calls in doubt that are shown and counted. */
export const IN_DOUBT_MAX = 100

export const CALLS = graphql(`
  query Calls($filter: CallFilter, $first: Int!, $after: String) {
    calls(filter: $filter, first: $first, after: $after) {
      edges {
        node { id state agent subject operation door denyReason policies upstreamMs createdAt }
      }
      pageInfo { hasNextPage endCursor lookedBackTo }
    }
  }
`)

const IN_DOUBT = graphql(`
  query InDoubt($first: Int!) {
    calls(filter: { state: [in_doubt] }, first: $first) {
      edges {
        node {
          id
          agent
          owner
          subject
          connector
          operation
          createdAt
          updatedAt
          upstreamStatus
          upstreamMs
          error { message }
          about { title mode reversibility idempotency }
          object { type key }
          whyNotResolve
        }
      }
      pageInfo { hasNextPage }
    }
  }
`)

const IN_DOUBT_COUNT = graphql(`
  query InDoubtCount($first: Int!) {
    calls(filter: { state: [in_doubt] }, first: $first) {
      edges { node { id } }
      pageInfo { hasNextPage }
    }
  }
`)

const KNOWN = graphql(`
  query KnownNames {
    agents { name }
    operations { id }
    connectors { name }
    policies { id }
  }
`)

const CALL = graphql(`
  query Call($id: ID!) {
    call(id: $id) {
      id
      state
      door
      agent
      owner
      subject
      issuer
      actors
      connector
      operation
      operationVersion
      denyReason
      rationale
      run
      trace
      createdAt
      updatedAt
      resultKept
      erased { at by why }
      about { title description mode reversibility idempotency inputSchema }
      object { type key }
      equalCall { id at }
      error { code message advice }
      whyNotResolve
      grant { id givers until maxUses }
      decision { outcome denyReason advice reasons { policyId text place reason approval } errors shadow policySet engine at }
      hold { id state requires { group count } createdAt expiresAt decidedAt onApproval votes { voter verdict comment at } }
      outcome { kind at upstreamStatus upstreamMs error { code message } resultDigest resultBytes maskedClasses masked }
      entries { kind at process seq body }
    }
  }
`)

const WHY_NOT = graphql(`
  query WhyNot($id: ID!) {
    call(id: $id) { decision { nearMisses { principal policyId place text failed { sentence } } } }
  }
`)

const PAYLOADS = graphql(`
  query Payloads($id: ID!) {
    call(id: $id) {
      input
      inputText
      decisionRecord { playbook version outcome checked record schema }
      result { status headers body encoding }
    }
  }
`)

const FACTS = graphql(`
  query Facts($id: ID!) {
    call(id: $id) { decision { facts } }
  }
`)

export const RESOLVE = graphql(`
  mutation Resolve($id: ID!, $effect: CallEffect!, $evidence: String!) {
    resolveCall(id: $id, effect: $effect, evidence: $evidence) { id state }
  }
`)

export const CALL_CHANGED = graphql(`subscription CallChanged($id: ID!) { callChanged(id: $id) }`)

export type ListedCall = ResultOf<typeof CALLS>['calls']['edges'][number]['node']
export type DoubtfulCall = ResultOf<typeof IN_DOUBT>['calls']['edges'][number]['node']
export type CallData = NonNullable<ResultOf<typeof CALL>['call']>
export type AttachedRecord = NonNullable<NonNullable<ResultOf<typeof PAYLOADS>['call']>['decisionRecord']>
export type RecordEntry = CallData['entries'][number]
export type NearMiss = NonNullable<NonNullable<NonNullable<ResultOf<typeof WHY_NOT>['call']>['decision']>['nearMisses']>[number]

/** Calls that fit, newest first. They stay as they were when the page was opened: what came since is asked for beside. */
export const callsQuery = (search: CallSearch) =>
  infiniteQueryOptions({
    queryKey: ['calls', 'list', search],
    initialPageParam: null as string | null,
    queryFn: async ({ pageParam, signal }) => (await ask(CALLS, { filter: filterOf(search), first: PAGE, after: pageParam }, signal)).calls,
    getNextPageParam: ({ pageInfo }) => (pageInfo.hasNextPage ? pageInfo.endCursor : null),
    staleTime: Number.POSITIVE_INFINITY,
  })

/** The newest of them, again and again. */
export const newestQuery = (search: CallSearch) =>
  queryOptions({
    queryKey: ['calls', 'newest', search],
    queryFn: async ({ signal }) =>
      (await ask(CALLS, { filter: filterOf(search), first: NEWER_MAX, after: null }, signal)).calls.edges.map(({ node }) => node),
    refetchInterval: POLL_MS,
  })

export const inDoubtQuery = queryOptions({
  queryKey: ['in-doubt', 'list'],
  queryFn: async ({ signal }) => (await ask(IN_DOUBT, { first: IN_DOUBT_MAX }, signal)).calls,
  refetchInterval: POLL_MS,
})

/** How many calls are in doubt, at most so many as are counted. */
export const inDoubtCountQuery = queryOptions({
  queryKey: ['in-doubt', 'count'],
  queryFn: async ({ signal }) => {
    const { edges, pageInfo } = (await ask(IN_DOUBT_COUNT, { first: IN_DOUBT_MAX }, signal)).calls
    return { count: edges.length, more: pageInfo.hasNextPage }
  },
  refetchInterval: 3 * POLL_MS,
})

/** Names that may be looked for: help while typing, no more. */
export const knownQuery = queryOptions({
  queryKey: ['calls', 'known'],
  queryFn: ({ signal }) => ask(KNOWN, {}, signal),
  staleTime: 60_000,
})

export const callQuery = (id: string) =>
  queryOptions({ queryKey: ['call', id], queryFn: async ({ signal }) => (await ask(CALL, { id }, signal)).call })

const LOG_FLOOR = graphql(`
  query LogFloor { logFloor { removal { at newest lastCall } } }
`)

/** What of the record was removed under retention; null where nothing was. */
export const removalQuery = queryOptions({
  queryKey: ['log', 'removal'],
  queryFn: async ({ signal }) => (await ask(LOG_FLOOR, {}, signal)).logFloor.removal,
})

export const whyNotQuery = (id: string) =>
  queryOptions({
    queryKey: ['call', id, 'why-not'],
    queryFn: async ({ signal }) => (await ask(WHY_NOT, { id }, signal)).call?.decision?.nearMisses ?? null,
    staleTime: Number.POSITIVE_INFINITY,
  })

/** Arguments, facts and answer. Asked for once, when a person says so: the look is recorded. */
export const payloadsQuery = (id: string, at: string) =>
  queryOptions({
    queryKey: ['call', id, 'payloads', at],
    queryFn: async ({ signal }) => (await ask(PAYLOADS, { id }, signal)).call,
    staleTime: Number.POSITIVE_INFINITY,
  })

/** What policy was asked, with arguments and facts: a look of its own. */
export const factsQuery = (id: string, at: string) =>
  queryOptions({
    queryKey: ['call', id, 'facts', at],
    queryFn: async ({ signal }) => (await ask(FACTS, { id }, signal)).call?.decision?.facts ?? null,
    staleTime: Number.POSITIVE_INFINITY,
  })
