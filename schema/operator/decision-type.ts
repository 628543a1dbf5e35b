import { GraphQLJSON } from 'graphql-scalars'
import { Arg, Ctx, Field, GraphQLISODateTime, ID, ObjectType } from 'type-graphql'
import type { Decision, MatchedHold } from '../../gateway/core/decision.ts'
import type { HoldId } from '../../gateway/core/ids.ts'
import type { JsonObject } from '../../gateway/core/json.ts'
import type { FailedPart, NearMiss, PolicyText } from '../../gateway/ports/decider.ts'
import type { OperatorContext } from '../../gateway/ports/operator.ts'
import { EffectEnum } from './enums.ts'

@ObjectType('Reason', { description: 'A policy that determined a decision.' })
export class ReasonType {
  readonly #matched: MatchedHold | undefined
  readonly #policySet: string | undefined

  /** `policySet` is the set that decided; without one today's text is shown where it is still the one that matched. */
  constructor(policyId: string, matched: MatchedHold | undefined, policySet?: string) {
    this.policyId = policyId
    this.#matched = matched
    this.#policySet = policySet
  }

  @Field(() => ID, { description: 'The `@id` of the policy.' })
  readonly policyId: string

  @Field(() => String, {
    nullable: true,
    description:
      'Cedar text as it stood in the set that decided; null where that is not kept, and for a hold whose policy has changed since.',
  })
  async text(@Ctx() context: OperatorContext): Promise<string | null> {
    const policy = await this.#policy(context)
    if (!policy || (this.#matched && this.#matched.policyHash !== policy.hash)) return null
    return policy.text
  }

  @Field(() => String, { nullable: true, description: '`file:line` in the set that decided; null where that is not kept.' })
  async place(@Ctx() context: OperatorContext): Promise<string | null> {
    const policy = await this.#policy(context)
    return policy ? `${policy.file}:${policy.line}` : null
  }

  @Field(() => String, { nullable: true, description: 'What `@reason` tells people.' })
  async reason(@Ctx() context: OperatorContext): Promise<string | null> {
    return this.#matched?.reason ?? (await this.#policy(context))?.annotations.reason ?? null
  }

  #policy({ by, cases }: OperatorContext): Promise<PolicyText | undefined> {
    return cases.policyText(by, this.policyId, this.#policySet)
  }

  @Field(() => String, { nullable: true, description: 'The approval that `@hold` asks for.' })
  get approval(): string | null {
    return this.#matched?.approval ?? null
  }
}

@ObjectType('FailedPart', { description: 'A part of a permit, of its scope or a condition, that did not hold.' })
export class FailedPartType {
  @Field(() => String, { description: "In the policy's own words, without values of the call." })
  readonly sentence: string
  @Field(() => GraphQLJSON, {
    description:
      'What it looked at, by path; null where there was nothing. Of arguments and facts only for people who may see payloads and asked.',
  })
  readonly values: JsonObject

  constructor({ sentence, looked, payload }: FailedPart) {
    this.sentence = sentence
    this.values = { ...looked, ...payload }
  }
}

@ObjectType('NearMiss', { description: 'A permit that did not apply, and why.' })
export class NearMissType {
  @Field(() => String, { description: 'Who was asked about: `Gatehouse::Agent::"..."`, or the subject.' })
  readonly principal: string
  @Field(() => ID)
  readonly policyId: string
  @Field(() => String, { description: '`file:line` in the set that decided.' })
  readonly place: string
  @Field(() => String, { description: 'Cedar text.' })
  readonly text: string
  @Field(() => [FailedPartType])
  readonly failed: FailedPartType[]

  constructor({ principal, policy, failed }: NearMiss) {
    this.principal = principal
    this.policyId = policy.id
    this.place = `${policy.file}:${policy.line}`
    this.text = policy.text
    this.failed = failed.map((part) => new FailedPartType(part))
  }
}

/** When and for which release a decision was made; a dry decision has neither. */
export interface DecisionOrigin {
  at: number | null
  release: HoldId | null
  /** The facts, or null where who asks may not see payloads. */
  facts(context: OperatorContext): Promise<JsonObject | null>
  /** Null where they are not known. */
  nearMisses(context: OperatorContext, payloads: boolean): Promise<readonly NearMiss[] | null>
}

@ObjectType('Decision', { description: 'What policy said about a call, and why.' })
export class DecisionType {
  readonly #decision: Decision
  readonly #origin: DecisionOrigin

  constructor(decision: Decision, origin: DecisionOrigin) {
    this.#decision = decision
    this.#origin = origin
  }

  @Field(() => EffectEnum)
  get outcome(): string {
    return this.#decision.verdict.effect
  }

  @Field(() => String, { nullable: true, description: 'Why it was denied: `no_permit`, `forbidden` or `policy_error`.' })
  get denyReason(): string | null {
    const { verdict } = this.#decision
    return verdict.effect === 'deny' ? verdict.reason : null
  }

  @Field(() => String, { nullable: true, description: 'What `@advice` tells the agent.' })
  get advice(): string | null {
    const { verdict } = this.#decision
    if (verdict.effect === 'deny') return verdict.advice ?? null
    return verdict.effect === 'hold' ? (verdict.holds.find((hold) => hold.advice !== undefined)?.advice ?? null) : null
  }

  @Field(() => [ReasonType], { description: 'The determining policies.' })
  get reasons(): ReasonType[] {
    const { verdict } = this.#decision
    const holds = verdict.effect === 'hold' ? verdict.holds : []
    return verdict.policies.map(
      (id) =>
        new ReasonType(
          id,
          holds.find((hold) => hold.policyId === id),
          this.#decision.evidence.policySet,
        ),
    )
  }

  @Field(() => [String], { description: 'Errors of policies; each of them alone is a reason to deny.' })
  get errors(): readonly string[] {
    const { verdict } = this.#decision
    return verdict.effect === 'deny' ? (verdict.errors ?? []) : []
  }

  @Field(() => [String], { description: '`@shadow` policies that would have matched.' })
  get shadow(): readonly string[] {
    return this.#decision.evidence.shadow
  }

  @Field(() => GraphQLJSON, {
    nullable: true,
    description: 'The request as it was put to the engine. Null for people who may not see payloads; a look is recorded.',
  })
  facts(@Ctx() context: OperatorContext): Promise<JsonObject | null> {
    return this.#origin.facts(context)
  }

  @Field(() => [NearMissType], {
    nullable: true,
    description:
      'The permits that almost allowed a call denied for want of one, nearest first. Null where it was decided otherwise, and where the set that decided cannot be asked any more. A look at payloads is recorded.',
  })
  async nearMisses(
    @Ctx() context: OperatorContext,
    @Arg('payloads', () => Boolean, { defaultValue: false }) payloads: boolean,
  ): Promise<NearMissType[] | null> {
    return (await this.#origin.nearMisses(context, payloads))?.map((miss) => new NearMissType(miss)) ?? null
  }

  @Field(() => String, { description: 'SHA-256 of the policy set, hexadecimal.' })
  get policySet(): string {
    return this.#decision.evidence.policySet
  }

  @Field(() => String)
  get engine(): string {
    return this.#decision.evidence.engine
  }

  @Field(() => GraphQLISODateTime, { nullable: true, description: 'Null for a dry decision.' })
  get at(): Date | null {
    return this.#origin.at === null ? null : new Date(this.#origin.at)
  }

  @Field(() => ID, { nullable: true, description: 'The hold whose release asked again.' })
  get release(): string | null {
    return this.#origin.release
  }
}
