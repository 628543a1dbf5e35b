import { Arg, Ctx, ID, Int, Mutation, Query, Resolver } from 'type-graphql'
import type { BreakGlassState, BreakGlassVerdict } from '../../gateway/core/break-glass.ts'
import { instant } from '../../gateway/core/clock.ts'
import type { GrantState } from '../../gateway/core/grant.ts'
import { parseBreakGlassId, parseGrantId, parseHoldId } from '../../gateway/core/ids.ts'
import type { OperatorContext } from '../../gateway/ports/operator.ts'
import { BreakGlassStateEnum, BreakGlassVerdictEnum, GrantStateEnum } from './enums.ts'
import { BreakGlassType, constraintOf, GrantType, StandingInput } from './grant-types.ts'
import { HoldType } from './hold-type.ts'
import { spend } from './looks.ts'
import { afterArgument, type Connection, connectionType, firstArgument, pageRequest, toConnection } from './page.ts'

const GrantConnection = connectionType('Grant', () => GrantType)
const BreakGlassConnection = connectionType('BreakGlass', () => BreakGlassType)

const DIGEST = 'The digest of the hold as it was shown.'
const ERRORS = 'HOLD_NOT_OPEN, NOT_ELIGIBLE, FORBIDDEN, NOT_FOUND, BAD_INPUT, ID_MALFORMED, UNAVAILABLE'

@Resolver()
export class GrantResolver {
  @Query(() => GrantConnection, {
    description:
      'Standing grants, newest first: all for reading roles, otherwise those that you gave or could give. Errors: BAD_INPUT, UNAVAILABLE.',
  })
  async grants(
    @Ctx() context: OperatorContext,
    @Arg('state', () => GrantStateEnum, { nullable: true }) state: GrantState | null,
    @Arg('agent', () => String, { nullable: true }) agent: string | null,
    @Arg('first', () => Int, firstArgument) first: number | null,
    @Arg('after', () => String, afterArgument) after: string | null,
  ): Promise<Connection<GrantType>> {
    const { by, cases } = context
    const page = pageRequest(first, after, parseGrantId)
    spend(context, page.first)
    const filter = { ...(state ? { state } : {}), ...(agent ? { agent } : {}) }
    return toConnection(await cases.grants(by, filter, page), page, (grant) => new GrantType(grant))
  }

  @Query(() => GrantType, { nullable: true, description: 'Null where there is none, and where you may not see it. Errors: ID_MALFORMED.' })
  async grant(@Ctx() { by, cases }: OperatorContext, @Arg('id', () => ID) id: string): Promise<GrantType | null> {
    const grant = await cases.grant(by, parseGrantId(id))
    return grant ? new GrantType(grant) : null
  }

  @Query(() => BreakGlassConnection, {
    description: 'Holds that one person approved alone, newest first. Errors: FORBIDDEN (without a reading role), BAD_INPUT, UNAVAILABLE.',
  })
  async brokenGlass(
    @Ctx() context: OperatorContext,
    @Arg('state', () => BreakGlassStateEnum, { nullable: true }) state: BreakGlassState | null,
    @Arg('first', () => Int, firstArgument) first: number | null,
    @Arg('after', () => String, afterArgument) after: string | null,
  ): Promise<Connection<BreakGlassType>> {
    const { by, cases } = context
    const page = pageRequest(first, after, parseBreakGlassId)
    spend(context, page.first)
    return toConnection(await cases.brokenGlass(by, state ?? undefined, page), page, (use) => new BreakGlassType(use))
  }

  @Mutation(() => HoldType, {
    description: `Approves a hold together with a standing grant for further calls, within its \`standingAllowed\`: a hold that says so takes its place, every vote before is void, and yours is the first for it. Errors: LIMITED, ${ERRORS}.`,
  })
  async giveStanding(
    @Ctx() { by, cases }: OperatorContext,
    @Arg('id', () => ID) id: string,
    @Arg('digest', () => String, { description: DIGEST }) digest: string,
    @Arg('standing', () => StandingInput) { loosened, maxUses, totals, until }: StandingInput,
    @Arg('comment', () => String, { nullable: true }) comment: string | null,
  ): Promise<HoldType> {
    const terms = { maxUses, loosened: loosened.map(constraintOf), totals: totals.map((total) => ({ ...total })) }
    const asked = { ...terms, until: instant(until.getTime()) }
    return new HoldType(await cases.giveStanding(by, parseHoldId(id), digest, asked, comment ?? undefined))
  }

  @Mutation(() => HoldType, {
    description: `Takes the standing grant out of an open hold: another hold takes its place, and every vote is void. Errors: LIMITED, ${ERRORS}.`,
  })
  async withdrawStanding(
    @Ctx() { by, cases }: OperatorContext,
    @Arg('id', () => ID) id: string,
    @Arg('digest', () => String, { description: DIGEST }) digest: string,
    @Arg('comment', () => String, { nullable: true }) comment: string | null,
  ): Promise<HoldType> {
    return new HoldType(await cases.withdrawStanding(by, parseHoldId(id), digest, comment ?? undefined))
  }

  @Mutation(() => GrantType, {
    description:
      'Ends a grant at once and at every gateway. Errors: GRANT_ENDED, FORBIDDEN, NOT_FOUND, BAD_INPUT, ID_MALFORMED, UNAVAILABLE.',
  })
  async revokeGrant(
    @Ctx() { by, cases }: OperatorContext,
    @Arg('id', () => ID) id: string,
    @Arg('why', () => String) why: string,
  ): Promise<GrantType> {
    return new GrantType(await cases.revokeGrant(by, parseGrantId(id), why))
  }

  @Mutation(() => HoldType, {
    description: `Approves one hold alone, in the place of all whom it asks; a review follows. What policy forbids stays forbidden. Errors: ${ERRORS}.`,
  })
  async breakGlass(
    @Ctx() { by, cases }: OperatorContext,
    @Arg('id', () => ID) id: string,
    @Arg('digest', () => String, { description: DIGEST }) digest: string,
    @Arg('reason', () => String, { description: 'Why it cannot wait.' }) reason: string,
  ): Promise<HoldType> {
    return new HoldType(await cases.breakGlass(by, parseHoldId(id), digest, reason))
  }

  @Mutation(() => BreakGlassType, {
    description: `Says whether an approval of one person was right; never by that person. Errors: GRANT_ENDED, NOT_ELIGIBLE, FORBIDDEN, NOT_FOUND, BAD_INPUT, ID_MALFORMED, UNAVAILABLE.`,
  })
  async reviewBreakGlass(
    @Ctx() { by, cases }: OperatorContext,
    @Arg('id', () => ID) id: string,
    @Arg('verdict', () => BreakGlassVerdictEnum) verdict: BreakGlassVerdict,
    @Arg('comment', () => String) comment: string,
  ): Promise<BreakGlassType> {
    return new BreakGlassType(await cases.reviewBreakGlass(by, parseBreakGlassId(id), verdict, comment))
  }
}
