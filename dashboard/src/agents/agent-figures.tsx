import type { UseQueryResult } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { texts } from '../texts.ts'
import { Problem } from '../ui/problem.tsx'
import { Skeleton } from '../ui/skeleton.tsx'
import { type AgentFigures, LATELY_DAYS } from './agents-data.ts'

const COUNT = new Intl.NumberFormat()

/** What the agent did lately, in numbers. */
export function Figures({ agent, figures }: { agent: string; figures: UseQueryResult<AgentFigures> }) {
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
        <Numbers agent={agent} row={figures.data.lately.rows[0]} />
      )}
    </section>
  )
}

function Numbers({ agent, row }: { agent: string; row: AgentFigures['lately']['rows'][number] | undefined }) {
  const { figures } = texts.agents
  const counts = [
    [figures.calls, row?.calls ?? 0, {}],
    [figures.denied, row?.denied ?? 0, { decision: 'deny' }],
    [figures.held, row?.held ?? 0, { decision: 'hold' }],
    [figures.failed, (row?.failed ?? 0) + (row?.inDoubt ?? 0), { state: 'failed,in_doubt' }],
  ] as const
  const p95 = row?.upstream?.p95Ms
  return (
    <dl className="stats">
      {counts.map(([label, count, search]) => (
        <div key={label} className="stat">
          <dt>{label}</dt>
          <dd>
            <Link to="/calls" search={{ agent, from: `${LATELY_DAYS}d`, ...search }} aria-label={`${label}: ${count}`}>
              {COUNT.format(count)}
            </Link>
          </dd>
        </div>
      ))}
      <div className="stat">
        <dt>{figures.p95}</dt>
        <dd>{p95 === undefined ? '–' : texts.agents.figures.ms(COUNT.format(Math.round(p95)))}</dd>
      </div>
    </dl>
  )
}
