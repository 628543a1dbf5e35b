import { texts } from '../texts.ts'
import { spanOf } from '../words.ts'
import type { CallData } from './calls-data.ts'
import { type Span, spansOf } from './waterfall.ts'

const took = (ms: number): string => (ms < 60_000 ? texts.calls.ms(Math.round(ms)) : spanOf(ms))

/** Where the time of a call went, as bars; each says the same in words. */
export function CallTime({ call }: { call: CallData }) {
  const spans = spansOf(call)
  const wholeMs = Math.max(1, ...spans.map(({ endMs }) => endMs))
  if (spans.length === 0) return null
  return (
    <section className="block" aria-labelledby="call-time">
      <h2 id="call-time">{texts.call.time}</h2>
      <ol className="waterfall">
        {spans.map((span) => (
          <Bar key={span.key} span={span} wholeMs={wholeMs} />
        ))}
      </ol>
      <p className="quiet">{texts.call.timeNote}</p>
    </section>
  )
}

function Bar({ span, wholeMs }: { span: Span; wholeMs: number }) {
  const { name, note, startMs, endMs, tone } = span
  const moment = tone === 'moment'
  const words = moment ? texts.call.moment(`${name} ${note}`, took(startMs)) : texts.call.span(name, took(startMs), took(endMs - startMs))
  const left = (100 * startMs) / wholeMs
  return (
    <li>
      <span className="hidden">{words}</span>
      <span aria-hidden="true" className="waterfall-name">
        {name} <span className="quiet">{note}</span>
      </span>
      <span aria-hidden="true" className="waterfall-track">
        <span
          className={`waterfall-bar waterfall-${tone}`}
          style={{ left: `${left}%`, width: moment ? undefined : `${Math.max(0, (100 * (endMs - startMs)) / wholeMs)}%` }}
        />
      </span>
      <span aria-hidden="true" className="waterfall-took quiet">
        {took(moment ? startMs : endMs - startMs)}
      </span>
    </li>
  )
}
