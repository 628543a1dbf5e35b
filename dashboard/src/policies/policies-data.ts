import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query'
import { ask } from '../gateway.ts'
import { graphql, type ResultOf } from '../graphql.ts'
import { type Texts, textsOf } from './draft.ts'

const PAGE = 50

const STATUS = graphql(`query PolicyStatus { policyStatus { active decidesOn behind fileFaults { place message } } }`)

const SET = graphql(`
  query PolicySet($hash: ID!) {
    policySet(hash: $hash) {
      hash
      storedAt
      facts
      files { path connector library text }
      policies { id file line effect text annotations }
    }
  }
`)

const TESTS = graphql(`query PolicyTests { policyTests { name text } }`)

const PROPOSALS = graphql(`
  query PolicyProposals($first: Int!, $after: String) {
    policyProposals(first: $first, after: $after) {
      edges { node { id change state policySet base by note reviewer comment proposedAt decidedAt } }
      pageInfo { hasNextPage endCursor }
    }
  }
`)

const PROPOSAL = graphql(`
  query PolicyProposal($id: ID!) {
    policyProposal(id: $id) {
      id
      change
      state
      policySet
      base
      by
      note
      remarks
      reviewer
      comment
      proposedAt
      decidedAt
      set { facts files { path connector library text } }
      baseSet { facts files { path connector library text } }
      tests { name text }
    }
  }
`)

const HISTORY = graphql(`
  query PolicyHistory($first: Int!, $after: String) {
    policySets(first: $first, after: $after) {
      edges { cursor node { policySet base source rollBack by reviewer why proposal at } }
      pageInfo { hasNextPage endCursor }
    }
  }
`)

export const CHECK = graphql(`
  query CheckPolicies($draft: PolicyTextsInput!, $tests: [PolicyFileInput!]) {
    checkPolicies(draft: $draft, tests: $tests) {
      policySet
      policies
      faults { place message }
      findings { place severity rule policy message }
      passed
      failed
      tests { file name expected got by failure }
      coverage { policy file line decided near }
      untouched
    }
  }
`)

export const DIFF = graphql(`
  query DiffPolicies($draft: PolicyTextsInput!, $against: PolicyTextsInput) {
    diffPolicies(draft: $draft, against: $against) {
      added
      removed
      changed
      facts
      complete
      asked
      unchanged
      changes {
        change
        operations
        before { outcome denyReason approvals policies }
        after { outcome denyReason approvals policies }
        who { agent subject registered roles autonomy region team clearance groups }
        because
        requests
        mayBeRefused
      }
      classes { change dataClass agent subject registered operations }
      oneSided { policy condition never }
      unasked { operation why }
    }
  }
`)

export const SIMULATE = graphql(`
  query SimulatePolicies($draft: PolicyTextsInput!, $since: DateTimeISO!) {
    simulatePolicies(draft: $draft, since: $since) {
      since
      oldest
      calls
      stopped
      asToday
      operations {
        operation
        calls
        same
        undecided
        changes {
          change
          before { outcome denyReason approvals policies }
          after { outcome denyReason approvals policies }
          calls
          examples
        }
      }
      undecided { why calls examples }
    }
  }
`)

export const PROPOSE = graphql(`
  mutation ProposePolicies($files: [PolicyFileInput!]!, $facts: String, $tests: [PolicyFileInput!], $note: String!, $base: ID) {
    proposePolicies(files: $files, facts: $facts, tests: $tests, note: $note, base: $base) { id }
  }
`)

export const REVIEW = graphql(`
  mutation ReviewPolicies($id: ID!, $verdict: PolicyVerdict!, $comment: String) {
    reviewPolicyProposal(id: $id, verdict: $verdict, comment: $comment) { boundAfterMs proposal { id state } }
  }
`)

export const ROLL_BACK = graphql(`
  mutation RollBackPolicies($set: ID!, $why: String!, $emergency: Boolean!) {
    rollBackPolicies(set: $set, why: $why, emergency: $emergency) { boundAfterMs proposal { id } }
  }
`)

const ASKABLE = graphql(`
  query PolicyAskable {
    agents { name status }
    operations { id title mode inputSchema }
  }
`)

export const EXPLAIN = graphql(`
  query ExplainDecision($agent: String!, $operation: String!, $input: JSON!, $subject: String) {
    explain(agent: $agent, operation: $operation, input: $input, subject: $subject) {
      outcome
      denyReason
      advice
      errors
      shadow
      reasons { policyId text place reason approval }
      nearMisses { principal policyId place text failed { sentence values } }
    }
  }
`)

export type Check = ResultOf<typeof CHECK>['checkPolicies']
export type Diff = ResultOf<typeof DIFF>['diffPolicies']
export type Simulated = ResultOf<typeof SIMULATE>['simulatePolicies']
export type Said = Diff['changes'][number]['before']
export type ListedProposal = ResultOf<typeof PROPOSALS>['policyProposals']['edges'][number]['node']
export type Proposal = NonNullable<ResultOf<typeof PROPOSAL>['policyProposal']>
export type Activation = ResultOf<typeof HISTORY>['policySets']['edges'][number]['node']
export type PolicySet = NonNullable<ResultOf<typeof SET>['policySet']>
export type Explained = ResultOf<typeof EXPLAIN>['explain']

export const statusQuery = queryOptions({
  queryKey: ['policies', 'status'],
  queryFn: async ({ signal }) => (await ask(STATUS, {}, signal)).policyStatus,
  refetchInterval: 15_000,
})

/** A set never changes. */
export const setQuery = (hash: string) =>
  queryOptions({
    queryKey: ['policies', 'set', hash],
    queryFn: async ({ signal }) => (await ask(SET, { hash }, signal)).policySet,
    staleTime: Number.POSITIVE_INFINITY,
  })

/** The active texts with their tests: what a draft begins with. */
export const startQuery = (hash: string) =>
  queryOptions({
    queryKey: ['policies', 'start', hash],
    queryFn: async ({ signal }): Promise<Texts> => {
      const [{ policySet }, { policyTests }] = await Promise.all([ask(SET, { hash }, signal), ask(TESTS, {}, signal)])
      return policySet ? textsOf(policySet, policyTests) : {}
    },
    staleTime: Number.POSITIVE_INFINITY,
  })

export const proposalsQuery = infiniteQueryOptions({
  queryKey: ['policies', 'proposals'],
  initialPageParam: null as string | null,
  queryFn: async ({ pageParam, signal }) => (await ask(PROPOSALS, { first: PAGE, after: pageParam }, signal)).policyProposals,
  getNextPageParam: ({ pageInfo }) => (pageInfo.hasNextPage ? pageInfo.endCursor : null),
  refetchInterval: 15_000,
})

export const proposalQuery = (id: string) =>
  queryOptions({
    queryKey: ['policies', 'proposal', id],
    queryFn: async ({ signal }) => (await ask(PROPOSAL, { id }, signal)).policyProposal,
  })

export const historyQuery = infiniteQueryOptions({
  queryKey: ['policies', 'history'],
  initialPageParam: null as string | null,
  queryFn: async ({ pageParam, signal }) => (await ask(HISTORY, { first: PAGE, after: pageParam }, signal)).policySets,
  getNextPageParam: ({ pageInfo }) => (pageInfo.hasNextPage ? pageInfo.endCursor : null),
})

export const askableQuery = queryOptions({
  queryKey: ['policies', 'askable'],
  queryFn: ({ signal }) => ask(ASKABLE, {}, signal),
  staleTime: 60_000,
})
