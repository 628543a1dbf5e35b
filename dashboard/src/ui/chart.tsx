import { type KeyboardEvent, type ReactNode, useEffect, useId, useRef, useState } from 'react'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { texts } from '../texts.ts'
import { colourOf, type Tone, usePalette } from './palette.ts'
import './chart.css'

export interface ChartSeries {
  name: string
  tone: Tone
  /** One for each time; null where there is nothing. */
  values: readonly (number | null)[]
}

interface ChartProps {
  /** What the chart is about: its name for those who do not see it. */
  title: string
  /** Beginnings of hours or days, ms since the epoch. */
  times: readonly number[]
  series: readonly ChartSeries[]
  /** `stack`: columns one on top of the other, the first at the bottom. `lines`: over a logarithmic axis. */
  shape: 'stack' | 'lines'
  format: (value: number) => string
  when: (ms: number) => string
  /** Times are days of UTC, not hours of this place. */
  utc: boolean
  /** A cell of the table for one time. */
  cell?: (series: number, at: number) => ReactNode
}

const HEIGHT = 210

/** Sums from below, so that columns drawn from the highest to the lowest show each on top of the last. */
function stacked(series: readonly ChartSeries[]): (number | null)[][] {
  const sums: (number | null)[][] = []
  for (const { values } of series) {
    const below = sums.at(-1)
    sums.push(values.map((value, at) => (value ?? 0) + (below?.[at] ?? 0)))
  }
  return sums
}

function dataOf({ times, series, shape }: ChartProps): uPlot.AlignedData {
  const drawn = shape === 'stack' ? stacked(series).reverse() : series.map(({ values }) => [...values])
  return [times.map((ms) => ms / 1_000), ...drawn]
}

function optionsOf({ series, shape, format, utc }: ChartProps, width: number, onPoint: (at: number | null) => void): uPlot.Options {
  const [ink, line] = [colourOf('quiet'), colourOf('line')]
  const drawn = shape === 'stack' ? series.toReversed() : series
  const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { show: false }, font: '12px system-ui, sans-serif' }
  const columns = uPlot.paths.bars?.({ size: [0.8, 40], gap: 1 })
  return {
    width,
    height: HEIGHT,
    tzDate: (at) => (utc ? uPlot.tzDate(new Date(at * 1_000), 'Etc/UTC') : new Date(at * 1_000)),
    padding: [8, 4, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { show: shape === 'lines' } },
    scales: {
      y: shape === 'lines' ? { distr: 3 } : { range: (_plot, _least, most) => [0, Math.max(4, most * 1.05)] },
      x: { range: columnsFit },
    },
    series: [
      {},
      ...drawn.map(({ tone }) => {
        const colour = colourOf(tone)
        return shape === 'stack' && columns
          ? { fill: colour, width: 0, paths: columns, points: { show: false } }
          : { stroke: colour, width: 2, spanGaps: true, points: { show: true, size: 5, fill: colour } }
      }),
    ],
    axes: [
      { ...axis, grid: { show: false }, space: 64, size: 30, values: (_plot, ticks) => ticks.map((tick) => tickText(tick * 1_000, utc)) },
      {
        ...axis,
        size: 64,
        values: (_plot, ticks) => ticks.map((tick) => (tick === null || (shape === 'stack' && tick % 1 !== 0) ? '' : format(tick))),
      },
    ],
    hooks: { setCursor: [(plot) => onPoint(plot.cursor.idx ?? null)] },
  }
}

const DAY = { day: 'numeric', month: 'short' } as const
const DAYS = { here: new Intl.DateTimeFormat(undefined, DAY), utc: new Intl.DateTimeFormat(undefined, { ...DAY, timeZone: 'UTC' }) }
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })

/** The day where one begins, else the time of day. */
function tickText(ms: number, utc: boolean): string {
  if (utc) return DAYS.utc.format(ms)
  const at = new Date(ms)
  return at.getHours() === 0 && at.getMinutes() === 0 ? DAYS.here.format(at) : CLOCK.format(at)
}

/** Half a column of room on either side. */
function columnsFit(plot: uPlot, from: number, to: number): [number, number] {
  const times = plot.data[0]
  const half = times.length > 1 ? ((times[1] ?? 0) - (times[0] ?? 0)) / 2 : 1_800
  return [from - half, to + half]
}

/**
 * A chart over time, drawn in the colours of the theme; what it shows is also a table below it. Where it has the focus, arrow keys move along the times like
 * a slider, and what stands at each is said.
 */
export function Chart(props: ChartProps) {
  const { title, times, series, format, when, cell } = props
  const place = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | null>(null)
  const [at, setAt] = useState<number | null>(null)
  const palette = usePalette()
  const latest = useRef(props)
  latest.current = props
  const shape = `${props.shape} ${series.map(({ name, tone }) => `${name} ${tone}`).join()} ${palette}`
  useEffect(() => {
    const element = place.current
    if (!element || shape === '') return
    const made = new uPlot(optionsOf(latest.current, element.clientWidth, setAt), dataOf(latest.current), element)
    plot.current = made
    const watch = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }))
    watch.observe(element)
    return () => {
      watch.disconnect()
      made.destroy()
      plot.current = null
    }
  }, [shape])
  const data = JSON.stringify([times, series.map(({ values }) => values)])
  useEffect(() => {
    if (data !== '') plot.current?.setData(dataOf(latest.current))
  }, [data])
  const named = useId()
  const move = (event: KeyboardEvent): void => {
    const to = { ArrowLeft: (at ?? times.length) - 1, ArrowRight: (at ?? -1) + 1, Home: 0, End: times.length - 1 }[event.key]
    const made = plot.current
    const time = to === undefined ? undefined : times[to]
    if (!made || time === undefined) return
    event.preventDefault()
    made.setCursor({ left: made.valToPos(time / 1_000, 'x'), top: 0 })
  }
  const point = at === null ? undefined : times[at]
  const said = at === null || point === undefined ? undefined : pointText(when(point), series, at, format)
  return (
    <figure className="chart" aria-labelledby={named}>
      <figcaption className="chart-head">
        <h2 id={named}>{title}</h2>
        <ul className="chart-keys">
          {series.map(({ name, tone }) => (
            <li key={name} className={`chart-${tone}`}>
              {name}
            </li>
          ))}
        </ul>
      </figcaption>
      <div
        className="chart-place"
        ref={place}
        role="slider"
        tabIndex={0}
        aria-label={`${title}. ${texts.chart.keys}`}
        aria-valuemin={0}
        aria-valuemax={Math.max(0, times.length - 1)}
        aria-valuenow={at ?? Math.max(0, times.length - 1)}
        aria-valuetext={said ?? texts.chart.noPoint}
        onKeyDown={move}
        onBlur={() => plot.current?.setCursor({ left: -10, top: -10 })}
      />
      <p className="chart-point quiet" aria-hidden="true">
        {said ?? '\u00a0'}
      </p>
      <TableOf times={times} series={series} format={format} when={when} title={title} {...(cell && { cell })} />
    </figure>
  )
}

const valueText = (value: number | null | undefined, format: (value: number) => string): string =>
  value === null || value === undefined ? '\u2013' : format(value)

const pointText = (time: string, series: readonly ChartSeries[], at: number, format: (value: number) => string): string =>
  `${time}: ${series.map(({ name, values }) => `${name} ${valueText(values[at], format)}`).join(', ')}`

function TableOf({ title, times, series, format, when, cell }: Omit<ChartProps, 'shape' | 'utc'>) {
  const rows = times.map((ms, at) => ({ ms, at })).filter(({ at }) => series.some(({ values }) => (values[at] ?? 0) !== 0))
  return (
    <details className="chart-table">
      <summary>{texts.chart.table}</summary>
      {rows.length === 0 ? (
        <p className="quiet">{texts.chart.nothing}</p>
      ) : (
        <section className="table-scroll" aria-label={title}>
          <table className="table">
            <thead>
              <tr>
                <th scope="col">{texts.chart.time}</th>
                {series.map(({ name }) => (
                  <th key={name} scope="col" className="number">
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.map(({ ms, at }) => (
                <tr key={ms}>
                  <th scope="row">{when(ms)}</th>
                  {series.map(({ name, values }, index) => (
                    <td key={name} className="number">
                      {cell?.(index, at) ?? valueText(values[at], format)}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </details>
  )
}
