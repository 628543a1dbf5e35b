import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query'
import { ask } from '../gateway.ts'
import { graphql, type ResultOf } from '../graphql.ts'

const PAGE = 100

const INBOX = graphql(`
  query Inbox($first: Int!, $after: String) {
    holds(filter: { state: [open] }, orderBy: EXPIRES, first: $first, after: $after) {
      edges {
        node {
          id
          agent
          subject
          operation
          digest
          alike
          createdAt
          expiresAt
          requires { group count }
          votes { voter verdict }
          ineligible
          about { title reversibility }
        }
      }
      pageInfo { hasNextPage endCursor }
    }
  }
`)

const STATE = graphql(`
  query HoldState($id: ID!) {
    hold(id: $id) {
      id
      state
      digest
      expiresAt
      decidedAt
      requires { group count standIns }
      denyThreshold
      progress { seats { group filledBy open } refusals }
      editsAllowed
      escalation { at to notify opens happened }
      votes { voter verdict comment at }
      ineligible
      similar { id }
    }
  }
`)

const CARD = graphql(`
  query HoldCard($id: ID!) {
    hold(id: $id) {
      id
      callId
      agent
      owner
      subject
      operation
      input
      inputText
      decisionRecord { playbook version outcome checked record schema }
      edited { by changes }
      rationale
      onApproval
      digest
      createdAt
      about { title description reversibility inputSchema }
      reasons { policyId text place reason approval }
      equalCall { id at }
    }
  }
`)

const CONTEXT = graphql(`
  query HoldContext($id: ID!) {
    hold(id: $id) {
      id
      callsBefore { id operation state createdAt }
      figures {
        policyId days cut decided approved refused edited expired medianMs p95Ms votes quickVotes unseenVotes refusalsAtMost
      }
    }
  }
`)

const ARGUMENTS = graphql(`
  query HoldArguments($ids: [ID!]!, $first: Int!) {
    holds(filter: { ids: $ids, state: [open] }, orderBy: EXPIRES, first: $first) {
      edges {
        node {
          id
          digest
          agent
          subject
          operation
          alike
          expiresAt
          ineligible
          votes { voter }
          input
          inputText
          about { title reversibility inputSchema businessKey { at } }
          reasons { policyId reason }
        }
      }
    }
  }
`)

const TRUTH = graphql(`
  query HoldTruth($ids: [ID!]!, $first: Int!) {
    holds(filter: { ids: $ids }, first: $first) { edges { node { id state votes { voter } } } }
  }
`)

export const APPROVE_SEVERAL = graphql(`
  mutation ApproveSeveral($votes: [HoldVote!]!, $comment: String) {
    approveHolds(votes: $votes, comment: $comment) { id code message hold { state } }
  }
`)
export const REFUSE_SEVERAL = graphql(`
  mutation RefuseSeveral($votes: [HoldVote!]!, $comment: String) {
    rejectHolds(votes: $votes, comment: $comment) { id code message hold { state } }
  }
`)
export const INBOX_CHANGED = graphql(`subscription InboxChanged { inboxChanged }`)
export const APPROVE = graphql(
  `mutation Approve($id: ID!, $digest: String!, $comment: String) { approveHold(id: $id, digest: $digest, comment: $comment) { id state } }`,
)
export const EDIT = graphql(
  `mutation Edit($id: ID!, $input: JSONObject!, $comment: String) { editHold(id: $id, input: $input, comment: $comment) { id state } }`,
)
export const REFUSE = graphql(
  `mutation Refuse($id: ID!, $digest: String!, $comment: String) { rejectHold(id: $id, digest: $digest, comment: $comment) { id state } }`,
)

export type ListedHold = ResultOf<typeof INBOX>['holds']['edges'][number]['node']
export type HoldState = NonNullable<ResultOf<typeof STATE>['hold']>
export type HoldCardData = NonNullable<ResultOf<typeof CARD>['hold']>

export type HoldContext = NonNullable<ResultOf<typeof CONTEXT>['hold']>
export type ShownHold = ResultOf<typeof ARGUMENTS>['holds']['edges'][number]['node']
export type VoteResult = ResultOf<typeof APPROVE_SEVERAL>['approveHolds'][number]
/** So many votes the gateway takes at once. */
export const TOGETHER_MAX = 50

/** Open holds, what expires soonest first. Nothing of their arguments: a look at those is recorded. */
export const inboxQuery = infiniteQueryOptions({
  queryKey: ['inbox'],
  initialPageParam: null as string | null,
  queryFn: async ({ pageParam, signal }) => (await ask(INBOX, { first: PAGE, after: pageParam }, signal)).holds,
  getNextPageParam: ({ pageInfo }) => (pageInfo.hasNextPage ? pageInfo.endCursor : null),
})

/** How a hold stands now. */
export const holdStateQuery = (id: string) =>
  queryOptions({ queryKey: ['inbox', 'state', id], queryFn: async ({ signal }) => (await ask(STATE, { id }, signal)).hold })

/** What a hold is about. It never changes for one digest, so it is looked at, and the look recorded, once. */
export const holdCardQuery = (id: string, digest: string) =>
  queryOptions({
    queryKey: ['hold', id, digest],
    queryFn: async ({ signal }) => (await ask(CARD, { id }, signal)).hold,
    staleTime: Number.POSITIVE_INFINITY,
  })

/** What the agent did before, and how people decided by these rules: beside the card, not in its way. */
export const holdContextQuery = (id: string) =>
  queryOptions({
    queryKey: ['hold', 'context', id],
    queryFn: async ({ signal }) => (await ask(CONTEXT, { id }, signal)).hold,
    staleTime: 60_000,
  })

/** The arguments of open holds, for whoever may see them. Each is a look that is recorded. */
export async function lookAtArguments(ids: readonly string[], signal: AbortSignal): Promise<readonly ShownHold[]> {
  return (await ask(ARGUMENTS, { ids: [...ids], first: Math.max(1, ids.length) }, signal)).holds.edges.map(({ node }) => node)
}

/** How several holds stand, after an answer that did not come. */
export const holdTruthQuery = (ids: readonly string[]) =>
  queryOptions({
    queryKey: ['inbox', 'truth', ids],
    queryFn: async ({ signal }) =>
      (await ask(TRUTH, { ids: [...ids], first: Math.max(1, ids.length) }, signal)).holds.edges.map(({ node }) => node),
  })

/** Seats by group that approvals do not fill yet, as far as the page can tell: the gateway decides. */
export const approvals = (votes: readonly { verdict: string }[]): number => votes.filter(({ verdict }) => verdict === 'approve').length
export const seats = (requires: readonly { count: number }[]): number => requires.reduce((sum, { count }) => sum + count, 0)
