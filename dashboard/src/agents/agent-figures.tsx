import type { UseQueryResult } from '@tanstack/react-query'
import { texts } from '../texts.ts'
import { Problem } from '../ui/problem.tsx'
import { Skeleton } from '../ui/skeleton.tsx'
import { type AgentFigures, LATELY_DAYS } from './agents-data.ts'

const COUNT = new Intl.NumberFormat()

/** What the agent did lately, in numbers. */
export function Figures({ figures }: { figures: UseQueryResult<AgentFigures> }) {
  return (
    <section className="block">
      <h2>
        {texts.agents.figures.title} <span className="count">{texts.agents.figures.days(LATELY_DAYS)}</span>
      </h2>
      {figures.isPending ? (
        <Skeleton lines={2} />
      ) : figures.data === undefined ? (
        <Problem error={figures.error} again={() => void figures.refetch()} />
      ) : (
        <Numbers row={figures.data.lately.rows[0]} />
      )}
    </section>
  )
}

function Numbers({ row }: { row: AgentFigures['lately']['rows'][number] | undefined }) {
  const { figures } = texts.agents
  const counts = [
    [figures.calls, row?.calls ?? 0],
    [figures.denied, row?.denied ?? 0],
    [figures.held, row?.held ?? 0],
    [figures.failed, (row?.failed ?? 0) + (row?.inDoubt ?? 0)],
  ] as const
  const p95 = row?.upstream?.p95Ms
  return (
    <dl className="stats">
      {counts.map(([label, count]) => (
        <div key={label} className="stat">
          <dt>{label}</dt>
          <dd>{COUNT.format(count)}</dd>
        </div>
      ))}
      <div className="stat">
        <dt>{figures.p95}</dt>
        <dd>{p95 === undefined ? '–' : texts.agents.figures.ms(COUNT.format(Math.round(p95)))}</dd>
      </div>
    </dl>
  )
}
