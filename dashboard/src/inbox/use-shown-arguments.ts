import { useQuery, useQueryClient } from '@tanstack/react-query'
import { type ListedHold, lookAtArguments, type ShownHold } from './inbox-data.ts'

const keyOf = ({ id, digest }: { id: string; digest: string }) => ['shown', id, digest] as const

/** So many at once: each is a look that is recorded. */
const AT_ONCE = 100

/**
 * The arguments of listed holds, once somebody asked to see them: each is looked at, and the look recorded, once for its digest, however often the list is
 * read again.
 */
export function useShownArguments(holds: readonly ListedHold[], on: boolean): (hold: ListedHold) => ShownHold | undefined {
  const client = useQueryClient()
  const known = (hold: ListedHold): ShownHold | undefined => client.getQueryData(keyOf(hold))
  const missing = on ? holds.filter((hold) => known(hold) === undefined).slice(0, AT_ONCE) : []
  useQuery({
    queryKey: ['looking', missing.map(keyOf)],
    queryFn: async ({ signal }) => {
      const found = await lookAtArguments(
        missing.map(({ id }) => id),
        signal,
      )
      for (const hold of found) {
        client.setQueryDefaults(keyOf(hold), { gcTime: Number.POSITIVE_INFINITY })
        client.setQueryData(keyOf(hold), hold)
      }
      return found.length
    },
    enabled: missing.length > 0,
    staleTime: Number.POSITIVE_INFINITY,
  })
  return (hold) => (on ? known(hold) : undefined)
}
