import { type Instant, instant } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import { LIMITS } from '../limits.ts'
import type { ExceptionRow, FigureFilter, FigureGroup, FigureRange, FigureRow } from '../ports/call-figures.ts'
import type { CallMetrics, MetricsRange, Operator } from '../ports/operator.ts'
import type { OperatorDeps } from './deps.ts'
import { requireReader } from './roles.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** The range in whole hours; in whole days beyond what a chart of hours shows. Throws BAD_INPUT. */
function wholeHours({ since, until }: MetricsRange, now: Instant, hours: boolean): FigureRange {
  const end = Math.ceil((until ?? now) / HOUR_MS) * HOUR_MS
  const range = { since: instant(Math.floor(since / HOUR_MS) * HOUR_MS), until: instant(end) }
  const lengthMs = range.until - range.since
  if (!(lengthMs > 0)) throw new GatewayError('BAD_INPUT', 'the range ends before it begins: `until` must be after `since`')
  if (hours && lengthMs > LIMITS.metricsHoursMax * HOUR_MS) {
    throw new GatewayError('BAD_INPUT', `at most ${LIMITS.metricsHoursMax} hours at once: group a longer range by DAY`)
  }
  if (lengthMs > LIMITS.metricsDaysMax * DAY_MS)
    throw new GatewayError('BAD_INPUT', `the range is longer than ${LIMITS.metricsDaysMax} days`)
  return range
}

function bounded(first: number): number {
  if (Number.isInteger(first) && first >= 1 && first <= LIMITS.metricsRowsMax) return first
  throw new GatewayError('BAD_INPUT', `\`first\` must be from 1 to ${LIMITS.metricsRowsMax}`)
}

/** Those with the most calls first; equal ones by name. */
const byCalls = (a: FigureRow, b: FigureRow): number => b.calls - a.calls || (a.key < b.key ? -1 : 1)

/** Figures of the calls of a range. Throws FORBIDDEN, BAD_INPUT, UNAVAILABLE. */
export async function callMetrics(
  deps: OperatorDeps,
  by: Operator,
  asked: MetricsRange,
  groupBy: FigureGroup,
  filter: FigureFilter,
  first: number,
): Promise<CallMetrics> {
  requireReader(by, 'reading metrics')
  const range = wholeHours(asked, deps.clock.now(), groupBy === 'HOUR')
  const most = bounded(first)
  // Asked for first: what is counted in the meantime is more than it says.
  const completeUpTo = await deps.figures.completeUpTo()
  const rows = await deps.figures.rows(range, groupBy, filter)
  const sorted = groupBy === 'HOUR' || groupBy === 'DAY' ? rows : rows.toSorted(byCalls)
  return { ...range, completeUpTo, rows: sorted.slice(0, most), more: sorted.length > most }
}

/** Where calls of a range ended badly. Throws FORBIDDEN, BAD_INPUT, UNAVAILABLE. */
export function exceptions(deps: OperatorDeps, by: Operator, asked: MetricsRange, first: number): Promise<readonly ExceptionRow[]> {
  requireReader(by, 'reading exceptions')
  return deps.figures.exceptions(wholeHours(asked, deps.clock.now(), false), bounded(first))
}
