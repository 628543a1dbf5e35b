import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { texts } from '../texts.ts'
import { ScrollRegion } from '../ui/scroll-region.tsx'
import { moment } from '../words.ts'
import { ask } from '../gateway.ts'
import { Answered, Run, useAsking } from './asking.tsx'
import { inputOf, type Texts } from './draft.ts'
import { SIMULATE, type Simulated } from './policies-data.ts'
import { CHANGES, type ChangeKind, changeTitle, SaidWords } from './said.tsx'

const words = texts.policies.past

const SPANS = { day: 86_400_000, week: 604_800_000, month: 2_592_000_000 } as const
type Span = keyof typeof SPANS

/** What these texts would have said to recorded calls. */
export function PastPanel({ texts: draft, of, eager }: { texts: Texts; of: string; eager: boolean }) {
  const [span, setSpan] = useState<Span>('week')
  const [chosen, setChosen] = useState(eager)
  const choose = (each: Span): void => {
    setSpan(each)
    setChosen(true)
  }
  return (
    <>
      <fieldset className="switch switch-start">
        <legend className="hidden">{words.span}</legend>
        {(Object.keys(SPANS) as Span[]).map((each) => (
          <button key={each} type="button" aria-pressed={each === span} onClick={() => choose(each)}>
            {words.spans[each]}
          </button>
        ))}
      </fieldset>
      <Spanned key={span} draft={draft} of={of} eager={chosen} span={span} />
    </>
  )
}

function Spanned({ draft, of, eager, span }: { draft: Texts; of: string; eager: boolean; span: Span }) {
  const asking = useAsking(of, eager, async () => {
    const since = new Date(Date.now() - SPANS[span]).toISOString()
    return (await ask(SIMULATE, { draft: inputOf(draft), since })).simulatePolicies
  })
  return (
    <>
      <Run asking={asking} words={words.run} />
      <Answered asking={asking} idle={words.idle}>
        {(simulated) => <Told simulated={simulated} />}
      </Answered>
    </>
  )
}

function Told({ simulated }: { simulated: Simulated }) {
  const { calls, since, stopped, oldest, asToday, operations } = simulated
  const otherwise = operations.flatMap((one) => one.changes).reduce((sum, change) => sum + change.calls, 0)
  return (
    <>
      <p className={otherwise > 0 ? 'notice notice-warn' : 'notice notice-good'} role="status">
        {calls === 0 ? words.none(moment(since)) : words.told(calls, otherwise, moment(since))}
      </p>
      {stopped !== null && oldest !== null && <p className="notice notice-warn">{words.stopped(stopped, moment(oldest))}</p>}
      {asToday > 0 && <p className="quiet">{words.asToday(asToday)}</p>}
      {operations.length > 0 && <Chart operations={operations} />}
      {operations.length > 0 && <Counts operations={operations} />}
      <Details operations={operations} />
      {simulated.undecided.length > 0 && (
        <section className="block">
          <h3>{words.undecided}</h3>
          <ul className="fault-list">
            {simulated.undecided.map(({ why, calls: count, examples }) => (
              <li key={why}>
                <span className="chip">{words.calls(count)}</span> <span>{why}</span> <Examples ids={examples} />
              </li>
            ))}
          </ul>
        </section>
      )}
    </>
  )
}

type Operation = Simulated['operations'][number]

const count = ({ changes }: Operation, kind: ChangeKind): number =>
  changes.filter(({ change }) => change === kind).reduce((sum, { calls }) => sum + calls, 0)

const BARS = 12

/** The operations with the most calls that would have been decided otherwise; the table beside it has the numbers of all. */
function Chart({ operations }: { operations: readonly Operation[] }) {
  const changed = (one: Operation): number => one.changes.reduce((sum, { calls }) => sum + calls, 0)
  const most = operations
    .filter((one) => changed(one) > 0)
    .sort((a, b) => changed(b) - changed(a))
    .slice(0, BARS)
  const widest = Math.max(1, ...most.map(changed))
  if (most.length === 0) return null
  return (
    <figure className="bars" aria-label={words.chart}>
      {most.map((one) => (
        <div key={one.operation} className="bar-row">
          <span className="mono">{one.operation}</span>
          <span
            className="bar"
            role="img"
            aria-label={CHANGES.map((kind) => `${count(one, kind)} ${changeTitle(kind).toLowerCase()}`).join(', ')}
          >
            {CHANGES.map((kind) => {
              const calls = count(one, kind)
              return calls === 0 ? null : (
                <span key={kind} className={`bar-part bar-${kind}`} style={{ width: `${(calls / widest) * 100}%` }} />
              )
            })}
          </span>
          <span className="number">{changed(one)}</span>
        </div>
      ))}
      <figcaption className="legend">
        {CHANGES.map((kind) => (
          <span key={kind}>
            <span className={`key bar-${kind}`} /> {changeTitle(kind)}
          </span>
        ))}
      </figcaption>
    </figure>
  )
}

function Counts({ operations }: { operations: readonly Operation[] }) {
  return (
    <ScrollRegion label={words.table}>
      <table className="table">
        <thead>
          <tr>
            <th scope="col">{words.operation}</th>
            <th scope="col" className="number">
              {words.all}
            </th>
            <th scope="col" className="number">
              {words.same}
            </th>
            {CHANGES.map((kind) => (
              <th key={kind} scope="col" className="number">
                {changeTitle(kind)}
              </th>
            ))}
            <th scope="col" className="number">
              {words.unknown}
            </th>
          </tr>
        </thead>
        <tbody>
          {operations.map((one) => (
            <tr key={one.operation}>
              <td className="mono">{one.operation}</td>
              <td className="number">{one.calls}</td>
              <td className="number">{one.same}</td>
              {CHANGES.map((kind) => (
                <td key={kind} className="number">
                  {count(one, kind) || <span className="quiet">0</span>}
                </td>
              ))}
              <td className="number">{one.undecided || <span className="quiet">0</span>}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </ScrollRegion>
  )
}

function Details({ operations }: { operations: readonly Operation[] }) {
  const changes = operations.flatMap((one) => one.changes.map((change) => ({ operation: one.operation, ...change })))
  if (changes.length === 0) return null
  return (
    <section className="block">
      <h3>{words.details}</h3>
      <ul className="fault-list">
        {changes.map((change) => (
          <li key={JSON.stringify([change.operation, change.before, change.after])}>
            <span className={`change change-${change.change}`}>{changeTitle(change.change)}</span>
            <span>
              <code>{change.operation}</code>, {words.calls(change.calls)}: <SaidWords said={change.before} /> →{' '}
              <SaidWords said={change.after} />. <Examples ids={change.examples} />
            </span>
          </li>
        ))}
      </ul>
    </section>
  )
}

function Examples({ ids }: { ids: readonly string[] }) {
  return (
    <span>
      {words.suchAs}{' '}
      {ids.map((id, index) => (
        <span key={id}>
          {index > 0 && ', '}
          <Link to="/calls/$callId" params={{ callId: id }} className="mono">
            {id}
          </Link>
        </span>
      ))}
    </span>
  )
}
