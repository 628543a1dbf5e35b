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
      requires { group count }
      editsAllowed
      escalation { at to }
      votes { voter verdict comment at }
      ineligible
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

export const INBOX_CHANGED = graphql(`subscription InboxChanged { inboxChanged }`)
export const APPROVE = graphql(`mutation Approve($id: ID!, $comment: String) { approveHold(id: $id, comment: $comment) { id state } }`)
export const EDIT = graphql(
  `mutation Edit($id: ID!, $input: JSONObject!, $comment: String) { editHold(id: $id, input: $input, comment: $comment) { id state } }`,
)
export const REFUSE = graphql(`mutation Refuse($id: ID!, $comment: String) { rejectHold(id: $id, comment: $comment) { id state } }`)

export type ListedHold = ResultOf<typeof INBOX>['holds']['edges'][number]['node']
export type HoldState = NonNullable<ResultOf<typeof STATE>['hold']>
export type HoldCardData = NonNullable<ResultOf<typeof CARD>['hold']>

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

/** Seats by group that approvals do not fill yet, as far as the page can tell: the gateway decides. */
export const approvals = (votes: readonly { verdict: string }[]): number => votes.filter(({ verdict }) => verdict === 'approve').length
export const seats = (requires: readonly { count: number }[]): number => requires.reduce((sum, { count }) => sum + count, 0)
