import { Arg, Ctx, Query, Resolver } from 'type-graphql'
import type { OperatorContext } from '../../gateway/ports/operator.ts'
import { ConnectorType } from './connector-types.ts'
import { OperationType } from './registry-types.ts'

const READ_ERRORS = 'Errors: FORBIDDEN (without a reading role).'

@Resolver()
export class ConnectorResolver {
  @Query(() => [ConnectorType], { description: `All connectors. ${READ_ERRORS}` })
  connectors(@Ctx() { by, cases }: OperatorContext): ConnectorType[] {
    return cases.connectors(by).map((connector) => new ConnectorType(connector))
  }

  @Query(() => ConnectorType, { nullable: true, description: `One connector. ${READ_ERRORS}` })
  connector(@Ctx() { by, cases }: OperatorContext, @Arg('name', () => String) name: string): ConnectorType | null {
    const connector = cases.connector(by, name)
    return connector ? new ConnectorType(connector) : null
  }

  @Query(() => [OperationType], { description: 'Operations by id. Errors: FORBIDDEN (without a reading role), NOT_FOUND.' })
  operations(
    @Ctx() { by, cases }: OperatorContext,
    @Arg('connector', () => String, { nullable: true }) connector: string | null,
  ): OperationType[] {
    return cases.operations(by, connector ?? undefined).map((operation) => new OperationType(operation))
  }
}
