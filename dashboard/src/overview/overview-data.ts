import { keepPreviousData, queryOptions } from '@tanstack/react-query'
import { ask } from '../gateway.ts'
import { graphql, type ResultOf } from '../graphql.ts'
import type { Range } from './overview-search.ts'

const OVERVIEW = graphql(`
  query Overview($range: MetricsRange!, $before: MetricsRange!, $grain: MetricsGroup!) {
    total: metrics(range: $range) {
      since
      until
      completeUpTo
      rows { calls permitted held denied completed failed rejected expired edited granted }
    }
    before: metrics(range: $before) {
      rows { calls permitted held denied completed failed rejected expired edited granted }
    }
    times: metrics(range: $range, groupBy: $grain) {
      rows { key permitted held denied hold { count p50Ms p95Ms } }
    }
    agents: metrics(range: $range, groupBy: AGENT, first: 8) {
      rows { key calls held denied failed }
    }
    operations: metrics(range: $range, groupBy: OPERATION) {
      rows { key calls upstream { count p50Ms p95Ms } }
    }
    exceptions(range: $range, first: 500) { stage reason connector calls }
    doubtful: calls(filter: { state: [in_doubt] }, first: 100) {
      edges { cursor }
      pageInfo { hasNextPage }
    }
    givenUp: noticesGivenUp(first: 50) { about person channel holdId attempts why at }
    open: holds(filter: { state: [open] }, orderBy: EXPIRES, first: 100) {
      edges { node { id expiresAt } }
      pageInfo { hasNextPage }
    }
  }
`)

export type Overview = ResultOf<typeof OVERVIEW>
export type Totals = Overview['total']['rows'][number]
export type Exception = Overview['exceptions'][number]

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** How long each range is, how long ago the one is that it is compared with, and what its charts are made of. */
const LENGTHS: Readonly<Record<Range, { lengthMs: number; agoMs: number; grainMs: number }>> = {
  '24h': { lengthMs: DAY_MS, agoMs: 7 * DAY_MS, grainMs: HOUR_MS },
  '7d': { lengthMs: 7 * DAY_MS, agoMs: 7 * DAY_MS, grainMs: HOUR_MS },
  '30d': { lengthMs: 30 * DAY_MS, agoMs: 30 * DAY_MS, grainMs: DAY_MS },
}

/** The range up to the end of the present hour, and of days up to the end of today, so that all of its hours or days are whole. */
export function spanOfRange(range: Range, nowMs: number): { since: string; until: string } {
  const { lengthMs, grainMs } = LENGTHS[range]
  const until = (Math.floor(nowMs / grainMs) + 1) * grainMs
  return { since: new Date(until - lengthMs).toISOString(), until: new Date(until).toISOString() }
}

function variablesOf(range: Range) {
  const span = spanOfRange(range, Date.now())
  const { agoMs, grainMs } = LENGTHS[range]
  const earlier = (iso: string): string => new Date(Date.parse(iso) - agoMs).toISOString()
  const grain = grainMs === HOUR_MS ? ('HOUR' as const) : ('DAY' as const)
  return { range: span, before: { since: earlier(span.since), until: earlier(span.until) }, grain }
}

export const overviewQuery = (range: Range) =>
  queryOptions({
    queryKey: ['overview', range],
    queryFn: ({ signal }) => ask(OVERVIEW, variablesOf(range), signal),
    refetchInterval: 15_000,
    placeholderData: keepPreviousData,
  })

/** All hours or days of the answer's range, those without calls too. */
export function timesOf({ total }: Overview, range: Range): readonly number[] {
  const { grainMs } = LENGTHS[range]
  const [from, to] = [Date.parse(total.since), Date.parse(total.until)]
  return Array.from({ length: Math.max(0, Math.round((to - from) / grainMs)) }, (_, at) => from + at * grainMs)
}

export const grainOf = (range: Range): number => LENGTHS[range].grainMs

/** Operations by how long 95 % of their calls took, the slowest first. */
export const slowest = ({ operations }: Overview, first: number) =>
  operations.rows
    .flatMap(({ upstream, ...row }) => (upstream ? [{ ...row, upstream }] : []))
    .toSorted((a, b) => b.upstream.p95Ms - a.upstream.p95Ms)
    .slice(0, first)
