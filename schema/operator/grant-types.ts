import { GraphQLJSON } from 'graphql-scalars'
import { Ctx, Field, GraphQLISODateTime, ID, InputType, Int, ObjectType } from 'type-graphql'
import type { BreakGlass } from '../../gateway/core/break-glass.ts'
import { GatewayError } from '../../gateway/core/errors.ts'
import {
  type ArgumentConstraint,
  type Constraint,
  type GrantTotal,
  grantState,
  type StandingBounds,
  type StandingGrant,
  type StandingTerms,
} from '../../gateway/core/grant.ts'
import type { CallId } from '../../gateway/core/ids.ts'
import type { JsonValue } from '../../gateway/core/json.ts'
import type { OperatorContext } from '../../gateway/ports/operator.ts'
import { ReasonType } from './decision-type.ts'
import { BreakGlassStateEnum, BreakGlassVerdictEnum, ConstraintKindEnum, GrantStateEnum } from './enums.ts'
import { callOf, mayView } from './looks.ts'
import { visibleJson } from '../../gateway/core/visible-text.ts'

@InputType('ArgumentConstraintInput', { description: 'One argument that a grant does not pin to its value in the held call.' })
export class ArgumentConstraintInput {
  @Field(() => String, { description: 'A leaf of the held arguments: an RFC 6901 pointer.' })
  pointer!: string
  @Field(() => ConstraintKindEnum)
  kind!: Constraint['kind']
  @Field(() => [GraphQLJSON], { nullable: true, description: 'With `one_of`: the values that pass.' })
  values?: JsonValue[] | null
  @Field(() => String, { nullable: true, description: 'With `at_most`: a decimal with at most four places. From zero to it passes.' })
  most?: string | null
}

@InputType('GrantTotalInput')
export class GrantTotalInput {
  @Field(() => String, { description: 'The argument that is summed.' })
  of!: string
  @Field(() => String, { description: 'A decimal with at most four places.' })
  most!: string
}

@InputType('StandingInput', {
  description: 'What passes without asking from then on. Every argument stays as it is in the held call, but for those that are loosened.',
})
export class StandingInput {
  @Field(() => [ArgumentConstraintInput])
  loosened!: ArgumentConstraintInput[]
  @Field(() => Int)
  maxUses!: number
  @Field(() => [GrantTotalInput], { description: 'One for each total that `standingAllowed` names.' })
  totals!: GrantTotalInput[]
  @Field(() => GraphQLISODateTime)
  until!: Date
}

/** Reads a constraint. Throws BAD_INPUT where it lacks what its kind needs, or has more. */
export function constraintOf({ pointer, kind, values, most }: ArgumentConstraintInput): ArgumentConstraint {
  const refuse = (why: string): never => {
    throw new GatewayError('BAD_INPUT', `\`${pointer}\` ${why}`)
  }
  if ((kind === 'one_of') !== Array.isArray(values)) return refuse('lists `values` exactly where its kind is `one_of`')
  if ((kind === 'at_most') !== (typeof most === 'string')) return refuse('says `most` exactly where its kind is `at_most`')
  if (kind === 'exactly') return refuse('stays as it is where it is left out: name only what you loosen')
  if (kind === 'one_of') return { pointer, allows: { kind, values: values ?? [] } }
  return { pointer, allows: kind === 'at_most' ? { kind, most: most ?? '' } : { kind } }
}

@ObjectType('GrantTotal')
export class GrantTotalType {
  @Field(() => String, { description: 'The argument that is summed over all uses.' })
  readonly of: string
  @Field(() => String)
  readonly most: string
  @Field(() => String)
  readonly spent: string

  constructor({ of, most }: GrantTotal, spent: Readonly<Record<string, string>> = {}) {
    this.of = of
    this.most = most
    this.spent = spent[of] ?? '0.0'
  }
}

@ObjectType('StandingBounds', { description: 'The most that may be given with the approval of a hold, as its approvals say.' })
export class StandingBoundsType {
  @Field(() => Int)
  readonly maxUses: number
  @Field(() => [GrantTotalType])
  readonly totals: GrantTotalType[]
  @Field(() => Int, { description: 'From the proposal on.' })
  readonly lifeSeconds: number
  @Field(() => [String], { description: 'Arguments that stay as they are.' })
  readonly pinned: string[]

  constructor({ maxUses, totals, lifeMs, pinned }: StandingBounds) {
    this.maxUses = maxUses
    this.totals = totals.map((total) => new GrantTotalType(total))
    this.lifeSeconds = Math.floor(lifeMs / 1_000)
    this.pinned = [...pinned]
  }
}

@ObjectType('ArgumentConstraint', {
  description: 'What a grant lets stand at one place of the arguments. What no constraint names must be absent.',
})
export class ArgumentConstraintType {
  @Field(() => String)
  readonly pointer: string
  @Field(() => ConstraintKindEnum)
  readonly kind: string
  @Field(() => [String], {
    nullable: true,
    description:
      'JSON texts with invisible characters escaped; for `at_most` the amount. Null for people who may not see payloads; a look is recorded.',
  })
  async values(): Promise<string[] | null> {
    return (await this.#shown()) ? valuesOf(this.#allows) : null
  }

  readonly #allows: Constraint
  readonly #shown: () => Promise<boolean>

  constructor({ pointer, allows }: ArgumentConstraint, shown: () => Promise<boolean>) {
    this.pointer = pointer
    this.kind = allows.kind
    this.#allows = allows
    this.#shown = shown
  }
}

function valuesOf(allows: Constraint): string[] {
  if (allows.kind === 'exactly') return [visibleJson(allows.value)]
  if (allows.kind === 'one_of') return allows.values.map((value) => visibleJson(value))
  return allows.kind === 'at_most' ? [allows.most] : []
}

/** Who asks for no values has not looked; who asks for several has looked once. */
function argumentsOf(context: OperatorContext, callId: CallId, terms: StandingTerms): ArgumentConstraintType[] {
  let shown: Promise<boolean> | undefined
  const look = async (): Promise<boolean> => {
    const call = await callOf(context, callId)
    return call !== undefined && (await mayView(context, call))
  }
  return terms.arguments.map((one) => new ArgumentConstraintType(one, () => (shown ??= look())))
}

@ObjectType('StandingTerms', { description: 'A standing grant that comes with the approval of a hold: its digest covers it.' })
export class StandingTermsType {
  readonly #terms: StandingTerms
  readonly #callId: CallId

  constructor(terms: StandingTerms, callId: CallId) {
    this.#terms = terms
    this.#callId = callId
  }

  @Field(() => String, { description: 'Who proposed it.' })
  get by(): string {
    return this.#terms.by
  }

  @Field(() => Int)
  get maxUses(): number {
    return this.#terms.maxUses
  }

  @Field(() => [GrantTotalType])
  get totals(): GrantTotalType[] {
    return this.#terms.totals.map((total) => new GrantTotalType(total))
  }

  @Field(() => GraphQLISODateTime)
  get until(): Date {
    return new Date(this.#terms.until)
  }

  @Field(() => [ArgumentConstraintType])
  arguments(@Ctx() context: OperatorContext): ArgumentConstraintType[] {
    return argumentsOf(context, this.#callId, this.#terms)
  }
}

@ObjectType('Grant', { description: 'A standing permission with an end: calls that policy holds pass under it without asking.' })
export class GrantType {
  readonly #grant: StandingGrant

  constructor(grant: StandingGrant) {
    this.#grant = grant
  }

  @Field(() => ID)
  get id(): string {
    return this.#grant.id
  }

  @Field(() => GrantStateEnum)
  get state(): string {
    return grantState(this.#grant, Date.now())
  }

  @Field(() => ID, { description: 'The hold whose approval gave it.' })
  get holdId(): string {
    return this.#grant.holdId
  }

  @Field(() => ID)
  get callId(): string {
    return this.#grant.callId
  }

  @Field(() => String)
  get agent(): string {
    return this.#grant.agent
  }

  @Field(() => String, { nullable: true, description: 'The one person for whom it counts; null where only calls for nobody pass.' })
  get subject(): string | null {
    return this.#grant.subject
  }

  @Field(() => String, { description: '`connector.operation`.' })
  get operation(): string {
    return this.#grant.operation
  }

  @Field(() => [ReasonType], { description: 'The policies whose holds it answers, as long as their texts stand.' })
  get policies(): ReasonType[] {
    return this.#grant.matched.map((matched) => new ReasonType(matched.policyId, matched))
  }

  @Field(() => [ArgumentConstraintType])
  arguments(@Ctx() context: OperatorContext): ArgumentConstraintType[] {
    return argumentsOf(context, this.#grant.callId, this.#grant)
  }

  @Field(() => Int)
  get maxUses(): number {
    return this.#grant.maxUses
  }

  @Field(() => Int, { description: 'Uses of calls that came to something, or may have.' })
  get used(): number {
    return this.#grant.used
  }

  @Field(() => [GrantTotalType])
  get totals(): GrantTotalType[] {
    return this.#grant.totals.map((total) => new GrantTotalType(total, this.#grant.spent))
  }

  @Field(() => GraphQLISODateTime)
  get until(): Date {
    return new Date(this.#grant.until)
  }

  @Field(() => [String], { description: 'Everybody whose approval gave it: it counts while all of them could approve such a call.' })
  get givers(): readonly string[] {
    return this.#grant.givers
  }

  @Field(() => GraphQLISODateTime)
  get createdAt(): Date {
    return new Date(this.#grant.createdAt)
  }

  @Field(() => GraphQLISODateTime, { nullable: true, description: 'When it was revoked, or died.' })
  get endedAt(): Date | null {
    return this.#grant.endedAt === null ? null : new Date(this.#grant.endedAt)
  }

  @Field(() => String, { nullable: true, description: 'Who revoked it.' })
  get endedBy(): string | null {
    return this.#grant.endedBy
  }

  @Field(() => String, { nullable: true, description: 'Why it was revoked, or died.' })
  get why(): string | null {
    return this.#grant.why
  }
}

@ObjectType('BreakGlassReview')
export class BreakGlassReviewType {
  @Field(() => BreakGlassVerdictEnum)
  readonly verdict: string
  @Field(() => String)
  readonly by: string
  @Field(() => String)
  readonly comment: string
  @Field(() => GraphQLISODateTime)
  readonly at: Date

  constructor({ verdict, by, comment, at }: NonNullable<BreakGlass['review']>) {
    this.verdict = verdict
    this.by = by
    this.comment = comment
    this.at = new Date(at)
  }
}

@ObjectType('BreakGlass', { description: 'A hold that one person approved in the place of all whom it asked.' })
export class BreakGlassType {
  @Field(() => ID)
  readonly id: string
  @Field(() => BreakGlassStateEnum)
  readonly state: string
  @Field(() => ID)
  readonly holdId: string
  @Field(() => ID)
  readonly callId: string
  @Field(() => String)
  readonly by: string
  @Field(() => String)
  readonly reason: string
  @Field(() => GraphQLISODateTime, { description: 'When the approval ends where the call waits for its agent.' })
  readonly until: Date
  @Field(() => GraphQLISODateTime)
  readonly reviewDue: Date
  @Field(() => GraphQLISODateTime)
  readonly createdAt: Date
  @Field(() => BreakGlassReviewType, { nullable: true })
  readonly review: BreakGlassReviewType | null
  readonly #use: BreakGlass

  constructor(use: BreakGlass) {
    const { id, state, holdId, callId, by, reason, until, reviewDue, createdAt, review } = use
    this.#use = use
    this.id = id
    this.state = state
    this.holdId = holdId
    this.callId = callId
    this.by = by
    this.reason = reason
    this.until = new Date(until)
    this.reviewDue = new Date(reviewDue)
    this.createdAt = new Date(createdAt)
    this.review = review && new BreakGlassReviewType(review)
  }

  @Field(() => String, { nullable: true, description: 'Why you may not review it; null where you may.' })
  reviewRefused(@Ctx() { by, cases }: OperatorContext): string | null {
    return cases.whyNotReview(by, this.#use)
  }
}
