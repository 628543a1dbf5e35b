import { attachedTo, DecisionRecordType } from './decision-record-type.ts'
import { createHash } from 'node:crypto'
import { GraphQLJSON } from 'graphql-scalars'
import { Ctx, Field, GraphQLISODateTime, ID, Int, ObjectType } from 'type-graphql'
import type { Call } from '../../gateway/core/call.ts'
import { type ArgumentChange, changesBetween } from '../../gateway/core/edit.ts'
import { GatewayError } from '../../gateway/core/errors.ts'
import type { EscalationStep } from '../../gateway/core/escalation.ts'
import { alikeKey, type Hold, type Requirement } from '../../gateway/core/hold.ts'
import type { JsonObject } from '../../gateway/core/json.ts'
import { isCountable } from '../../gateway/core/grant.ts'
import type { OperatorContext } from '../../gateway/ports/operator.ts'
import { ReasonType } from './decision-type.ts'
import { LIMITS } from '../../gateway/limits.ts'
import { FIGURES_COST, RuleFiguresType } from './figures-type.ts'
import { HoldStateEnum, VerdictEnum } from './enums.ts'
import { BreakGlassType, GrantType, StandingBoundsType, StandingTermsType } from './grant-types.ts'
import { callOfHold, mayView, spend, votesOn, whyIneligible } from './looks.ts'
import { OperationType } from './registry-types.ts'
import { visible, visibleJson } from '../../gateway/core/visible-text.ts'

@ObjectType('Requirement', { description: 'So many distinct people of this group.' })
export class RequirementType {
  @Field(() => String)
  readonly group: string
  @Field(() => Int)
  readonly count: number
  @Field(() => [String], { description: 'Groups whose members fill these places as well, since the hold escalated.' })
  readonly standIns: string[]

  constructor({ group, count, standIns }: Requirement) {
    this.group = group
    this.count = count
    this.standIns = [...(standIns ?? [])]
  }
}

@ObjectType('Seats', { description: 'One requirement, and whose approvals fill it.' })
export class SeatsType {
  @Field(() => String)
  readonly group: string
  @Field(() => [String])
  readonly filledBy: string[]
  @Field(() => Int, { description: 'Approvals that are still missing.' })
  readonly open: number

  constructor(group: string, count: number, filledBy: readonly string[]) {
    this.group = group
    this.filledBy = [...filledBy]
    this.open = count - filledBy.length
  }
}

@ObjectType('HoldProgress', { description: 'Votes of those who may vote now.' })
export class HoldProgressType {
  @Field(() => [SeatsType], { description: 'In the order of `requires`.' })
  readonly seats: SeatsType[]
  @Field(() => Int)
  readonly refusals: number

  constructor(seats: SeatsType[], refusals: number) {
    this.seats = seats
    this.refusals = refusals
  }
}

@ObjectType('EarlierCall', { description: 'What an agent did before, without its arguments.' })
export class EarlierCallType {
  @Field(() => ID)
  readonly id: string
  @Field(() => String, { description: '`connector.operation`.' })
  readonly operation: string
  @Field(() => String)
  readonly state: string
  @Field(() => GraphQLISODateTime)
  readonly createdAt: Date

  constructor({ id, operation, state, createdAt }: Call) {
    this.id = id
    this.operation = operation
    this.state = state
    this.createdAt = new Date(createdAt)
  }
}

@ObjectType('Escalation')
export class EscalationType {
  @Field(() => GraphQLISODateTime)
  readonly at: Date
  @Field(() => String, { nullable: true, description: 'A group whose members may vote as well from then on.' })
  readonly to: string | null
  @Field(() => [String], { description: 'Groups that are told.' })
  readonly notify: string[]
  @Field(() => [String], { description: 'The groups whose places members of `to` may fill; none where another rule keeps them closed.' })
  readonly opens: string[]
  @Field(() => Boolean)
  readonly happened: boolean

  constructor({ afterMs, to, notify, seats }: EscalationStep, openedAt: number, happened: boolean) {
    this.at = new Date(openedAt + afterMs)
    this.to = to
    this.notify = [...notify]
    this.opens = [...seats]
    this.happened = happened
  }
}

@ObjectType('Vote')
export class VoteType {
  @Field(() => String)
  readonly voter: string
  @Field(() => VerdictEnum)
  readonly verdict: string
  @Field(() => String, { nullable: true })
  readonly comment: string | null
  @Field(() => GraphQLISODateTime)
  readonly at: Date

  constructor(voter: string, verdict: string, comment: string | null, at: number) {
    this.voter = voter
    this.verdict = verdict
    this.comment = comment
    this.at = new Date(at)
  }
}

@ObjectType('Edit', { description: 'What people made of the arguments that the agent sent.' })
export class EditType {
  @Field(() => String, { description: 'Who edited last.' })
  readonly by: string
  @Field(() => [String], { description: 'All who edited: none of them may vote.' })
  readonly editors: string[]
  @Field(() => GraphQLJSON, {
    nullable: true,
    description:
      'A list of `{pointer, from, to}` against what the agent sent. Null for people who may not see payloads; a look is recorded.',
  })
  readonly changes: readonly ArgumentChange[] | null

  constructor(by: string, editors: string[], changes: readonly ArgumentChange[] | null) {
    this.by = by
    this.editors = editors
    this.changes = changes
  }
}

@ObjectType('EqualCall', { description: 'An earlier executed call with the same agent, subject, operation and arguments.' })
export class EqualCallType {
  @Field(() => ID)
  readonly id: string
  @Field(() => GraphQLISODateTime)
  readonly at: Date

  constructor(id: string, at: number) {
    this.id = id
    this.at = new Date(at)
  }
}

@ObjectType('Hold', { description: 'A call that waits for people, or waited.' })
export class HoldType {
  readonly #hold: Hold

  constructor(hold: Hold) {
    this.#hold = hold
  }

  async #call(context: OperatorContext): Promise<Call> {
    const call = await callOfHold(context, this.#hold)
    if (!call) throw new GatewayError('NOT_FOUND', `no call \`${this.#hold.callId}\``)
    return call
  }

  @Field(() => ID)
  get id(): string {
    return this.#hold.id
  }

  @Field(() => ID)
  get callId(): string {
    return this.#hold.callId
  }

  @Field(() => HoldStateEnum)
  get state(): string {
    return this.#hold.state
  }

  @Field(() => String)
  async agent(@Ctx() context: OperatorContext): Promise<string> {
    return (await this.#call(context)).agent
  }

  @Field(() => String, { description: "The agent's owner, who may not vote." })
  async owner(@Ctx() context: OperatorContext): Promise<string> {
    return (await this.#call(context)).owner
  }

  @Field(() => String, { nullable: true, description: 'The person the agent acts for, who may not vote.' })
  async subject(@Ctx() context: OperatorContext): Promise<string | null> {
    return (await this.#call(context)).subject
  }

  @Field(() => String)
  async connector(@Ctx() context: OperatorContext): Promise<string> {
    return (await this.#call(context)).connector
  }

  @Field(() => String, { description: '`connector.operation`.' })
  async operation(@Ctx() context: OperatorContext): Promise<string> {
    return (await this.#call(context)).operation
  }

  @Field(() => OperationType, {
    nullable: true,
    description: 'What the operation does and takes; null where it has another version by now.',
  })
  async about(@Ctx() context: OperatorContext): Promise<OperationType | null> {
    const operation = context.cases.operationOf(context.by, await this.#call(context))
    return operation ? new OperationType(operation) : null
  }

  @Field(() => GraphQLJSON, {
    nullable: true,
    description: 'The complete canonical arguments. Null for people who may not see payloads; a look is recorded.',
  })
  async input(@Ctx() context: OperatorContext): Promise<JsonObject | null> {
    const call = await this.#call(context)
    return (await mayView(context, call)) ? call.input : null
  }

  @Field(() => String, {
    nullable: true,
    description: 'The same as complete canonical JSON text in which every invisible character is escaped: what a page should show.',
  })
  async inputText(@Ctx() context: OperatorContext): Promise<string | null> {
    const call = await this.#call(context)
    return (await mayView(context, call)) ? visibleJson(call.input) : null
  }

  @Field(() => EditType, { nullable: true, description: 'Null where the arguments are those that the agent sent.' })
  async edited(@Ctx() context: OperatorContext): Promise<EditType | null> {
    const call = await this.#call(context)
    if (!call.edit) return null
    const { by, editors, original } = call.edit
    return new EditType(by, [...editors], (await mayView(context, call)) ? changesBetween(original, call.input) : null)
  }

  @Field(() => String, { nullable: true, description: "The agent's own account: unverified. Invisible characters are escaped." })
  async rationale(@Ctx() context: OperatorContext): Promise<string | null> {
    const { rationale } = await this.#call(context)
    return rationale === null ? null : visible(rationale)
  }

  @Field(() => DecisionRecordType, {
    nullable: true,
    description: 'Null where none came, and for people who may not see payloads; a look is recorded.',
  })
  async decisionRecord(@Ctx() context: OperatorContext): Promise<DecisionRecordType | null> {
    return attachedTo(context, await this.#call(context))
  }

  @Field(() => [RequirementType], { description: 'All of them are needed.' })
  get requires(): RequirementType[] {
    return this.#hold.requires.map((requirement) => new RequirementType(requirement))
  }

  @Field(() => Int, { description: 'So many refusals end the call.' })
  get denyThreshold(): number {
    return this.#hold.denyThreshold
  }

  @Field(() => [EscalationType], { description: 'What happens while nobody decides, by time.' })
  get escalation(): EscalationType[] {
    const { createdAt, escalate, escalated } = this.#hold
    return escalate.map((step, index) => new EscalationType(step, createdAt, index < escalated))
  }

  @Field(() => Boolean, { description: "Whether approvers may put other arguments in the place of the agent's." })
  get editsAllowed(): boolean {
    return this.#hold.edits === 'allowed'
  }

  @Field(() => StandingBoundsType, {
    nullable: true,
    description: 'What may be given with its approval for further calls; null where nothing may, or the call does not say what they count.',
  })
  async standingAllowed(@Ctx() context: OperatorContext): Promise<StandingBoundsType | null> {
    const { standing } = this.#hold
    return standing && isCountable(standing, (await this.#call(context)).input) ? new StandingBoundsType(standing) : null
  }

  @Field(() => StandingTermsType, { nullable: true, description: 'The standing grant that comes with its approval; null where none does.' })
  get standing(): StandingTermsType | null {
    return this.#hold.gives ? new StandingTermsType(this.#hold.gives, this.#hold.callId) : null
  }

  @Field(() => GrantType, { nullable: true, description: 'The standing grant that its approval gave.' })
  async grant(@Ctx() context: OperatorContext): Promise<GrantType | null> {
    spend(context, 1)
    const grant = await context.cases.grantGiven(context.by, this.#hold)
    return grant ? new GrantType(grant) : null
  }

  @Field(() => BreakGlassType, { nullable: true, description: 'Who approved it alone; null where nobody did.' })
  async brokenGlass(@Ctx() context: OperatorContext): Promise<BreakGlassType | null> {
    spend(context, 1)
    const use = await context.cases.brokenFor(context.by, this.#hold)
    return use ? new BreakGlassType(use) : null
  }

  @Field(() => String, {
    nullable: true,
    description: 'Why you may not approve it alone in an emergency; null where you may, as far as it is open.',
  })
  async breakGlassRefused(@Ctx() context: OperatorContext): Promise<string | null> {
    spend(context, 1)
    return await context.cases.whyNotBreakGlass(context.by, this.#hold)
  }

  @Field(() => [ReasonType], { description: 'The policies that hold this call.' })
  get reasons(): ReasonType[] {
    return this.#hold.matched.map((matched) => new ReasonType(matched.policyId, matched))
  }

  @Field(() => [VoteType])
  async votes(@Ctx() context: OperatorContext): Promise<VoteType[]> {
    spend(context, 1)
    const votes = await votesOn(context, this.#hold)
    return votes.map((vote) => new VoteType(vote.voter, vote.verdict, vote.comment, vote.at))
  }

  @Field(() => HoldProgressType)
  async progress(@Ctx() context: OperatorContext): Promise<HoldProgressType> {
    spend(context, 1)
    const { seats, refusals } = await context.cases.holdProgress(context.by, this.#hold)
    return new HoldProgressType(
      seats.map(({ group, count, filledBy }) => new SeatsType(group, count, filledBy)),
      refusals,
    )
  }

  @Field(() => String, {
    description: 'Equal for holds that are alike: the same agent, subject, operation version and matched policies. Opaque.',
  })
  async alike(@Ctx() context: OperatorContext): Promise<string> {
    return createHash('sha256')
      .update(alikeKey(this.#hold, await this.#call(context)))
      .digest('base64url')
  }

  @Field(() => [HoldType], {
    description: `Other open holds that are alike, that you may vote on and have not; what expires soonest first, at most ${LIMITS.votesAtOnceMax}.`,
  })
  async similar(@Ctx() context: OperatorContext): Promise<HoldType[]> {
    spend(context, LIMITS.votesAtOnceMax)
    return (await context.cases.similarHolds(context.by, this.#hold)).map((hold) => new HoldType(hold))
  }

  @Field(() => [RuleFiguresType], { description: 'How people decided by each of the policies that hold this call.' })
  async figures(@Ctx() context: OperatorContext): Promise<RuleFiguresType[]> {
    spend(context, this.#hold.matched.length * FIGURES_COST)
    return (await context.cases.figuresOfHold(context.by, this.#hold)).map((figures) => new RuleFiguresType(figures))
  }

  @Field(() => [EarlierCallType], {
    description: 'Calls of the same agent for the same person just before this one, newest first, at most ten.',
  })
  async callsBefore(@Ctx() context: OperatorContext): Promise<EarlierCallType[]> {
    spend(context, 10)
    return (await context.cases.callsBefore(context.by, this.#hold)).map((call) => new EarlierCallType(call))
  }

  @Field(() => String, { nullable: true, description: 'Why you may not vote on it; null where you may, as far as the hold is open.' })
  async ineligible(@Ctx() context: OperatorContext): Promise<string | null> {
    spend(context, 1)
    return await whyIneligible(context, this.#hold, await this.#call(context))
  }

  @Field(() => EqualCallType, { nullable: true, description: 'Null where no such call was executed before.' })
  async equalCall(@Ctx() context: OperatorContext): Promise<EqualCallType | null> {
    spend(context, 1)
    const equal = await context.cases.equalCall(context.by, await this.#call(context))
    return equal ? new EqualCallType(equal.id, equal.updatedAt) : null
  }

  @Field(() => String, { description: '`execute`: runs once approved. `claim`: waits for its agent.' })
  get onApproval(): string {
    return this.#hold.onApproval
  }

  @Field(() => String, { description: 'Binding digest, SHA-256 hexadecimal: what a vote is about.' })
  get digest(): string {
    return this.#hold.digest
  }

  @Field(() => GraphQLISODateTime)
  get createdAt(): Date {
    return new Date(this.#hold.createdAt)
  }

  @Field(() => GraphQLISODateTime)
  get expiresAt(): Date {
    return new Date(this.#hold.expiresAt)
  }

  @Field(() => GraphQLISODateTime, { nullable: true })
  get decidedAt(): Date | null {
    return this.#hold.decidedAt === null ? null : new Date(this.#hold.decidedAt)
  }
}
