import { Arg, Ctx, ID, Int, Mutation, Query, Resolver } from 'type-graphql'
import { GatewayError } from '../../gateway/core/errors.ts'
import { parseProposalId } from '../../gateway/core/ids.ts'
import type { OperatorContext } from '../../gateway/ports/operator.ts'
import type { ProposalState } from '../../gateway/ports/policy-sets.ts'
import { PolicyVerdictEnum, ProposalStateEnum } from './enums.ts'
import { spend } from './looks.ts'
import { afterArgument, type Connection, connectionType, firstArgument, pageRequest, toConnection } from './page.ts'
import {
  PolicyActivationType,
  PolicyFileInput,
  PolicyProposalType,
  PolicyReviewType,
  PolicyRollBackType,
  PolicySetType,
  PolicyStatusType,
} from './policy-change-types.ts'

const ProposalConnection = connectionType('PolicyProposal', () => PolicyProposalType)
const ActivationConnection = connectionType('PolicyActivation', () => PolicyActivationType)

const optional = { nullable: true } as const
const READ_ERRORS = 'Errors: FORBIDDEN (without a reading role), UNAVAILABLE.'

function parseSeq(raw: string): string {
  if (!/^[1-9]\d{0,14}$/.test(raw)) throw new GatewayError('BAD_INPUT', 'no position of this history')
  return raw
}

/** Reads are told apart from writes by their names; nothing becomes active without a review but an emergency. */
@Resolver()
export class PolicyChangeResolver {
  @Query(() => PolicyStatusType, { description: `Which policy set binds, and how this process stands to it. ${READ_ERRORS}` })
  async policyStatus(@Ctx() { by, cases }: OperatorContext): Promise<PolicyStatusType> {
    return new PolicyStatusType(await cases.publicationStatus(by))
  }

  @Query(() => ActivationConnection, { description: `Which policy sets were active, newest first. ${READ_ERRORS}` })
  async policySets(
    @Ctx() context: OperatorContext,
    @Arg('first', () => Int, firstArgument) first: number | null,
    @Arg('after', () => String, afterArgument) after: string | null,
  ): Promise<Connection<PolicyActivationType>> {
    const page = pageRequest(first, after, parseSeq)
    spend(context, page.first)
    const found = await context.cases.policySets(context.by, page.first + 1, page.after === undefined ? undefined : Number(page.after))
    const rows = found.slice(0, page.first).map((activation) => ({ id: String(activation.seq), activation }))
    return toConnection({ rows, more: found.length > page.first }, page, ({ activation }) => new PolicyActivationType(activation))
  }

  @Query(() => PolicySetType, { nullable: true, description: `A policy set with its texts, by its hash. ${READ_ERRORS}` })
  async policySet(@Ctx() context: OperatorContext, @Arg('hash', () => ID) hash: string): Promise<PolicySetType | null> {
    const set = await context.cases.policySet(context.by, hash)
    return set ? new PolicySetType(set) : null
  }

  @Query(() => ProposalConnection, { description: `Proposals, newest first. ${READ_ERRORS}` })
  async policyProposals(
    @Ctx() context: OperatorContext,
    @Arg('state', () => ProposalStateEnum, optional) state: ProposalState | null,
    @Arg('first', () => Int, firstArgument) first: number | null,
    @Arg('after', () => String, afterArgument) after: string | null,
  ): Promise<Connection<PolicyProposalType>> {
    const page = pageRequest(first, after, parseProposalId)
    spend(context, page.first)
    const found = await context.cases.policyProposals(context.by, state ?? undefined, page)
    return toConnection(found, page, (proposal) => new PolicyProposalType(proposal))
  }

  @Query(() => PolicyProposalType, { nullable: true, description: `One proposal. ${READ_ERRORS} ID_MALFORMED.` })
  async policyProposal(@Ctx() { by, cases }: OperatorContext, @Arg('id', () => ID) id: string): Promise<PolicyProposalType | null> {
    const proposal = await cases.policyProposal(by, parseProposalId(id))
    return proposal ? new PolicyProposalType(proposal) : null
  }

  @Mutation(() => PolicyProposalType, {
    description:
      'Proposes texts in place of all active ones; nothing binds until somebody else approves. For security and the local operator. Errors: FORBIDDEN, BAD_INPUT with every fault and every failed test, POLICIES_CHANGED where `base` is not active, LIMITED, UNAVAILABLE.',
  })
  async proposePolicies(
    @Ctx() { by, cases }: OperatorContext,
    @Arg('files', () => [PolicyFileInput]) files: PolicyFileInput[],
    @Arg('facts', () => String, { nullable: true, description: 'Text of `facts.yaml`.' }) facts: string | null,
    @Arg('tests', () => [PolicyFileInput], { nullable: true, description: 'Policy tests, in the format of `cedar run-tests`.' })
    tests: PolicyFileInput[] | null,
    @Arg('note', () => String, { description: 'Why, for the reviewer.' }) note: string,
    @Arg('base', () => ID, { nullable: true, description: 'The set that the texts were built upon; the active one where it is not given.' })
    base: string | null,
  ): Promise<PolicyProposalType> {
    const draft = {
      files: files.map(({ name, text }) => ({ name, text })),
      facts: facts ?? null,
      tests: (tests ?? []).map(({ name, text }) => ({ path: name, text })),
      note,
      base: base ?? undefined,
    }
    return new PolicyProposalType(await cases.proposePolicies(by, draft))
  }

  @Mutation(() => PolicyReviewType, {
    description:
      "Decides on somebody else's proposal; an approval makes its set active at once. For security. Errors: FORBIDDEN, NOT_ELIGIBLE (one's own), PROPOSAL_NOT_OPEN, POLICIES_CHANGED, NOT_FOUND, ID_MALFORMED, UNAVAILABLE.",
  })
  async reviewPolicyProposal(
    @Ctx() { by, cases }: OperatorContext,
    @Arg('id', () => ID) id: string,
    @Arg('verdict', () => PolicyVerdictEnum) verdict: 'APPROVE' | 'REJECT',
    @Arg('comment', () => String, optional) comment: string | null,
  ): Promise<PolicyReviewType> {
    const word = verdict === 'APPROVE' ? 'approve' : 'reject'
    const { proposal, boundAfterMs } = await cases.reviewPolicyProposal(by, parseProposalId(id), word, comment ?? undefined)
    return new PolicyReviewType(proposal, boundAfterMs)
  }

  @Mutation(() => PolicyRollBackType, {
    description:
      'Puts a set back that was active before: as a proposal to review or, with `emergency`, at once. For security; the local operator may only propose. Errors: FORBIDDEN, NOT_FOUND, BAD_INPUT, POLICIES_CHANGED, LIMITED, UNAVAILABLE.',
  })
  async rollBackPolicies(
    @Ctx() { by, cases }: OperatorContext,
    @Arg('set', () => ID) set: string,
    @Arg('why', () => String) why: string,
    @Arg('emergency', () => Boolean, { defaultValue: false }) emergency: boolean,
  ): Promise<PolicyRollBackType> {
    const { proposal, boundAfterMs } = await cases.rollBackPolicies(by, set, why, emergency)
    return new PolicyRollBackType(proposal, boundAfterMs)
  }
}
