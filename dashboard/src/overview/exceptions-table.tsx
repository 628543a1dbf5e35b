import { Link } from '@tanstack/react-router'
import type { CSSProperties } from 'react'
import type { CallSearch } from '../calls/call-search.ts'
import { texts } from '../texts.ts'
import { CallsLink, within } from './calls-link.tsx'
import { whole } from './numbers.ts'
import type { Exception } from './overview-data.ts'

interface Span {
  since: string
  until: string
}

type Stage = Exception['stage']

const STAGES: readonly Stage[] = ['IN_DOUBT', 'FAILED', 'DENIED', 'REJECTED', 'EXPIRED', 'REFUSED']

/** The calls of a stage; null for what never became a call. */
const SEARCH: Readonly<Record<Stage, CallSearch | null>> = {
  IN_DOUBT: { state: 'in_doubt' },
  FAILED: { state: 'failed' },
  DENIED: { decision: 'deny' },
  REJECTED: { state: 'rejected' },
  EXPIRED: { state: 'expired' },
  REFUSED: null,
}

const sum = (exceptions: readonly Exception[]): number => exceptions.reduce((all, { calls }) => all + calls, 0)

/** Stages by systems, the darker the more, and below them the reasons. */
export function ExceptionsTable({ exceptions, span }: { exceptions: readonly Exception[]; span: Span }) {
  const words = texts.overview
  if (exceptions.length === 0)
    return (
      <>
        <h2>{words.exceptions}</h2>
        <p className="quiet">{words.noExceptions}</p>
      </>
    )
  const connectors = [...new Set(exceptions.flatMap(({ connector }) => connector ?? []))].sort()
  const refused = exceptions.some(({ connector }) => connector === null)
  const columns = [...connectors, ...(refused ? [null] : [])]
  const of = (stage: Stage, connector: string | null): number =>
    sum(exceptions.filter((one) => one.stage === stage && one.connector === connector))
  const stages = STAGES.filter((stage) => exceptions.some((one) => one.stage === stage))
  const most = Math.max(...stages.flatMap((stage) => columns.map((connector) => of(stage, connector))))
  return (
    <>
      <h2>{words.exceptions}</h2>
      <section className="table-scroll" aria-label={words.exceptions}>
        <table className="table heat">
          <thead>
            <tr>
              <th scope="col">{words.stage}</th>
              {columns.map((connector) => (
                <th key={connector ?? ''} scope="col" className="number">
                  {connector === null ? (
                    words.door
                  ) : (
                    <Link to="/connectors/$name" params={{ name: connector }}>
                      {connector}
                    </Link>
                  )}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {stages.map((stage) => (
              <tr key={stage}>
                <th scope="row">{words.stages[stage]}</th>
                {columns.map((connector) => (
                  <HeatCell key={connector ?? ''} {...{ stage, connector, span, most }} count={of(stage, connector)} />
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      <Reasons exceptions={exceptions} span={span} />
    </>
  )
}

function HeatCell({
  stage,
  connector,
  count,
  most,
  span,
}: {
  stage: Stage
  connector: string | null
  count: number
  most: number
  span: Span
}) {
  const heat = count === 0 ? 0 : Math.round(8 + (count / most) * 42)
  const search = SEARCH[stage]
  return (
    <td className="number" style={{ '--heat': `${heat}%` } as CSSProperties}>
      {count === 0 ? (
        <span className="quiet">0</span>
      ) : search === null || connector === null ? (
        whole(count)
      ) : (
        <CallsLink search={{ ...search, connector, ...within(span) }}>{whole(count)}</CallsLink>
      )}
    </td>
  )
}

const SHOWN = 10

function Reasons({ exceptions, span }: { exceptions: readonly Exception[]; span: Span }) {
  const words = texts.overview
  return (
    <details>
      <summary>{words.why}</summary>
      <ul className="overview-reasons">
        {exceptions.slice(0, SHOWN).map((exception) => (
          <li key={`${exception.stage} ${exception.reason} ${exception.connector}`}>
            <ReasonLink exception={exception} span={span} /> {words.stages[exception.stage]}
            {exception.connector !== null && `, ${exception.connector}`}
            {exception.reason !== '' && `: ${words.reasons[exception.reason] ?? exception.reason}`}
          </li>
        ))}
      </ul>
    </details>
  )
}

function ReasonLink({ exception, span }: { exception: Exception; span: Span }) {
  const { stage, connector, calls } = exception
  const search = SEARCH[stage]
  if (search === null || connector === null) return <strong>{whole(calls)}</strong>
  // Failures are of several classes, which no filter tells apart, and a denial may be by several policies: the link leads to all of the stage.
  return <CallsLink search={{ ...search, connector, ...within(span) }}>{whole(calls)}</CallsLink>
}
