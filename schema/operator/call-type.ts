import { GraphQLJSON } from 'graphql-scalars'
import { Arg, Ctx, Field, GraphQLISODateTime, ID, Int, ObjectType } from 'type-graphql'
import type { Call, CallError, StoredResult } from '../../gateway/core/call.ts'
import type { Entry, EntryBody, EntryKind } from '../../gateway/core/entry.ts'
import type { CallId } from '../../gateway/core/ids.ts'
import type { JsonObject } from '../../gateway/core/json.ts'
import type { OperatorContext } from '../../gateway/ports/operator.ts'
import { attachedTo, DecisionRecordType } from './decision-record-type.ts'
import { type DecisionOrigin, DecisionType } from './decision-type.ts'
import { ErasureType } from './erasure-types.ts'
import { CallStateEnum, DenyReasonEnum, DoorEnum, OutcomeKindEnum } from './enums.ts'
import { GrantType } from './grant-types.ts'
import { EqualCallType, HoldType } from './hold-type.ts'
import { AccountType, accountOfCall } from './account-type.ts'
import { mayView, spend, trailOf } from './looks.ts'
import { LoggedEntryType } from './log-type.ts'
import { OperationType } from './registry-types.ts'
import { visibleJson } from '../../gateway/core/visible-text.ts'

@ObjectType('BusinessObject', { description: 'What a call is about, by the business key of its operation.' })
export class BusinessObjectType {
  @Field(() => String)
  readonly type: string
  @Field(() => String)
  readonly key: string

  constructor(type: string, key: string) {
    this.type = type
    this.key = key
  }
}

@ObjectType('CallError')
export class CallErrorType {
  @Field(() => String)
  readonly code: string
  @Field(() => String)
  readonly message: string
  @Field(() => String, { nullable: true })
  readonly advice: string | null

  constructor(error: CallError) {
    this.code = error.code
    this.message = error.message
    this.advice = error.advice ?? null
  }
}

@ObjectType('Intent', { description: 'Written before the first byte went upstream.' })
export class IntentType {
  @Field(() => ID)
  readonly id: string
  @Field(() => GraphQLISODateTime)
  readonly at: Date
  @Field(() => String, { description: 'The gateway process that executes.' })
  readonly process: string
  @Field(() => String)
  readonly policySet: string
  @Field(() => ID, { nullable: true, description: 'The hold whose approval was used up.' })
  readonly consumes: string | null

  constructor(entry: Entry, body: Extract<EntryBody, { kind: 'intent' }>) {
    this.id = body.intent
    this.at = new Date(entry.at)
    this.process = entry.process
    this.policySet = body.policySet
    this.consumes = body.consumes
  }
}

@ObjectType('Outcome', { description: 'How the execution ended.' })
export class OutcomeType {
  readonly #entry: Entry
  readonly #body: Extract<EntryBody, { kind: 'outcome' }>

  constructor(entry: Entry, body: Extract<EntryBody, { kind: 'outcome' }>) {
    this.#entry = entry
    this.#body = body
  }

  @Field(() => OutcomeKindEnum)
  get kind(): string {
    return this.#body.outcome.kind
  }

  @Field(() => GraphQLISODateTime)
  get at(): Date {
    return new Date(this.#entry.at)
  }

  @Field(() => Int, { nullable: true })
  get upstreamStatus(): number | null {
    return this.#body.outcome.upstreamStatus
  }

  @Field(() => Int, { description: 'Milliseconds spent upstream.' })
  get upstreamMs(): number {
    return Math.round(this.#body.outcome.upstreamMs)
  }

  @Field(() => CallErrorType, { nullable: true })
  get error(): CallErrorType | null {
    const { error } = this.#body.outcome
    return error ? new CallErrorType(error) : null
  }

  @Field(() => String, { nullable: true, description: "SHA-256 of the filtered answer's bytes, hexadecimal." })
  get resultDigest(): string | null {
    return this.#body.outcome.resultDigest
  }

  @Field(() => Int)
  get resultBytes(): number {
    return this.#body.outcome.resultBytes
  }

  @Field(() => [String], { description: 'Data classes of the operation that the caller may not read.' })
  get maskedClasses(): readonly string[] {
    return this.#body.outcome.masked?.classes ?? []
  }

  @Field(() => [String], { description: 'Where they were masked: JSON pointers, `*` for every item, empty for the whole answer.' })
  get masked(): readonly string[] {
    return this.#body.outcome.masked?.pointers ?? []
  }
}

@ObjectType('CallResult', { description: 'The stored answer, after the filter.' })
export class ResultType {
  @Field(() => Int)
  readonly status: number
  @Field(() => GraphQLJSON)
  readonly headers: Record<string, string>
  @Field(() => String)
  readonly body: string
  @Field(() => String, { description: '`utf8`, or `base64` for bytes that are not text.' })
  readonly encoding: string

  constructor(result: StoredResult) {
    this.status = result.status
    this.headers = result.headers
    this.body = result.body
    this.encoding = result.encoding
  }
}

@ObjectType('Entry', { description: 'One line of the record.' })
export class EntryType {
  @Field(() => String)
  readonly kind: string
  @Field(() => GraphQLISODateTime)
  readonly at: Date
  @Field(() => String)
  readonly process: string
  @Field(() => Int, { description: 'Dense for each process, from 1.' })
  readonly seq: number
  @Field(() => ID, { nullable: true, description: 'The call that it is about.' })
  readonly callId: string | null
  @Field(() => GraphQLJSON, { description: 'The whole entry; arguments and facts only where asked for and allowed.' })
  readonly body: EntryBody
  @Field(() => Boolean, { description: 'Its payload was erased, and has blanks in its place.' })
  readonly erased: boolean
  @Field(() => Boolean, { description: 'Its payload in the database does not open: somebody altered it. Blanks are in its place.' })
  readonly unreadable: boolean

  constructor(entry: Entry) {
    this.unreadable = entry.unreadable === true
    this.kind = entry.body.kind
    this.at = new Date(entry.at)
    this.process = entry.process
    this.seq = entry.seq
    this.callId = entry.callId
    this.body = entry.body
    this.erased = entry.erased === true
  }
}

type Found<K extends EntryKind> = { entry: Entry; body: Extract<EntryBody, { kind: K }> }

function lastOf<K extends EntryKind>(entries: readonly Entry[], kind: K): Found<K> | undefined {
  const entry = entries.findLast((one) => one.body.kind === kind)
  return entry && { entry, body: entry.body as Found<K>['body'] }
}

/** Of every entry of a kind, oldest first. */
export const allOf = <K extends EntryKind>(entries: readonly Entry[], kind: K): Found<K>[] =>
  entries.flatMap((entry) => (entry.body.kind === kind ? [{ entry, body: entry.body as Found<K>['body'] }] : []))

/** The decision of an entry; its facts are read again, with payloads, only when they are asked for. */
export function decisionOf(callId: CallId, { entry, body }: Found<'decision'>, newest = true): DecisionType {
  const facts = async (context: OperatorContext): Promise<JsonObject | null> => {
    const full = (await trailOf(context, callId, true)).find((one) => one.process === entry.process && one.seq === entry.seq)
    const request = full?.body.kind === 'decision' ? full.body.decision.evidence.request : {}
    return Object.keys(request).length > 0 ? request : null
  }
  const nearMisses: DecisionOrigin['nearMisses'] = (context, payloads) => {
    if (!newest) return Promise.resolve(null)
    spend(context, 1)
    return context.cases.nearMisses(context.by, callId, payloads)
  }
  return new DecisionType(body.decision, { at: entry.at, release: body.release, facts, nearMisses })
}

/** A proof reads a tile for each level of the tree. */
const PROOFS_COST = 10

/** What is in the log of a call's entries. */
export async function loggedOf(context: OperatorContext, id: CallId): Promise<LoggedEntryType[]> {
  spend(context, PROOFS_COST)
  return (await context.cases.callProofs(context.by, id)).map((entry) => new LoggedEntryType(entry))
}

@ObjectType('Call', { description: 'One call of an agent, from its decision to its outcome.' })
export class CallType {
  readonly #call: Call

  constructor(call: Call) {
    this.#call = call
  }

  @Field(() => ID)
  get id(): string {
    return this.#call.id
  }

  @Field(() => CallStateEnum)
  get state(): string {
    return this.#call.state
  }

  @Field(() => DenyReasonEnum, { nullable: true })
  get denyReason(): string | null {
    return this.#call.denyReason
  }

  @Field(() => [ID], { description: 'The policies that determined its newest decision.' })
  get policies(): readonly string[] {
    return this.#call.policies
  }

  @Field(() => DoorEnum)
  get door(): string {
    return this.#call.door
  }

  @Field(() => String)
  get agent(): string {
    return this.#call.agent
  }

  @Field(() => String, { description: 'The person who answers for the agent.' })
  get owner(): string {
    return this.#call.owner
  }

  @Field(() => String, { nullable: true, description: 'The person the agent acts for; null where it acts for itself.' })
  get subject(): string | null {
    return this.#call.subject
  }

  @Field(() => String)
  get issuer(): string {
    return this.#call.issuer
  }

  @Field(() => [String], { description: 'The act chain, outermost first.' })
  get actors(): readonly string[] {
    return this.#call.actors
  }

  @Field(() => String)
  get connector(): string {
    return this.#call.connector
  }

  @Field(() => String, { description: '`connector.operation`.' })
  get operation(): string {
    return this.#call.operation
  }

  @Field(() => String)
  get operationVersion(): string {
    return this.#call.operationVersion
  }

  @Field(() => GraphQLJSON, {
    nullable: true,
    description: 'Canonical arguments. Null for people who may not see payloads; a look is recorded.',
  })
  async input(@Ctx() context: OperatorContext): Promise<JsonObject | null> {
    return !this.#call.erased && (await mayView(context, this.#call)) ? this.#call.input : null
  }

  @Field(() => String, {
    nullable: true,
    description: 'The same as complete canonical JSON text in which every invisible character is escaped: what a page should show.',
  })
  async inputText(@Ctx() context: OperatorContext): Promise<string | null> {
    return !this.#call.erased && (await mayView(context, this.#call)) ? visibleJson(this.#call.input) : null
  }

  @Field(() => OperationType, {
    nullable: true,
    description: 'What the operation does and takes; null where it has another version by now.',
  })
  about(@Ctx() { by, cases }: OperatorContext): OperationType | null {
    const operation = cases.operationOf(by, this.#call)
    return operation ? new OperationType(operation) : null
  }

  @Field(() => BusinessObjectType, {
    nullable: true,
    description: 'What it is about, as the newest decision was asked; null where nothing is declared.',
  })
  async object(@Ctx() context: OperatorContext): Promise<BusinessObjectType | null> {
    spend(context, 1)
    const object = await context.cases.objectOf(context.by, this.#call.id)
    return object ? new BusinessObjectType(object.type, object.key) : null
  }

  @Field(() => EqualCallType, { nullable: true, description: 'The newest executed call equal to this one, made before it.' })
  async equalCall(@Ctx() context: OperatorContext): Promise<EqualCallType | null> {
    spend(context, 1)
    const equal = await context.cases.equalCall(context.by, this.#call)
    return equal ? new EqualCallType(equal.id, equal.updatedAt) : null
  }

  @Field(() => String, { nullable: true, description: 'Why you may not resolve it; null where you may, as far as it is in doubt.' })
  whyNotResolve(@Ctx() { by, cases }: OperatorContext): string | null {
    return cases.whyNotResolve(by, this.#call)
  }

  @Field(() => Int, { nullable: true })
  get upstreamStatus(): number | null {
    return this.#call.upstreamStatus
  }

  @Field(() => Int, {
    nullable: true,
    description: 'Milliseconds spent upstream; null where nothing was executed or its end is not known.',
  })
  get upstreamMs(): number | null {
    const { upstreamMs } = this.#call
    return upstreamMs === null ? null : Math.round(upstreamMs)
  }

  @Field(() => ResultType, {
    nullable: true,
    description: 'Null where none was kept, and for people who may not see payloads; a look is recorded.',
  })
  async result(@Ctx() context: OperatorContext): Promise<ResultType | null> {
    const { result } = this.#call
    return result && (await mayView(context, this.#call)) ? new ResultType(result) : null
  }

  @Field(() => ErasureType, {
    nullable: true,
    description: 'Who erased its payload; null while it is there. Arguments, reason, facts and answer are null then, for everybody.',
  })
  get erased(): ErasureType | null {
    return this.#call.erased ? new ErasureType(this.#call.erased) : null
  }

  @Field(() => String, { description: '`none`, `kept`, or `too_large`.' })
  get resultKept(): string {
    return this.#call.resultKept
  }

  @Field(() => String, { nullable: true, description: "The agent's own account: unverified." })
  get rationale(): string | null {
    return this.#call.rationale
  }

  @Field(() => DecisionRecordType, {
    nullable: true,
    description: 'Null where none came, where it was erased, and for people who may not see payloads; a look is recorded.',
  })
  async decisionRecord(@Ctx() context: OperatorContext): Promise<DecisionRecordType | null> {
    return attachedTo(context, this.#call)
  }

  @Field(() => AccountType, accountOfCall.field)
  account(@Ctx() context: OperatorContext): Promise<AccountType | null> {
    return accountOfCall.read(context, this.#call)
  }

  @Field(() => String, { nullable: true })
  get run(): string | null {
    return this.#call.run
  }

  @Field(() => String, { nullable: true, description: 'Trace id of the call (W3C Trace Context).' })
  get trace(): string | null {
    return this.#call.traceId
  }

  @Field(() => DecisionType, { nullable: true, description: 'The newest decision.' })
  async decision(@Ctx() context: OperatorContext): Promise<DecisionType | null> {
    const found = lastOf(await trailOf(context, this.#call.id, false), 'decision')
    return found ? decisionOf(this.#call.id, found) : null
  }

  @Field(() => HoldType, { nullable: true, description: 'The newest hold.' })
  async hold(@Ctx() context: OperatorContext): Promise<HoldType | null> {
    const { by, cases } = context
    spend(context, 1)
    const hold = this.#call.holdId === null ? undefined : await cases.hold(by, this.#call.holdId)
    return hold ? new HoldType(hold) : null
  }

  @Field(() => GrantType, {
    nullable: true,
    description: 'The standing grant under which it went on though policy holds it; null where it used none.',
  })
  async grant(@Ctx() context: OperatorContext): Promise<GrantType | null> {
    spend(context, 1)
    const grant = await context.cases.grantOfCall(context.by, this.#call)
    return grant ? new GrantType(grant) : null
  }

  @Field(() => IntentType, { nullable: true, description: 'Null where nothing was executed.' })
  async intent(@Ctx() context: OperatorContext): Promise<IntentType | null> {
    const found = lastOf(await trailOf(context, this.#call.id, false), 'intent')
    return found ? new IntentType(found.entry, found.body) : null
  }

  @Field(() => OutcomeType, { nullable: true, description: 'Null while nothing was executed or its end is not known.' })
  async outcome(@Ctx() context: OperatorContext): Promise<OutcomeType | null> {
    const found = lastOf(await trailOf(context, this.#call.id, false), 'outcome')
    return found ? new OutcomeType(found.entry, found.body) : null
  }

  @Field(() => CallErrorType, { nullable: true })
  get error(): CallErrorType | null {
    return this.#call.error ? new CallErrorType(this.#call.error) : null
  }

  @Field(() => [EntryType], { description: 'The record of this call, oldest first. A look at payloads is recorded.' })
  async entries(
    @Ctx() context: OperatorContext,
    @Arg('payloads', () => Boolean, { defaultValue: false }) payloads: boolean,
  ): Promise<EntryType[]> {
    return (await trailOf(context, this.#call.id, payloads)).map((entry) => new EntryType(entry))
  }

  @Field(() => [LoggedEntryType], {
    description: 'Its entries as they stand in the log, with proofs. A new one is there after about a second.',
  })
  logged(@Ctx() context: OperatorContext): Promise<LoggedEntryType[]> {
    return loggedOf(context, this.#call.id)
  }

  @Field(() => GraphQLISODateTime)
  get createdAt(): Date {
    return new Date(this.#call.createdAt)
  }

  @Field(() => GraphQLISODateTime)
  get updatedAt(): Date {
    return new Date(this.#call.updatedAt)
  }
}
