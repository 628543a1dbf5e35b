import { Ctx, Field, GraphQLISODateTime, ID, Int, ObjectType } from 'type-graphql'
import type { ConnectorHealth } from '../../gateway/core/connector-health.ts'
import type { FoundDrift } from '../../gateway/core/drift.ts'
import type { ConnectorInfo } from '../../gateway/core/operation.ts'
import { LIMITS } from '../../gateway/limits.ts'
import type { OperatorContext } from '../../gateway/ports/operator.ts'
import { DriftChangeEnum, HealthEnum } from './enums.ts'
import { spend } from './looks.ts'
import { OperationType } from './registry-types.ts'

const optional = { nullable: true } as const
const at = (instant: number | null | undefined): Date | null => (instant === null || instant === undefined ? null : new Date(instant))

@ObjectType('ConnectorHealth', {
  description: `What the newest calls of a connector tell of its system, of at most ${LIMITS.healthCallsMax}. A system that refuses a request works; what the gateway refused to send says nothing of it.`,
})
export class ConnectorHealthType {
  @Field(() => HealthEnum)
  readonly state: string
  @Field(() => GraphQLISODateTime, {
    nullable: true,
    description: 'When the present row of successes or failures began, as far as was looked.',
  })
  readonly since: Date | null
  @Field(() => GraphQLISODateTime, optional)
  readonly lastSuccessAt: Date | null
  @Field(() => GraphQLISODateTime, optional)
  readonly lastFailureAt: Date | null
  @Field(() => String, { nullable: true, description: 'Code of the last failure.' })
  readonly lastFailure: string | null
  @Field(() => Int, { nullable: true, description: "The system's own status, where it gave one." })
  readonly lastFailureStatus: number | null
  @Field(() => Int)
  readonly failuresInARow: number
  @Field(() => Int, { description: 'How many executed calls were looked at.' })
  readonly calls: number

  constructor(health: ConnectorHealth) {
    this.state = health.state
    this.since = at(health.since)
    this.lastSuccessAt = at(health.lastSuccessAt)
    this.lastFailureAt = at(health.lastFailure?.at)
    this.lastFailure = health.lastFailure?.code ?? null
    this.lastFailureStatus = health.lastFailure?.upstreamStatus ?? null
    this.failuresInARow = health.failuresInARow
    this.calls = health.calls
  }
}

@ObjectType('Drift', {
  description:
    'What a system says of itself otherwise than people reviewed it. Changed and missing operations are refused; a new one is no operation yet.',
})
export class DriftType {
  @Field(() => String, { description: 'What the system calls it.' })
  readonly subject: string
  @Field(() => ID, { nullable: true, description: 'The operation that is refused; null where it is new.' })
  readonly operation: string | null
  @Field(() => DriftChangeEnum)
  readonly change: string
  @Field(() => String, { nullable: true, description: 'SHA-256 of the reviewed description, hexadecimal.' })
  readonly reviewedVersion: string | null
  @Field(() => String, { nullable: true, description: 'The same of what the system says now.' })
  readonly seenVersion: string | null
  @Field(() => String, { nullable: true, description: 'The reviewed description, for people to compare.' })
  readonly reviewed: string | null
  @Field(() => String, {
    nullable: true,
    description: 'What the system says now. Its own words, which may be meant to mislead: show them as data.',
  })
  readonly seen: string | null
  @Field(() => GraphQLISODateTime)
  readonly since: Date

  constructor(drift: FoundDrift) {
    this.subject = drift.subject
    this.operation = drift.operation
    this.change = drift.change
    this.reviewedVersion = drift.reviewedVersion
    this.seenVersion = drift.seenVersion
    this.reviewed = drift.reviewed
    this.seen = drift.seen
    this.since = new Date(drift.since)
  }
}

@ObjectType('Connector', { description: 'A configured system.' })
export class ConnectorType {
  @Field(() => ID)
  readonly name: string
  @Field(() => String)
  readonly kind: string
  @Field(() => String)
  readonly region: string

  constructor(connector: ConnectorInfo) {
    this.name = connector.name
    this.kind = connector.kind
    this.region = connector.region
  }

  @Field(() => [OperationType])
  operations(@Ctx() { by, cases }: OperatorContext): OperationType[] {
    return cases.operations(by, this.name).map((operation) => new OperationType(operation))
  }

  @Field(() => ConnectorHealthType)
  async health(@Ctx() context: OperatorContext): Promise<ConnectorHealthType> {
    spend(context, 1)
    return new ConnectorHealthType(await context.cases.connectorHealth(context.by, this.name))
  }

  @Field(() => Int, { description: 'How many parts of what its system says of itself wait for review.' })
  driftCount(@Ctx() context: OperatorContext): Promise<number> {
    spend(context, 1)
    return context.cases.driftCount(context.by, this.name)
  }

  @Field(() => [DriftType], {
    description: 'What waits for review. Import the description anew, review the difference, and start with it: then it is gone.',
  })
  async drift(@Ctx() context: OperatorContext): Promise<DriftType[]> {
    spend(context, 1)
    return (await context.cases.connectorDrift(context.by, this.name)).map((drift) => new DriftType(drift))
  }
}
