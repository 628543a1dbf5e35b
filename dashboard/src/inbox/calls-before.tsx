import { texts } from '../texts.ts'
import { CallLink } from '../ui/page-links.tsx'
import { StateChip } from '../ui/state-chip.tsx'
import { Ago } from '../ui/when.tsx'
import { humanised, operationName } from '../words.ts'
import type { HoldContext } from './inbox-data.ts'

type Earlier = HoldContext['callsBefore'][number]

/** Calls that follow one another with the same operation and state, as one; its time is that of the newest. */
function runs(calls: readonly Earlier[]): readonly { newest: Earlier; count: number }[] {
  const found: { newest: Earlier; count: number }[] = []
  for (const call of calls) {
    const last = found.at(-1)
    if (last?.newest.operation === call.operation && last.newest.state === call.state) {
      last.count += 1
    } else found.push({ newest: call, count: 1 })
  }
  return found
}

/** What the same agent did just before for the same person, newest first. */
export function CallsBefore({ calls }: { calls: HoldContext['callsBefore'] }) {
  if (calls.length === 0) return <p className="quiet">{texts.before.none}</p>
  return (
    <ol className="before">
      {runs(calls).map(({ newest, count }) => (
        <li key={newest.id}>
          <span className="before-what">
            <CallLink id={newest.id}>{humanised(operationName(newest.operation))}</CallLink>{' '}
            {count > 1 && <strong>{texts.before.times(count)}</strong>} <code className="quiet">{newest.operation}</code>
          </span>
          <StateChip state={newest.state} />
          <span className="quiet">
            <Ago at={newest.createdAt} />
          </span>
        </li>
      ))}
    </ol>
  )
}
