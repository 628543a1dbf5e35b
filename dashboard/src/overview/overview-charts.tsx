import { texts } from '../texts.ts'
import { Chart } from '../ui/chart.tsx'
import { CallsLink } from './calls-link.tsx'
import { duration, whole } from './numbers.ts'
import { grainOf, type Overview, timesOf } from './overview-data.ts'
import type { Range } from './overview-search.ts'

const DAY = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', timeZone: 'UTC' })
const HOUR = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })

const whenOf = (range: Range) => (ms: number) => (range === '30d' ? DAY : HOUR).format(ms)

interface Parts {
  overview: Overview
  range: Range
}

const DECISIONS = [
  ['permitted', 'accent', 'permit'],
  ['held', 'warn', 'hold'],
  ['denied', 'bad', 'deny'],
] as const

/** Calls by their first decision, one on top of the other. */
export function ThroughputChart({ overview, range }: Parts) {
  const times = timesOf(overview, range)
  const rows = new Map(overview.times.rows.map((row) => [Date.parse(row.key), row]))
  const series = DECISIONS.map(([figure, tone]) => ({
    name: texts.overview.decisions[figure],
    tone,
    values: times.map((ms) => rows.get(ms)?.[figure] ?? 0),
  }))
  return (
    <Chart
      title={texts.overview.throughput}
      times={times}
      series={series}
      shape="stack"
      format={whole}
      when={whenOf(range)}
      utc={range === '30d'}
      cell={(index, at) => {
        const [count, from, decision] = [series[index]?.values[at] ?? 0, times[at] ?? 0, DECISIONS[index]?.[2] ?? 'permit']
        if (count === 0) return whole(count)
        const to = new Date(from + grainOf(range)).toISOString()
        return <CallsLink search={{ decision, from: new Date(from).toISOString(), to }}>{whole(count)}</CallsLink>
      }}
    />
  )
}

/** How long holds were open that people decided or that ran out. */
export function HoldChart({ overview, range }: Parts) {
  const times = timesOf(overview, range)
  const rows = new Map(overview.times.rows.map((row) => [Date.parse(row.key), row.hold]))
  const words = texts.overview
  if (overview.times.rows.every(({ hold }) => hold === null))
    return (
      <>
        <h2>{words.holds}</h2>
        <p className="quiet">{words.noHolds}</p>
      </>
    )
  const series = [
    { name: words.half, tone: 'accent' as const, values: times.map((ms) => rows.get(ms)?.p50Ms ?? null) },
    { name: words.most, tone: 'warn' as const, values: times.map((ms) => rows.get(ms)?.p95Ms ?? null) },
  ]
  return (
    <Chart title={words.holds} times={times} series={series} shape="lines" format={duration} when={whenOf(range)} utc={range === '30d'} />
  )
}
