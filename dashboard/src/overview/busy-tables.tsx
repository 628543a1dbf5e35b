import { texts } from '../texts.ts'
import { AgentLink, OperationLink } from '../ui/page-links.tsx'
import { CallsLink, within } from './calls-link.tsx'
import { duration, whole } from './numbers.ts'
import { type Overview, slowest } from './overview-data.ts'

const SHOWN = 8

/** Operations whose systems take longest. */
export function OperationsTable({ overview }: { overview: Overview }) {
  const { slowest: title, noSlow, columns } = texts.overview
  const rows = slowest(overview, SHOWN)
  return (
    <>
      <h2>{title}</h2>
      {rows.length === 0 ? (
        <p className="quiet">{noSlow}</p>
      ) : (
        <section className="table-scroll" aria-label={title}>
          <table className="table">
            <thead>
              <tr>
                <th scope="col">{columns.operation}</th>
                <th scope="col" className="number">
                  {columns.calls}
                </th>
                <th scope="col" className="number">
                  {columns.half}
                </th>
                <th scope="col" className="number">
                  {columns.most}
                </th>
              </tr>
            </thead>
            <tbody>
              {rows.map(({ key, calls, upstream }) => (
                <tr key={key}>
                  <th scope="row">
                    <OperationLink id={key} />
                  </th>
                  <td className="number">
                    <CallsLink search={{ operation: key, ...within(overview.total) }}>{whole(calls)}</CallsLink>
                  </td>
                  <td className="number">{duration(upstream.p50Ms)}</td>
                  <td className="number">{duration(upstream.p95Ms)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </>
  )
}

/** Agents with the most calls. */
export function AgentsTable({ overview }: { overview: Overview }) {
  const { busiest: title, columns } = texts.overview
  const span = within(overview.total)
  return (
    <>
      <h2>{title}</h2>
      <section className="table-scroll" aria-label={title}>
        <table className="table">
          <thead>
            <tr>
              <th scope="col">{columns.agent}</th>
              <th scope="col" className="number">
                {columns.calls}
              </th>
              <th scope="col" className="number">
                {columns.held}
              </th>
              <th scope="col" className="number">
                {columns.bad}
              </th>
            </tr>
          </thead>
          <tbody>
            {overview.agents.rows.map(({ key, calls, held, denied, failed }) => (
              <tr key={key}>
                <th scope="row">
                  <AgentLink name={key} />
                </th>
                <td className="number">
                  <CallsLink search={{ agent: key, ...span }}>{whole(calls)}</CallsLink>
                </td>
                <td className="number">
                  {held === 0 ? whole(held) : <CallsLink search={{ agent: key, decision: 'hold', ...span }}>{whole(held)}</CallsLink>}
                </td>
                <td className="number">
                  {denied + failed === 0 ? (
                    whole(0)
                  ) : (
                    <CallsLink search={{ agent: key, state: 'denied,failed', ...span }}>{whole(denied + failed)}</CallsLink>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </>
  )
}
