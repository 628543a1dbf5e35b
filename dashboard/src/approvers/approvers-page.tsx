import { queryOptions, useQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { ask } from '../gateway.ts'
import { graphql, type ResultOf } from '../graphql.ts'
import { texts } from '../texts.ts'
import { Problem } from '../ui/problem.tsx'
import { Skeleton } from '../ui/skeleton.tsx'
import { spanOf } from '../words.ts'
import { DAYS, readApproversSearch } from './approvers-search.ts'
import './approvers.css'

const VOTERS = graphql(`
  query Voters($days: Int!) {
    voterFigures(days: $days) { voter approvals refusals medianMs quickVotes unseenVotes }
  }
`)

type Voter = ResultOf<typeof VOTERS>['voterFigures'][number]

const votersQuery = (days: number) =>
  queryOptions({
    queryKey: ['voters', days],
    queryFn: async ({ signal }) => (await ask(VOTERS, { days }, signal)).voterFigures,
  })

/** Who decides how much and how fast: a rule that asks too often wears people out, and it shows here first. */
export function ApproversPage() {
  const { days = 30 } = readApproversSearch(useSearch({ strict: false }))
  const voters = useQuery(votersQuery(days))
  const navigate = useNavigate()
  return (
    <main id="content" className="plain">
      <header className="page-head">
        <h1>{texts.approvers.title}</h1>
      </header>
      <p className="quiet">{texts.approvers.what}</p>
      <search className="filters">
        <label className="field">
          {texts.approvers.within}
          <select
            value={days}
            onChange={({ target }) =>
              void navigate({ to: '/approvers', search: readApproversSearch({ days: Number(target.value) }), replace: true })
            }
          >
            {DAYS.map((each) => (
              <option key={each} value={each}>
                {texts.approvers.days(each)}
              </option>
            ))}
          </select>
        </label>
      </search>
      {voters.isPending ? (
        <Skeleton lines={6} />
      ) : voters.data === undefined ? (
        <Problem error={voters.error} again={() => void voters.refetch()} />
      ) : voters.data.length === 0 ? (
        <p className="empty quiet">{texts.approvers.none(days)}</p>
      ) : (
        <VoterList voters={voters.data} />
      )}
    </main>
  )
}

function VoterList({ voters }: { voters: readonly Voter[] }) {
  const { figures } = texts.approvers
  return (
    <ul className="voters">
      {voters.map(({ voter, approvals, refusals, medianMs, quickVotes, unseenVotes }) => (
        <li key={voter}>
          <h2>{voter}</h2>
          <dl className="stats">
            <Stat name={figures.approvals} value={String(approvals)} />
            <Stat name={figures.refusals} value={String(refusals)} />
            <Stat name={figures.median} value={medianMs === null ? '–' : spanOf(medianMs)} />
            <Stat name={figures.quick} value={String(quickVotes)} />
            <Stat name={figures.unseen} value={String(unseenVotes)} />
          </dl>
        </li>
      ))}
    </ul>
  )
}

const Stat = ({ name, value }: { name: string; value: string }) => (
  <div className="stat">
    <dt>{name}</dt>
    <dd>{value}</dd>
  </div>
)
