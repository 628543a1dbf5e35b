import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { texts } from '../texts.ts'
import { Problem } from '../ui/problem.tsx'
import { Skeleton } from '../ui/skeleton.tsx'
import { Ago } from '../ui/when.tsx'
import { connectorsQuery, type ListedConnector } from './connectors-data.ts'
import { HealthChip } from './health-chip.tsx'
import './connectors.css'

/** The systems behind the gateway: those with something to review first. */
export function ConnectorsPage() {
  const connectors = useQuery(connectorsQuery)
  const sorted = connectors.data?.toSorted((a, b) => Number(b.driftCount > 0) - Number(a.driftCount > 0)) ?? []
  return (
    <main id="content" className="plain">
      <header className="page-head">
        <h1>
          {texts.connectors.title} {connectors.data && <span className="count">{connectors.data.length}</span>}
        </h1>
      </header>
      {connectors.isPending ? (
        <Skeleton lines={6} />
      ) : connectors.data === undefined ? (
        <Problem error={connectors.error} again={() => void connectors.refetch()} />
      ) : sorted.length === 0 ? (
        <div className="empty">
          <h2>{texts.connectors.none}</h2>
          <p className="quiet">{texts.connectors.noneWhy}</p>
        </div>
      ) : (
        <ConnectorTable connectors={sorted} />
      )}
    </main>
  )
}

function ConnectorTable({ connectors }: { connectors: readonly ListedConnector[] }) {
  const { columns } = texts.connectors
  return (
    <div className="table-scroll">
      <table className="table connectors">
        <thead>
          <tr>
            <th scope="col">{columns.connector}</th>
            <th scope="col">{columns.health}</th>
            <th scope="col">{columns.kind}</th>
            <th scope="col">{columns.region}</th>
            <th scope="col" className="number">
              {columns.operations}
            </th>
            <th scope="col">{columns.answered}</th>
          </tr>
        </thead>
        <tbody>
          {connectors.map(({ name, kind, region, operations, health, driftCount }) => (
            <tr key={name}>
              <th scope="row">
                <Link to="/connectors/$name" params={{ name }} search={{}}>
                  {name}
                </Link>
              </th>
              <td>
                <span className="chips">
                  <HealthChip state={health.state} />
                  {driftCount > 0 && <span className="chip chip-warn">{texts.connectors.toReview(driftCount)}</span>}
                </span>
              </td>
              <td>{kind}</td>
              <td>{region}</td>
              <td className="number">{operations.length}</td>
              <td>
                {health.lastSuccessAt === null ? (
                  <span className="quiet">{texts.connectors.notLately}</span>
                ) : (
                  <Ago at={health.lastSuccessAt} />
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
