import { Arg, Ctx, Query, Resolver } from 'type-graphql'
import { LIMITS } from '../../gateway/limits.ts'
import type { DraftTexts, OperatorContext } from '../../gateway/ports/operator.ts'
import { spend } from './looks.ts'
import { PolicyFileInput, PolicyTestFileType } from './policy-change-types.ts'
import { PolicyCheckType, PolicyDiffType } from './policy-draft-types.ts'
import { PolicyTextsInput } from './simulation-type.ts'

/** A draft as the use cases take it. */
export const draftOf = ({ files, facts }: PolicyTextsInput): DraftTexts => ({
  files: files.map(({ name, text }) => ({ name, text })),
  facts: facts ?? null,
})

/** What is said of texts that are not in force. Each runs apart from what decides, one a request, and nothing is kept. */
@Resolver()
export class PolicyDraftResolver {
  @Query(() => PolicyCheckType, {
    description:
      'All that `check` says of a draft: its faults, or how its tests end, what they cover, and what is remarkable. Nothing is kept. Errors: FORBIDDEN (without a reading role), LIMITED, UNAVAILABLE.',
  })
  async checkPolicies(
    @Ctx() context: OperatorContext,
    @Arg('draft', () => PolicyTextsInput) draft: PolicyTextsInput,
    @Arg('tests', () => [PolicyFileInput], { nullable: true, description: 'Policy tests, in the format of `cedar run-tests`.' })
    tests: PolicyFileInput[] | null,
  ): Promise<PolicyCheckType> {
    const { by, cases } = context
    spend(context, LIMITS.operatorLoadsPerRequestMax)
    const files = (tests ?? []).map(({ name, text }) => ({ path: name, text }))
    return new PolicyCheckType(await cases.checkPolicies(by, draftOf(draft), files))
  }

  @Query(() => PolicyDiffType, {
    description:
      'Which requests a draft decides otherwise than the active set, or than other texts. Nothing is kept. Errors: FORBIDDEN (without a reading role), BAD_INPUT with every fault of the texts, LIMITED, UNAVAILABLE.',
  })
  async diffPolicies(
    @Ctx() context: OperatorContext,
    @Arg('draft', () => PolicyTextsInput) draft: PolicyTextsInput,
    @Arg('against', () => PolicyTextsInput, { nullable: true, description: 'The active set where it is not given.' })
    against: PolicyTextsInput | null,
  ): Promise<PolicyDiffType> {
    const { by, cases } = context
    spend(context, LIMITS.operatorLoadsPerRequestMax)
    return new PolicyDiffType(await cases.diffPolicies(by, draftOf(draft), against ? draftOf(against) : undefined))
  }

  @Query(() => [PolicyTestFileType], {
    description:
      'The tests that the active set was published with, or those of the policy files where it came from files. Errors: FORBIDDEN (without a reading role), UNAVAILABLE.',
  })
  async policyTests(@Ctx() { by, cases }: OperatorContext): Promise<PolicyTestFileType[]> {
    return (await cases.policyTests(by)).map((file) => new PolicyTestFileType(file))
  }
}
