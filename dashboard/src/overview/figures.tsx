import { Link } from '@tanstack/react-router'
import type { CallSearch } from '../calls/call-search.ts'
import { texts } from '../texts.ts'
import { spanOf, useNow } from '../words.ts'
import { CallsLink, within } from './calls-link.tsx'
import { change, whole } from './numbers.ts'
import type { Overview, Totals } from './overview-data.ts'
import type { Range } from './overview-search.ts'

type Figure = keyof Totals

/** Each figure, and the calls behind it; null where no filter names them. */
const FIGURES: readonly (readonly [Figure, CallSearch | null])[] = [
  ['calls', {}],
  ['permitted', { decision: 'permit' }],
  ['held', { decision: 'hold' }],
  ['denied', { decision: 'deny' }],
  ['completed', { state: 'completed' }],
  ['failed', { state: 'failed' }],
  ['rejected', { state: 'rejected' }],
  ['expired', { state: 'expired' }],
  ['edited', null],
  ['granted', null],
]

/** The numbers of the range, each with what it was before. */
export function Figures({ overview, range }: { overview: Overview; range: Range }) {
  const { total, before } = overview
  return (
    <>
      <dl className="stats overview-stats">
        <OpenHolds open={overview.open} />
        {FIGURES.map(([figure, search]) => {
          const now = total.rows[0]?.[figure] ?? 0
          return (
            <div className="stat" key={figure}>
              <dt>{texts.overview.figures[figure]}</dt>
              <dd>
                {figure === 'granted' ? (
                  <Link to="/grants">{whole(now)}</Link>
                ) : search === null || now === 0 ? (
                  whole(now)
                ) : (
                  <CallsLink search={{ ...search, ...within(total) }}>{whole(now)}</CallsLink>
                )}
              </dd>
              <Compared now={now} before={before.rows[0]?.[figure] ?? 0} range={range} />
            </div>
          )
        })}
      </dl>
      <p className="quiet overview-compared">{texts.overview.compared[range]}</p>
    </>
  )
}

function Compared({ now, before, range }: { now: number; before: number; range: Range }) {
  const percent = change(now, before)
  return (
    <dd className="overview-before">
      {percent !== null && percent !== 0 && `${percent > 0 ? '+' : '\u2212'}${whole(Math.abs(percent))} %, `}
      {whole(before)} {texts.overview.before[range]}
    </dd>
  )
}

function OpenHolds({ open }: { open: Overview['open'] }) {
  const now = useNow(30_000)
  const { edges, pageInfo } = open
  const first = edges[0]?.node.expiresAt
  const words = texts.overview
  return (
    <div className="stat">
      <dt>{words.open}</dt>
      <dd>
        <Link to="/inbox">
          {whole(edges.length)}
          {pageInfo.hasNextPage && '+'}
        </Link>
      </dd>
      <dd className="overview-before">{first === undefined ? words.noDeadline : `${words.oldest} ${spanOf(Date.parse(first) - now)}`}</dd>
    </div>
  )
}
