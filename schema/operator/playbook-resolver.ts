import { Arg, Ctx, Query, Resolver } from 'type-graphql'
import type { OperatorContext } from '../../gateway/ports/operator.ts'
import { spend } from './looks.ts'
import { PlaybookType } from './playbook-type.ts'

@Resolver()
export class PlaybookResolver {
  @Query(() => PlaybookType, {
    nullable: true,
    description: 'A version of a playbook, also one that is not served any more; null where it never was. Errors: UNAVAILABLE.',
  })
  async playbook(
    @Ctx() context: OperatorContext,
    @Arg('name', () => String) name: string,
    @Arg('version', () => String) version: string,
  ): Promise<PlaybookType | null> {
    spend(context, 1)
    const served = await context.cases.playbook(context.by, name, version)
    return served ? new PlaybookType(served) : null
  }
}
