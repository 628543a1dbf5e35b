import { Arg, GraphQLISODateTime, ID, Resolver, Root, Subscription } from 'type-graphql'
import { parseCallId } from '../../gateway/core/ids.ts'
import type { OperatorContext } from '../../gateway/ports/operator.ts'

interface Watch {
  context: OperatorContext
  args: { id?: unknown }
}

@Resolver()
export class LiveResolver {
  @Subscription(() => GraphQLISODateTime, {
    subscribe: ({ context }: Watch) => context.cases.inboxChanges(context.by),
    description: 'When the open holds that you may see changed: the first answer comes at once. Ask `holds` for what they are now.',
  })
  inboxChanged(@Root() at: number): Date {
    return new Date(at)
  }

  @Subscription(() => GraphQLISODateTime, {
    subscribe: ({ context, args }: Watch) => context.cases.callChanges(context.by, parseCallId(String(args.id))),
    description: 'When a call changed: the first answer comes at once. Errors: ID_MALFORMED, NOT_FOUND.',
  })
  callChanged(@Root() at: number, @Arg('id', () => ID) _id: string): Date {
    return new Date(at)
  }
}
