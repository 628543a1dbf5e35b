import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { texts } from '../texts.ts'
import { Problem } from '../ui/problem.tsx'
import { Skeleton } from '../ui/skeleton.tsx'
import { VisibleText } from '../ui/visible-text.tsx'
import { Ago } from '../ui/when.tsx'
import { type ConnectorData, connectorQuery, fitting, type Health, type OperationData } from './connectors-data.ts'
import { type OperationsSearch, readOperationsSearch } from './connectors-search.ts'
import { DriftReview } from './drift-review.tsx'
import { HealthChip } from './health-chip.tsx'
import './connectors.css'

/** One system: what waits for review first, how it does, and its operations as they were reviewed. */
export function ConnectorPage() {
  const { name = '' } = useParams({ strict: false })
  const connector = useQuery(connectorQuery(name))
  return (
    <main id="content" className="plain">
      <Link to="/connectors" className="connector-back">
        ← {texts.connectors.title}
      </Link>
      {connector.isPending ? (
        <Skeleton lines={12} />
      ) : connector.data === undefined ? (
        <Problem error={connector.error} again={() => void connector.refetch()} />
      ) : connector.data === null ? (
        <div className="empty">
          <h1>{texts.connectors.gone}</h1>
          <p className="quiet">{texts.connectors.goneWhy}</p>
        </div>
      ) : (
        <Connector connector={connector.data} />
      )}
    </main>
  )
}

function Connector({ connector }: { connector: ConnectorData }) {
  const { name, kind, region, health, drift } = connector
  return (
    <div className="connector">
      <header className="connector-head">
        <h1>{name}</h1>
        <HealthChip state={health.state} />
        <span className="quiet">
          {kind} · {region}
        </span>
        <Link to="/calls" search={{ connector: name }}>
          {texts.connectors.callsOfAll}
        </Link>
      </header>
      {drift.length > 0 && <DriftReview connector={name} drift={drift} />}
      <HealthFacts health={health} />
      {kind === 'openapi' && <p className="quiet">{texts.connectors.fileKind}</p>}
      <Operations operations={connector.operations} name={name} />
    </div>
  )
}

function HealthFacts({ health }: { health: Health }) {
  const { facts } = texts.connectors
  const row = health.state === 'failing' ? `${health.failuresInARow}` : '0'
  return (
    <dl className="who">
      <div>
        <dt>{facts.answered}</dt>
        <dd>{health.lastSuccessAt === null ? texts.connectors.notLately : <Ago at={health.lastSuccessAt} />}</dd>
      </div>
      <div>
        <dt>{facts.failure}</dt>
        <dd>
          {health.lastFailureAt === null ? (
            texts.connectors.noFailure
          ) : (
            <>
              <code>
                {health.lastFailure} {health.lastFailureStatus}
              </code>{' '}
              <Ago at={health.lastFailureAt} />
            </>
          )}
        </dd>
      </div>
      <div>
        <dt>{facts.row}</dt>
        <dd>{row}</dd>
      </div>
      <div>
        <dt>{health.state === 'failing' ? facts.failingSince : facts.since}</dt>
        <dd>{health.since === null ? texts.connectors.unknown : <Ago at={health.since} />}</dd>
      </div>
      <div>
        <dt>{facts.looked}</dt>
        <dd>{texts.connectors.calls(health.calls)}</dd>
      </div>
    </dl>
  )
}

function Operations({ operations, name }: { operations: readonly OperationData[]; name: string }) {
  const search = readOperationsSearch(useSearch({ strict: false }))
  const navigate = useNavigate()
  const change = (to: Partial<Record<keyof OperationsSearch, string>>): void =>
    void navigate({ to: '/connectors/$name', params: { name }, search: readOperationsSearch({ ...search, ...to }), replace: true })
  const shown = fitting(operations, search)
  return (
    <section className="block">
      <h2>
        {texts.connectors.operations} <span className="count">{operations.length}</span>
      </h2>
      <search className="filters">
        <label className="field connector-words">
          {texts.connectors.search}
          <input type="search" value={search.q ?? ''} onChange={(event) => change({ q: event.target.value })} />
        </label>
        <label className="field">
          {texts.connectors.columns.mode}
          <select value={search.mode ?? ''} onChange={(event) => change({ mode: event.target.value })}>
            <option value="">{texts.connectors.every}</option>
            <option value="read">{texts.connectors.modes.read}</option>
            <option value="write">{texts.connectors.modes.write}</option>
          </select>
        </label>
      </search>
      {shown.length === 0 ? <p className="empty">{texts.connectors.noneFit}</p> : <OperationTable operations={shown} />}
    </section>
  )
}

function OperationTable({ operations }: { operations: readonly OperationData[] }) {
  const { columns } = texts.connectors
  return (
    <div className="table-scroll">
      <table className="table">
        <thead>
          <tr>
            <th scope="col">{columns.operation}</th>
            <th scope="col">{columns.effect}</th>
            <th scope="col">{columns.repeat}</th>
            <th scope="col">{columns.classes}</th>
            <th scope="col">{columns.object}</th>
            <th scope="col">{columns.version}</th>
          </tr>
        </thead>
        <tbody>
          {operations.map((operation) => (
            <OperationRow key={operation.id} operation={operation} />
          ))}
        </tbody>
      </table>
    </div>
  )
}

function OperationRow({ operation }: { operation: OperationData }) {
  const { id, title, description, reversibility, idempotency, classes, labels, version, businessKey, route } = operation
  return (
    <tr>
      <td className="connector-operation">
        <details>
          <summary>
            <code>{id}</code>
          </summary>
          <p>
            <VisibleText text={[title, description].filter(Boolean).join(': ')} />
          </p>
          <p className="quiet">
            <code>{route}</code>
          </p>
          <p>
            <Link to="/calls" search={{ operation: id }}>
              {texts.connectors.callsOf}
            </Link>
          </p>
        </details>
      </td>
      <td>
        <span className={reversibility === 'irreversible' ? 'chip chip-warn' : 'chip'}>
          {texts.hold.reversibility[reversibility] ?? reversibility}
        </span>
      </td>
      <td>{texts.connectors.idempotency[idempotency] ?? idempotency}</td>
      <td>
        <span className="chips">
          {[...classes, ...labels].map((word) => (
            <span key={word} className="chip">
              {word}
            </span>
          ))}
        </span>
      </td>
      <td>
        {businessKey && (
          <>
            {businessKey.type} <code>{businessKey.at}</code>
          </>
        )}
      </td>
      <td>
        <code title={version}>{version.slice(0, 10)}</code>
      </td>
    </tr>
  )
}
