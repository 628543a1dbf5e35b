import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { texts } from '../texts.ts'
import { Problem } from '../ui/problem.tsx'
import { RangePicker } from '../ui/range-picker.tsx'
import { Skeleton } from '../ui/skeleton.tsx'
import { When } from '../ui/when.tsx'
import { AgentsTable, OperationsTable } from './busy-tables.tsx'
import { ExceptionsTable } from './exceptions-table.tsx'
import { GivenUp } from './given-up.tsx'
import { Figures } from './figures.tsx'
import { HoldChart, ThroughputChart } from './overview-charts.tsx'
import { type Overview, overviewQuery } from './overview-data.ts'
import { RANGES, readOverviewSearch, type Range } from './overview-search.ts'
import './overview.css'

const BEHIND_MS = 120_000

/** What agents do, and where it ends badly. The address is the range. */
export function OverviewPage() {
  const { range = '24h' } = readOverviewSearch(useSearch({ strict: false }))
  const overview = useQuery(overviewQuery(range))
  const navigate = useNavigate()
  const choose = (to: Range): void => void navigate({ to: '/overview', search: readOverviewSearch({ range: to }) })
  const words = texts.overview
  return (
    <main id="content" className="plain overview">
      <header className="page-head">
        <h1>{words.title}</h1>
        <RangePicker
          label={words.range}
          ranges={RANGES.map((each) => [each, words.ranges[each]] as const)}
          chosen={range}
          onChoose={choose}
        />
      </header>
      {overview.isPending ? (
        <Skeleton lines={12} />
      ) : overview.data === undefined ? (
        <Problem error={overview.error} again={() => void overview.refetch()} />
      ) : (
        <Answer overview={overview.data} range={range} fresh={!overview.isPlaceholderData} onLonger={() => choose('30d')} />
      )}
    </main>
  )
}

function Answer({ overview, range, fresh, onLonger }: { overview: Overview; range: Range; fresh: boolean; onLonger: () => void }) {
  const { total } = overview
  const words = texts.overview
  const behind = Date.now() - Date.parse(total.completeUpTo) > BEHIND_MS
  const [totals] = total.rows
  return (
    <>
      <InDoubt {...overview.doubtful} />
      {behind && (
        <p className="notice notice-warn" role="status">
          {words.counting} <When at={total.completeUpTo} />.
        </p>
      )}
      <GivenUp notices={overview.givenUp} since={total.since} />
      <Figures overview={overview} range={range} />
      {totals ? (
        <div className="overview-parts" aria-busy={!fresh}>
          <section className="overview-box overview-wide">
            <ThroughputChart overview={overview} range={range} />
          </section>
          <section className="overview-box overview-wide">
            <ExceptionsTable exceptions={overview.exceptions} span={total} />
          </section>
          <section className="overview-box overview-wide">
            <HoldChart overview={overview} range={range} />
          </section>
          <section className="overview-box">
            <OperationsTable overview={overview} />
          </section>
          <section className="overview-box">
            <AgentsTable overview={overview} />
          </section>
        </div>
      ) : (
        <div className="empty">
          <h2>{words.emptyTitle}</h2>
          <p className="quiet">{words.empty}</p>
          {range !== '30d' && (
            <button type="button" className="button" onClick={onLonger}>
              {words.longer}
            </button>
          )}
        </div>
      )}
      <p className="quiet overview-precision">{words.precision}</p>
    </>
  )
}

function InDoubt({ edges, pageInfo }: Overview['doubtful']) {
  if (edges.length === 0) return null
  const words = texts.overview
  return (
    <section className="notice notice-bad overview-doubt">
      <h2>{words.doubt(`${edges.length}${pageInfo.hasNextPage ? '+' : ''}`)}</h2>
      <p>{words.doubtWhy}</p>
      <Link to="/in-doubt">{words.doubtLink}</Link>
    </section>
  )
}
