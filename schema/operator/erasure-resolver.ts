import { Arg, Ctx, ID, Mutation, Resolver } from 'type-graphql'
import { parseCallId } from '../../gateway/core/ids.ts'
import { LIMITS } from '../../gateway/limits.ts'
import type { OperatorContext } from '../../gateway/ports/operator.ts'
import { ErasedCallsType, ErasureFilterInput, erasureFilter } from './erasure-types.ts'
import { afterArgument, pageRequest } from './page.ts'

@Resolver()
export class ErasureResolver {
  @Mutation(() => ErasedCallsType, {
    description: `Destroys the payloads of calls that have ended: arguments, facts, what agents and people wrote, and kept answers. Entries, decisions and proofs stay. For people with the role \`security\` who had no part in the call. At most ${LIMITS.erasedCallsPerBatchMax} calls at a time. Errors: FORBIDDEN, BAD_INPUT, ID_MALFORMED, UNAVAILABLE.`,
  })
  async erasePayloads(
    @Ctx() { by, cases }: OperatorContext,
    @Arg('calls', () => [ID], { nullable: true }) calls: string[] | null,
    @Arg('filter', () => ErasureFilterInput, { nullable: true, description: 'In the place of `calls`: a page of those that fit.' })
    filter: ErasureFilterInput | null,
    @Arg('after', () => String, afterArgument) after: string | null,
    @Arg('why', () => String, { description: 'Stays in the record for good: name nothing of what is erased.' }) why: string,
  ): Promise<ErasedCallsType> {
    const page = pageRequest(null, after, parseCallId)
    const asked = { calls: (calls ?? []).map(parseCallId), filter: erasureFilter(filter), after: page.after, why }
    return new ErasedCallsType(await cases.erasePayloads(by, asked))
  }
}
