import type { HistoryFact } from '../core/facts.ts'
import type { OperationId } from '../core/ids.ts'
import type { Decider } from '../ports/decider.ts'
import type { CountedSeries } from '../ports/recorder.ts'
import { type Counting, reservationsOf, seriesOf } from './history.ts'

/** All series that calls are counted in under these policies, each once, with the longest window that any fact asks it for. */
export function countedSeries(
  counting: Counting,
  decider: Pick<Decider, 'needs'>,
  operations: ReadonlyMap<OperationId, unknown>,
): readonly CountedSeries[] {
  const found = new Map<string, HistoryFact>()
  for (const operation of operations.keys()) {
    for (const fact of decider.needs(operation).counted) {
      const known = found.get(fact.series)
      if (!known || known.windowMs < fact.windowMs) found.set(fact.series, fact)
    }
  }
  return [...found.values()].map((fact) => ({
    series: seriesOf(counting, fact),
    kind: fact.kind,
    windowMs: fact.windowMs,
    operations: [...fact.of.keys()],
    eventsOf: ({ agent, owner, subject, operation, input }) =>
      reservationsOf(counting, { agent, owner, subject, operation: { id: operation }, input }, fact),
  }))
}
