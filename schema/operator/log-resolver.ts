import { Ctx, Query, Resolver } from 'type-graphql'
import type { OperatorContext } from '../../gateway/ports/operator.ts'
import { CheckpointType } from './log-type.ts'

@Resolver()
export class LogResolver {
  @Query(() => CheckpointType, {
    nullable: true,
    description: 'The newest checkpoint of the log; null before its first entry. Errors: FORBIDDEN (without a reading role), UNAVAILABLE.',
  })
  async checkpoint(@Ctx() { by, cases }: OperatorContext): Promise<CheckpointType | null> {
    const checkpoint = await cases.checkpoint(by)
    return checkpoint ? new CheckpointType(checkpoint) : null
  }
}
