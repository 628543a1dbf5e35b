import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { instant } from '../core/clock.ts'
import { LIMITS } from '../limits.ts'
import type { FigureGroup } from '../ports/call-figures.ts'
import { callFigures } from '../storage/call-figures.ts'
import { type Bed, openBed } from './fixture-bed.ts'
import { as } from './fixture-organisation.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

let bed: Bed
beforeAll(async () => {
  bed = await openBed()
  bed.storage.follow([callFigures])
})
afterAll(() => bed.close())

const metrics = (since: number, until: number | undefined, groupBy: FigureGroup = 'TOTAL', first = 10) =>
  bed.cases.callMetrics(as('lee'), { since: instant(since), ...(until === undefined ? {} : { until: instant(until) }) }, groupBy, {}, first)

test('an organisation without calls has no rows', async () => {
  expect(await metrics(Date.now() - DAY_MS, undefined)).toMatchObject({ rows: [], more: false })
  expect(await bed.cases.exceptions(as('lee'), { since: instant(Date.now() - DAY_MS) }, 10)).toEqual([])
})

test('a range is widened to whole hours, and ends now where it says nothing else', async () => {
  const hour = Math.floor(Date.now() / HOUR_MS) * HOUR_MS
  expect(await metrics(hour - 5 * HOUR_MS + 1, hour - HOUR_MS + 1)).toMatchObject({ since: hour - 5 * HOUR_MS, until: hour })
  const { since, until } = await metrics(hour - 5 * HOUR_MS, undefined)
  expect(since).toBe(hour - 5 * HOUR_MS)
  expect(until).toBeGreaterThan(Date.now() - HOUR_MS)
})

test('calls are counted as they stand, those with the most first, at most so many', async () => {
  await bed.ask({ amount: 7_000 })
  await bed.ran('completed', 10)
  await bed.ran('completed', 20)
  const doubtful = await bed.ran('in_doubt', 30)
  const since = Date.now() - HOUR_MS
  await vi.waitFor(async () => expect((await metrics(since, undefined)).rows[0]).toMatchObject({ calls: 4, inDoubt: 1 }), 20_000)
  expect((await metrics(since, undefined, 'AGENT')).rows).toMatchObject([
    { key: 'clerk', calls: 4, permitted: 3, held: 1, denied: 0, completed: 2, inDoubt: 1, upstream: { count: 3 } },
  ])
  expect(await bed.cases.exceptions(as('lee'), { since: instant(since) }, 10)).toEqual([
    { stage: 'IN_DOUBT', reason: '', connector: 'erp', count: 1 },
  ])
  await bed.cases.resolveCall(as('olga'), doubtful, 'DID_NOT_HAPPEN', 'the ledger has no such payment')
  await vi.waitFor(async () => expect((await metrics(since, undefined)).rows[0]).toMatchObject({ inDoubt: 0, failed: 1 }), 20_000)
  const { completeUpTo } = await metrics(since, undefined)
  expect(completeUpTo).toBeGreaterThan(Date.now() - HOUR_MS)
})

test.each([
  ['ends before it begins', () => metrics(Date.now(), Date.now() - DAY_MS)],
  ['has more hours than a chart', () => metrics(Date.now() - (LIMITS.metricsHoursMax + 2) * HOUR_MS, undefined, 'HOUR')],
  ['is longer than is kept in sight', () => metrics(Date.now() - (LIMITS.metricsDaysMax + 2) * DAY_MS, undefined)],
  ['asks for no row', () => metrics(Date.now() - DAY_MS, undefined, 'AGENT', 0)],
  ['asks for more rows than come', () => metrics(Date.now() - DAY_MS, undefined, 'AGENT', LIMITS.metricsRowsMax + 1)],
])('a range that %s is refused', async (_title, ask) => {
  await expect(ask()).rejects.toMatchObject({ code: 'BAD_INPUT' })
})
