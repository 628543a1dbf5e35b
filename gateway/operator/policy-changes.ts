import { GatewayError } from '../core/errors.ts'
import type { ErrorCode, Fault } from '../core/errors.ts'
import type { EntryBody } from '../core/entry.ts'
import type { ProposalId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import type { Page, PageRequest } from '../ports/call-store.ts'
import type { DraftTexts, Operator, PolicyDraft, PolicyReview, RolledBack } from '../ports/operator.ts'
import type { PolicyActivation, PolicyProposal, PolicySetTexts, ProposalState, StoredPolicySet } from '../ports/policy-sets.ts'
import type { PolicyFile, PolicyTests } from '../ports/policy-source.ts'
import type { PublicationStatus, PublishResult } from '../ports/publisher.ts'
import type { OperatorDeps } from './deps.ts'
import { comment, requirePerson, requireReader, requireRole } from './roles.ts'

const short = (hash: string): string => `\`${hash.slice(0, 12)}\``

/** Proposals, newest first. */
export async function listProposals(
  deps: OperatorDeps,
  by: Operator,
  state: ProposalState | undefined,
  page: PageRequest<ProposalId>,
): Promise<Page<PolicyProposal>> {
  requireReader(by, 'listing proposals')
  const rows = await deps.policySets.proposals(state, page.first + 1, page.after)
  return { rows: rows.slice(0, page.first), more: rows.length > page.first }
}

export function proposalTests(deps: OperatorDeps, by: Operator, id: ProposalId): Promise<readonly PolicyTests[] | undefined> {
  requireReader(by, 'looking at a proposal')
  return deps.policySets.proposalTests(id)
}

export function findProposal(deps: OperatorDeps, by: Operator, id: ProposalId): Promise<PolicyProposal | undefined> {
  requireReader(by, 'looking at a proposal')
  return deps.policySets.proposal(id)
}

/** Which sets were active, newest first; `before` is the `seq` to go on from. */
export async function listActivations(
  deps: OperatorDeps,
  by: Operator,
  first: number,
  before: number | undefined,
): Promise<readonly PolicyActivation[]> {
  requireReader(by, 'listing policy sets')
  return deps.policySets.history(first, before)
}

/** A set by its hash, with its texts. */
export function findPolicySet(deps: OperatorDeps, by: Operator, hash: string): Promise<StoredPolicySet | undefined> {
  requireReader(by, 'looking at a policy set')
  return deps.policySets.set(hash)
}

export function publicationStatus(deps: OperatorDeps, by: Operator): Promise<PublicationStatus> {
  requireReader(by, 'looking at the state of policies')
  return deps.publisher.status()
}

/**
 * Proposes texts in place of all that are active; nothing binds until somebody else approves. Throws BAD_INPUT with every fault of the texts and every
 * failed test, POLICIES_CHANGED where `base` is not active, FORBIDDEN, LIMITED.
 */
export async function proposePolicies(deps: OperatorDeps, by: Operator, draft: PolicyDraft): Promise<PolicyProposal> {
  requireRole(by, 'proposing policies', 'security', 'local')
  refuseAuditor(by, 'proposing policies')
  const note = required(draft.note, 'note')
  const base = await baseOf(deps, by, draft.base)
  await refuseTooMany(deps)
  const texts = textsOf(deps, draft)
  const tests = testsOf(draft.tests)
  const { policySet, whole, policies, remarks } = await deps.publisher
    .examine(texts, tests)
    .catch((error: unknown) => refused(deps, { change: 'publish', by, policySet: null, base }, badInput(error)))
  if (policySet === base) throw new GatewayError('BAD_INPUT', `the proposal changes nothing: it is the active set ${short(base)}`)
  await deps.policySets.keep({ hash: policySet, whole, ...texts, policies })
  const bounded = remarks.slice(0, LIMITS.policyRemarksMax)
  const id = deps.newProposalId()
  return deps.policySets.propose({ id, change: 'publish', policySet, base, by: by.name, note, remarks: bounded, tests })
}

/**
 * Decides on somebody else's proposal; an approval makes its set active, which binds at commit: `boundAfterMs` is how long that took. Throws
 * NOT_ELIGIBLE for one's own, PROPOSAL_NOT_OPEN, POLICIES_CHANGED, NOT_FOUND, FORBIDDEN.
 */
export async function reviewProposal(
  deps: OperatorDeps,
  by: Operator,
  id: ProposalId,
  verdict: 'approve' | 'reject',
  words: string | undefined,
): Promise<PolicyReview> {
  requireRole(by, 'reviewing policies', 'security')
  requirePerson(by, 'reviewing policies')
  const said = comment(words, 'comment') ?? null
  const proposal = await deps.policySets.proposal(id)
  if (!proposal) throw new GatewayError('NOT_FOUND', `no proposal \`${id}\``)
  const { policySet, base } = proposal
  const about = { change: 'review', by, policySet, base } as const
  if (proposal.by === by.name)
    await refused(deps, about, new GatewayError('NOT_ELIGIBLE', 'a proposal is reviewed by somebody other than who made it'))
  if (proposal.state !== 'open') throw notOpen(proposal)
  if (verdict === 'reject') {
    if (!(await deps.policySets.reject(id, by.name, said))) throw notOpen((await deps.policySets.proposal(id)) ?? proposal)
    return { proposal: (await deps.policySets.proposal(id)) ?? proposal, boundAfterMs: null }
  }
  const began = deps.clock.now()
  const rollBack = proposal.change === 'roll-back'
  const why = rollBack ? proposal.note : said
  const activation = {
    policySet,
    base,
    source: 'review',
    rollBack,
    by: proposal.by,
    reviewer: by.name,
    why,
    proposal: id,
    filesDigest: null,
  } as const
  const result = await deps.publisher.publish(activation)
  const boundAfterMs = deps.clock.now() - began
  if (result.kind === 'decided') throw notOpen((await deps.policySets.proposal(id)) ?? proposal)
  await taken(deps, result, about)
  return { proposal: (await deps.policySets.proposal(id)) ?? proposal, boundAfterMs }
}

/**
 * Puts an earlier set back: as a proposal for somebody else to review, or with `emergency` at once, by security and with a reason. Throws NOT_FOUND for
 * what never was active, POLICIES_CHANGED, BAD_INPUT, FORBIDDEN.
 */
export async function rollBackPolicies(
  deps: OperatorDeps,
  by: Operator,
  policySet: string,
  words: string,
  emergency: boolean,
): Promise<RolledBack> {
  requireRole(by, 'rolling policies back', 'security', ...(emergency ? [] : (['local'] as const)))
  refuseAuditor(by, 'rolling policies back')
  const why = required(words, 'reason')
  const base = await baseOf(deps, by, undefined)
  if (!(await deps.policySets.activation(policySet))) throw new GatewayError('NOT_FOUND', `no policy set \`${policySet}\` was ever active`)
  if (policySet === base) throw new GatewayError('BAD_INPUT', `the policy set ${short(base)} is active already`)
  const about = { change: 'roll-back', by, policySet, base } as const
  if (!emergency) {
    await refuseTooMany(deps)
    const id = deps.newProposalId()
    const proposal = await deps.policySets.propose({
      id,
      change: 'roll-back',
      policySet,
      base,
      by: by.name,
      note: why,
      remarks: [],
      tests: null,
    })
    return { proposal, boundAfterMs: null }
  }
  const began = deps.clock.now()
  const nobody = { reviewer: null, proposal: null, filesDigest: null }
  const result = await deps.publisher.publish({ policySet, base, source: 'emergency', rollBack: true, by: by.name, why, ...nobody })
  const boundAfterMs = deps.clock.now() - began
  await taken(deps, result, about)
  return { proposal: null, boundAfterMs }
}

/** The set to build upon: the active one, which a given `base` has to be. */
async function baseOf(deps: OperatorDeps, by: Operator, given: string | undefined): Promise<string> {
  const { policySet } = await deps.policySets.active()
  if (policySet === null) throw new GatewayError('UNAVAILABLE', 'no policy set is active yet')
  if (given !== undefined && given !== policySet) {
    const changed = changedMeanwhile(given, policySet)
    return await refused(deps, { change: 'publish', by, policySet: null, base: given }, changed)
  }
  return policySet
}

const changedMeanwhile = (base: string, active: string | null): GatewayError =>
  new GatewayError(
    'POLICIES_CHANGED',
    `the policy set \`${active}\` is active now, not ${short(base)}: take over what changed, and propose again on top of it`,
  )

/** Throws unless the set binds now. */
async function taken(deps: OperatorDeps, result: PublishResult, about: Refusal): Promise<void> {
  switch (result.kind) {
    case 'stale':
      return await refused(deps, about, changedMeanwhile(about.base, result.active))
    case 'unfit':
      return await refused(deps, about, new GatewayError('POLICIES_CHANGED', `the set no longer fits: ${result.why}: propose it again`))
    default:
  }
}

interface Refusal {
  change: Extract<EntryBody, { kind: 'policy.refused' }>['change']
  by: Operator
  policySet: string | null
  base: string
}

/** Records the refusal, and throws it. What is no refusal is thrown as it is. */
async function refused(deps: OperatorDeps, { change, by, policySet, base }: Refusal, error: unknown): Promise<never> {
  if (!(error instanceof GatewayError) || !REFUSALS.has(error.code)) throw error
  const faults = error.faults.slice(0, LIMITS.policyRemarksMax)
  const { code, message } = error
  await deps.recorder.note(null, { kind: 'policy.refused', change, by: by.name, policySet, base, code, message, faults })
  throw error
}

const REFUSALS: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['BAD_INPUT', 'POLICIES_CHANGED', 'NOT_ELIGIBLE'])

/** Faulty texts are the proposer's input here, not the gateway's configuration. */
function badInput(error: unknown): unknown {
  if (!(error instanceof GatewayError) || error.code !== 'CONFIG_INVALID') return error
  return new GatewayError('BAD_INPUT', `the proposal is refused: ${error.message}`, { faults: error.faults })
}

function notOpen({ id, state, reviewer }: PolicyProposal): GatewayError {
  return new GatewayError('PROPOSAL_NOT_OPEN', `proposal \`${id}\` is ${state}, by \`${reviewer}\``)
}

async function refuseTooMany(deps: OperatorDeps): Promise<void> {
  const open = await deps.policySets.proposals('open', LIMITS.policyProposalsOpenMax)
  if (open.length >= LIMITS.policyProposalsOpenMax)
    throw new GatewayError('LIMITED', `${open.length} proposals are open: have some of them reviewed first`)
}

function refuseAuditor(by: Operator, doing: string): void {
  if (by.roles.includes('auditor'))
    throw new GatewayError('FORBIDDEN', `auditors read everything and change nothing: ${doing} is not for them`)
}

function required(words: string, what: string): string {
  const said = comment(words, what)
  if (said === undefined) throw new GatewayError('BAD_INPUT', `the ${what} is empty: say why`)
  return said
}

/** The files of a draft by their names: `org.cedar`, and `<connector>.cedar`. Throws BAD_INPUT. */
export function textsOf(deps: OperatorDeps, { files, facts }: DraftTexts): PolicySetTexts {
  const connectors = new Set(deps.catalogue().connectors.map(({ name }) => name))
  const faults: Fault[] = []
  const names = new Set<string>()
  const read = files.flatMap(({ name, text }): PolicyFile[] => {
    const connector = /^([a-z0-9]+)\.cedar$/.exec(name)?.[1]
    if (names.has(name)) faults.push({ pointer: name, message: `\`${name}\` is there twice` })
    else if (connector !== 'org' && (connector === undefined || !connectors.has(connector)))
      faults.push({ pointer: name, message: 'a policy file is `org.cedar`, or named after its connector' })
    names.add(name)
    return connector === undefined ? [] : [{ path: name, connector: connector === 'org' ? null : connector, text }]
  })
  if (faults.length > 0)
    throw new GatewayError('BAD_INPUT', `the proposal is refused: ${faults[0]?.pointer}: ${faults[0]?.message}`, { faults })
  return { files: [...read, ...deps.libraryFiles], facts: facts === null ? null : { path: 'facts.yaml', text: facts } }
}

/** The tests of a draft. They are kept and shown under their names, so that these lead nowhere. Throws BAD_INPUT. */
export function testsOf(tests: readonly PolicyTests[]): readonly PolicyTests[] {
  const names = new Set<string>()
  const faults = tests.flatMap(({ path }): Fault[] => {
    const twice = names.has(path)
    names.add(path)
    if (twice) return [{ pointer: path, message: `\`${path}\` is there twice` }]
    if (/^(tests\/)?[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.json$/.test(path)) return []
    return [{ pointer: path.slice(0, 100), message: 'a file of tests is `tests/<name>.json`: letters, digits, `.`, `_` and `-`' }]
  })
  const [first] = faults
  if (first) throw new GatewayError('BAD_INPUT', `the tests are refused: ${first.pointer}: ${first.message}`, { faults })
  return tests.map(({ path, text }) => ({ path, text }))
}
