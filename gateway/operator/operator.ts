import type { OperatorUseCases } from '../ports/operator.ts'
import { agentHistory, agentPermissions, findAgent, lastCalls, listAgents, registrant, setAgentStatus } from './agents.ts'
import { approveHolds, rejectHolds, similarHolds } from './alike-holds.ts'
import {
  accountOfCall,
  attachedRecord,
  equalCall,
  findCall,
  listCalls,
  mayViewPayload,
  objectOf,
  resolveCall,
  trail,
  whyNotResolve,
} from './calls.ts'
import { breakGlass, brokenFor, listBrokenGlass, reviewBreakGlass, whyNotBreakGlass, whyNotReview } from './break-glass.ts'
import {
  connectorDrift,
  connectorHealth,
  driftCount,
  findConnector,
  listConnectors,
  listOperations,
  operationOf,
  servedPlaybook,
} from './catalogue.ts'
import { setCredential } from './credentials.ts'
import type { OperatorDeps } from './deps.ts'
import { erasePayloads } from './erase.ts'
import { editHold } from './edit-hold.ts'
import { figuresOfHold, figuresOfVoters, holdFigures } from './figures.ts'
import { approveHold, callsBefore, callsOfHolds, findHold, holdProgress, listHolds, listVotes, rejectHold, whyIneligible } from './holds.ts'
import { callChanges, inboxChanges } from './live.ts'
import { findGrant, giveStanding, grantGiven, grantOfCall, listGrants, revokeGrant, withdrawStanding } from './grants.ts'
import { listNoticesGivenUp, openNotice } from './notices.ts'
import { callProofs, logCheckpoint, logFloor, logPage, wholePolicySet } from './log.ts'
import { recordRefusal } from './refusals.ts'
import { callMetrics, exceptions } from './metrics.ts'
import { explain, listPolicies, nearMisses, policyText } from './policies.ts'
import {
  findPolicySet,
  findProposal,
  listActivations,
  listProposals,
  proposalTests,
  proposePolicies,
  publicationStatus,
  reviewProposal,
  rollBackPolicies,
} from './policy-changes.ts'
import { registerAgent } from './register-agent.ts'
import { checkPolicies, diffPolicies, policyTests } from './policy-drafts.ts'
import { startRun } from './runs.ts'
import { findRun, listEntries, listViews } from './record-questions.ts'
import { sampleCalls } from './samples.ts'
import { simulatePolicies } from './simulate.ts'
import { mintAgentToken, mintPersonToken, mintSignInLink } from './tokens.ts'

type Verb<A extends readonly unknown[], R> = (deps: OperatorDeps, ...args: A) => R

const bindTo =
  (deps: OperatorDeps) =>
  <A extends readonly unknown[], R>(verb: Verb<A, R>) =>
  (...args: A): R =>
    verb(deps, ...args)

type GrantCases = Pick<
  OperatorUseCases,
  | 'grants'
  | 'grant'
  | 'grantOfCall'
  | 'grantGiven'
  | 'giveStanding'
  | 'withdrawStanding'
  | 'revokeGrant'
  | 'brokenGlass'
  | 'brokenFor'
  | 'whyNotBreakGlass'
  | 'whyNotReview'
  | 'breakGlass'
  | 'reviewBreakGlass'
>

const grantCases = (bound: ReturnType<typeof bindTo>): GrantCases => ({
  grants: bound(listGrants),
  grant: bound(findGrant),
  grantOfCall: bound(grantOfCall),
  grantGiven: bound(grantGiven),
  giveStanding: bound(giveStanding),
  withdrawStanding: bound(withdrawStanding),
  revokeGrant: bound(revokeGrant),
  brokenGlass: bound(listBrokenGlass),
  brokenFor: bound(brokenFor),
  whyNotBreakGlass: bound(whyNotBreakGlass),
  whyNotReview: bound(whyNotReview),
  breakGlass: bound(breakGlass),
  reviewBreakGlass: bound(reviewBreakGlass),
})

/** Agents, connectors, and what they prove themselves with. */
function registerCases(bound: ReturnType<typeof bindTo>) {
  return {
    agents: bound(listAgents),
    agent: bound(findAgent),
    registrant: bound(registrant),
    agentHistory: bound(agentHistory),
    lastCalls: bound(lastCalls),
    agentPermissions: bound(agentPermissions),
    registerAgent: bound(registerAgent),
    setAgentStatus: bound(setAgentStatus),
    connectors: bound(listConnectors),
    connector: bound(findConnector),
    connectorHealth: bound(connectorHealth),
    driftCount: bound(driftCount),
    connectorDrift: bound(connectorDrift),
    playbook: bound(servedPlaybook),
    operations: bound(listOperations),
    operationOf: bound(operationOf),
    startRun: bound(startRun),
    mintAgentToken: bound(mintAgentToken),
    mintPersonToken: bound(mintPersonToken),
    mintSignInLink: bound(mintSignInLink),
    setCredential: bound(setCredential),
  }
}

/** People's use cases over these parts. The roles are checked here, so every way in has the same rules. */
export function createOperator(deps: OperatorDeps): OperatorUseCases {
  const bound = bindTo(deps)
  return {
    ...registerCases(bound),
    ...grantCases(bound),
    calls: bound(listCalls),
    call: bound(findCall),
    mayViewPayload: bound(mayViewPayload),
    attachedRecord: bound(attachedRecord),
    accountOfCall: bound(accountOfCall),
    trail: bound(trail),
    nearMisses: bound(nearMisses),
    holds: bound(listHolds),
    hold: bound(findHold),
    votes: bound(listVotes),
    callsOfHolds: bound(callsOfHolds),
    holdProgress: bound(holdProgress),
    callsBefore: bound(callsBefore),
    whyIneligible: bound(whyIneligible),
    equalCall: bound(equalCall),
    objectOf: bound(objectOf),
    entries: bound(listEntries),
    views: bound(listViews),
    run: bound(findRun),
    sample: bound(sampleCalls),
    checkpoint: bound(logCheckpoint),
    logFloor: bound(logFloor),
    callProofs: bound(callProofs),
    erasePayloads: bound(erasePayloads),
    logPage: bound(logPage),
    wholePolicySet: bound(wholePolicySet),
    policyText: bound(policyText),
    approveHold: bound(approveHold),
    rejectHold: bound(rejectHold),
    approveHolds: bound(approveHolds),
    rejectHolds: bound(rejectHolds),
    similarHolds: bound(similarHolds),
    holdFigures: bound(holdFigures),
    figuresOfHold: bound(figuresOfHold),
    figuresOfVoters: bound(figuresOfVoters),
    editHold: bound(editHold),
    openNotice: bound(openNotice),
    noticesGivenUp: bound(listNoticesGivenUp),
    resolveCall: bound(resolveCall),
    whyNotResolve: bound(whyNotResolve),
    policies: bound(listPolicies),
    explain: bound(explain),
    inboxChanges: bound(inboxChanges),
    callChanges: bound(callChanges),
    publicationStatus: bound(publicationStatus),
    policySets: bound(listActivations),
    policySet: bound(findPolicySet),
    policyProposals: bound(listProposals),
    policyProposal: bound(findProposal),
    proposePolicies: bound(proposePolicies),
    reviewPolicyProposal: bound(reviewProposal),
    rollBackPolicies: bound(rollBackPolicies),
    simulatePolicies: bound(simulatePolicies),
    checkPolicies: bound(checkPolicies),
    diffPolicies: bound(diffPolicies),
    policyTests: bound(policyTests),
    proposalTests: bound(proposalTests),
    callMetrics: bound(callMetrics),
    exceptions: bound(exceptions),
    refused: bound(recordRefusal),
  }
}
