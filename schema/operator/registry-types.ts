import { GraphQLJSON } from 'graphql-scalars'
import { Field, ID, Int, ObjectType } from 'type-graphql'
import { classesOf, type JsonSchema, type Operation } from '../../gateway/core/operation.ts'
import type { PolicyText } from '../../gateway/ports/decider.ts'
import type { Operator } from '../../gateway/ports/operator.ts'
import { ModeEnum, ReversibilityEnum } from './enums.ts'

@ObjectType('BusinessKey', { description: 'The business object that the arguments name.' })
export class BusinessKeyType {
  @Field(() => String)
  readonly type: string
  @Field(() => String, { description: 'JSON pointer into the arguments.' })
  readonly at: string

  constructor(type: string, at: string) {
    this.type = type
    this.at = at
  }
}

@ObjectType('Operation', { description: 'One thing an agent can do at one connector, as reviewed.' })
export class OperationType {
  readonly #operation: Operation

  constructor(operation: Operation) {
    this.#operation = operation
  }

  @Field(() => ID, { description: '`connector.operation`.' })
  get id(): string {
    return this.#operation.id
  }

  @Field(() => String)
  get connector(): string {
    return this.#operation.connector
  }

  @Field(() => String)
  get name(): string {
    return this.#operation.name
  }

  @Field(() => String, { description: 'The GraphQL field and MCP tool.' })
  get jointName(): string {
    return this.#operation.jointName
  }

  @Field(() => String, { description: 'SHA-256 of schemas and binding, hexadecimal.' })
  get version(): string {
    return this.#operation.version
  }

  @Field(() => String, { nullable: true })
  get title(): string | null {
    return this.#operation.title ?? null
  }

  @Field(() => String)
  get description(): string {
    return this.#operation.description
  }

  @Field(() => ModeEnum)
  get mode(): string {
    return this.#operation.mode
  }

  @Field(() => ReversibilityEnum)
  get reversibility(): string {
    return this.#operation.reversibility
  }

  @Field(() => String, { description: '`none`, `idempotent` or `key-header`.' })
  get idempotency(): string {
    return this.#operation.idempotency.kind
  }

  @Field(() => BusinessKeyType, { nullable: true })
  get businessKey(): BusinessKeyType | null {
    const { businessKey } = this.#operation
    return businessKey ? new BusinessKeyType(businessKey.type, businessKey.at) : null
  }

  @Field(() => GraphQLJSON)
  get inputSchema(): JsonSchema {
    return this.#operation.inputSchema
  }

  @Field(() => GraphQLJSON, { nullable: true })
  get outputSchema(): JsonSchema | null {
    return this.#operation.outputSchema ?? null
  }

  @Field(() => GraphQLJSON, {
    description: 'Data classes by place in the answer: JSON pointers, `*` for every item and for members of a map, empty for the whole.',
  })
  get dataClasses(): Operation['dataClasses'] {
    return this.#operation.dataClasses
  }

  @Field(() => [String], { description: 'All data classes that its answers may carry.' })
  get classes(): readonly string[] {
    return classesOf(this.#operation)
  }

  @Field(() => [String], { description: 'What whoever receives a result carries from then on.' })
  get labels(): readonly string[] {
    return this.#operation.labels
  }

  @Field(() => String)
  get region(): string {
    return this.#operation.region
  }

  @Field(() => Int)
  get timeoutMs(): number {
    return this.#operation.timeoutMs
  }

  @Field(() => String, { description: 'Method and path below `/proxy/{connector}`.' })
  get route(): string {
    return `${this.#operation.route.method} ${this.#operation.route.path}`
  }
}

@ObjectType('Policy', { description: 'A policy of the active set.' })
export class PolicyType {
  @Field(() => ID)
  readonly id: string
  @Field(() => String)
  readonly file: string
  @Field(() => Int)
  readonly line: number
  @Field(() => String, { description: '`permit` or `forbid`.' })
  readonly effect: string
  @Field(() => String)
  readonly text: string
  @Field(() => String, { description: 'SHA-256 of the text, hexadecimal.' })
  readonly hash: string
  @Field(() => GraphQLJSON)
  readonly annotations: Readonly<Record<string, string>>

  constructor(policy: PolicyText) {
    this.id = policy.id
    this.file = policy.file
    this.line = policy.line
    this.effect = policy.effect
    this.text = policy.text
    this.hash = policy.hash
    this.annotations = policy.annotations
  }
}

@ObjectType('Me', { description: 'Who is signed in.' })
export class MeType {
  @Field(() => ID)
  readonly name: string
  @Field(() => [String])
  readonly groups: readonly string[]
  @Field(() => [String])
  readonly roles: readonly string[]

  constructor(by: Operator) {
    this.name = by.name
    this.groups = by.groups
    this.roles = by.roles
  }
}

@ObjectType('CredentialSet')
export class CredentialSetType {
  @Field(() => String)
  readonly connector: string
  @Field(() => String)
  readonly credential: string
  @Field(() => Int, { description: 'Calls made from now on use this version.' })
  readonly version: number

  constructor(connector: string, credential: string, version: number) {
    this.connector = connector
    this.credential = credential
    this.version = version
  }
}
