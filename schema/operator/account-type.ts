import { Field, GraphQLISODateTime, ID, Int, ObjectType } from 'type-graphql'
import type { Account, AccountDropped, AccountMessage, AccountSpan, AccountTool } from '../../gateway/core/account.ts'
import type { Call } from '../../gateway/core/call.ts'
import type { OperatorContext } from '../../gateway/ports/operator.ts'
import { AccountSideEnum, AccountSpanKindEnum, AccountSpanStatusEnum } from './enums.ts'
import { accountSeen } from './looks.ts'

@ObjectType('AccountMessage', { description: 'One thing that a model was given or answered.' })
export class AccountMessageType {
  @Field(() => AccountSideEnum)
  readonly side: string
  @Field(() => String, { description: '`system`, `user`, `assistant`, `reasoning`, `tool`, or what else the framework calls it.' })
  readonly role: string
  @Field(() => String)
  readonly text: string
  @Field(() => String, { nullable: true, description: 'The tool whose arguments or result the text is; null for words.' })
  readonly tool: string | null

  constructor({ side, role, text, tool }: AccountMessage) {
    this.side = side
    this.role = role
    this.text = text
    this.tool = tool
  }
}

@ObjectType('AccountTool', { description: 'A tool that the framework ran.' })
export class AccountToolType {
  @Field(() => String, { nullable: true })
  readonly name: string | null
  @Field(() => String, { nullable: true })
  readonly arguments: string | null
  @Field(() => String, { nullable: true })
  readonly result: string | null

  constructor(tool: AccountTool) {
    this.name = tool.name
    this.arguments = tool.arguments
    this.result = tool.result
  }
}

@ObjectType('AccountSpan', { description: "One step of the agent's, by its own word." })
export class AccountSpanType {
  readonly #span: AccountSpan
  readonly #callAt: number

  constructor(span: AccountSpan, callAt: number) {
    this.#span = span
    this.#callAt = callAt
  }

  @Field(() => ID)
  get id(): string {
    return this.#span.id
  }

  @Field(() => ID, { nullable: true, description: 'The span that it is part of, which may not be here.' })
  get parent(): string | null {
    return this.#span.parent
  }

  @Field(() => String)
  get name(): string {
    return this.#span.name
  }

  @Field(() => AccountSpanKindEnum)
  get kind(): string {
    return this.#span.kind
  }

  @Field(() => GraphQLISODateTime, { description: "By the agent's clock, as is its end." })
  get startedAt(): Date {
    return new Date(this.#span.startedAt)
  }

  @Field(() => GraphQLISODateTime)
  get endedAt(): Date {
    return new Date(this.#span.endedAt)
  }

  @Field(() => Boolean, { description: "It began before the call was made, as far as the agent's clock is right." })
  get beforeCall(): boolean {
    return this.#span.startedAt <= this.#callAt
  }

  @Field(() => AccountSpanStatusEnum)
  get status(): string {
    return this.#span.status
  }

  @Field(() => String, { nullable: true })
  get error(): string | null {
    return this.#span.error
  }

  @Field(() => String, { nullable: true, description: 'What it did, such as `chat` or `execute_tool`.' })
  get operation(): string | null {
    return this.#span.operation
  }

  @Field(() => String, { nullable: true })
  get provider(): string | null {
    return this.#span.provider
  }

  @Field(() => String, { nullable: true })
  get model(): string | null {
    return this.#span.model
  }

  @Field(() => String, { nullable: true, description: 'As the framework names the agent.' })
  get agent(): string | null {
    return this.#span.agent
  }

  @Field(() => [AccountMessageType], { description: 'What no span before it has said already, in order.' })
  get messages(): AccountMessageType[] {
    return this.#span.messages.map((message) => new AccountMessageType(message))
  }

  @Field(() => AccountToolType, { nullable: true })
  get tool(): AccountToolType | null {
    return this.#span.tool && new AccountToolType(this.#span.tool)
  }

  @Field(() => Int, { nullable: true })
  get inputTokens(): number | null {
    return this.#span.inputTokens
  }

  @Field(() => Int, { nullable: true })
  get outputTokens(): number | null {
    return this.#span.outputTokens
  }

  @Field(() => [String])
  get finishReasons(): readonly string[] {
    return this.#span.finishReasons
  }
}

@ObjectType('AccountDropped', { description: 'What was sent and is not kept.' })
export class AccountDroppedType {
  @Field(() => Int)
  readonly spans: number
  @Field(() => Int, { description: 'Attributes and events that say nothing of what a model was asked and answered.' })
  readonly attributes: number
  @Field(() => Int, { description: 'Texts that were cut short or left out for their length.' })
  readonly texts: number

  constructor({ spans, attributes, texts }: AccountDropped) {
    this.spans = spans
    this.attributes = attributes
    this.texts = texts
  }
}

@ObjectType('Account', {
  description:
    "What the agent says led to the call: its own account, unverified. It joins by trace id, agent and subject; nobody else's spans are in it, and no policy reads it.",
})
export class AccountType {
  readonly #account: Account
  readonly #callAt: number

  constructor(account: Account, callAt: number) {
    this.#account = account
    this.#callAt = callAt
  }

  @Field(() => [AccountSpanType], { description: 'In the order in which they began. Spans of other calls of the trace are among them.' })
  get spans(): AccountSpanType[] {
    return this.#account.spans.map((span) => new AccountSpanType(span, this.#callAt))
  }

  @Field(() => Boolean, { description: 'Spans or texts are missing since there were too many, or they were too long.' })
  get truncated(): boolean {
    const { spans, texts } = this.#account.dropped
    return spans + texts > 0
  }

  @Field(() => AccountDroppedType)
  get dropped(): AccountDroppedType {
    return new AccountDroppedType(this.#account.dropped)
  }

  @Field(() => [String], { description: 'What was found in it and masked: `credential`, `payment-card`, `personal-data`.' })
  get masked(): readonly string[] {
    return this.#account.masked
  }

  @Field(() => Boolean, { description: 'Some or all of it was erased.' })
  get erased(): boolean {
    return this.#account.erased
  }
}

/** The field of a call that has it, and how it is read: the same wherever a call is told. */
export const accountOfCall = {
  field: {
    nullable: true,
    description:
      'What the agent says led to it: its own account, unverified. Null where it told nothing, and for people who may not see payloads; a look is recorded, as `account`.',
  },
  async read(context: OperatorContext, call: Call): Promise<AccountType | null> {
    const account = await accountSeen(context, call)
    return account && new AccountType(account, call.createdAt)
  },
} as const
