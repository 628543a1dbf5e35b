import { queryOptions } from '@tanstack/react-query'
import { ask } from '../gateway.ts'
import { graphql, type ResultOf } from '../graphql.ts'

const ACCOUNT = graphql(`
  query Account($id: ID!) {
    call(id: $id) {
      account {
        spans {
          id
          name
          startedAt
          endedAt
          beforeCall
          status
          error
          operation
          provider
          model
          messages { side role text tool }
          tool { name arguments result }
          inputTokens
          outputTokens
          finishReasons
        }
        truncated
        masked
        erased
      }
    }
  }
`)

export type AccountData = NonNullable<NonNullable<ResultOf<typeof ACCOUNT>['call']>['account']>
export type AccountSpan = AccountData['spans'][number]

/** What the agent tells of the call's trace. Asked for when a person says so: the look is recorded. Spans may come after the call. */
export const accountQuery = (id: string) =>
  queryOptions({
    queryKey: ['call', id, 'account'],
    queryFn: async ({ signal }) => (await ask(ACCOUNT, { id }, signal)).call?.account ?? null,
    staleTime: Number.POSITIVE_INFINITY,
  })
