import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { hasRole, mayChange, useMe } from '../me.ts'
import { texts } from '../texts.ts'
import { Problem } from '../ui/problem.tsx'
import { Skeleton } from '../ui/skeleton.tsx'
import { Ago } from '../ui/when.tsx'
import { agentsQuery, fitting, type ListedAgent } from './agents-data.ts'
import { type AgentsSearch, readAgentsSearch, STATUSES } from './agents-search.ts'
import { RegisterDialog } from './register-dialog.tsx'
import { StatusChip } from './status-chip.tsx'
import './agents.css'

/** The register: who works here, for whom, and who answers for it. The address is the filter. */
export function AgentsPage() {
  const search = readAgentsSearch(useSearch({ strict: false }))
  const agents = useQuery(agentsQuery)
  const me = useMe()
  const [registering, setRegistering] = useState(false)
  const shown = fitting(agents.data ?? [], search)
  return (
    <main id="content" className="plain">
      <header className="page-head">
        <h1>
          {texts.agents.title} {agents.data && <span className="count">{agents.data.length}</span>}
        </h1>
        {mayChange(me) && hasRole(me, 'operator', 'security') && (
          <button type="button" className="button" onClick={() => setRegistering(true)}>
            {texts.agents.register}
          </button>
        )}
      </header>
      <Filters search={search} agents={agents.data ?? []} />
      {agents.isPending ? (
        <Skeleton lines={9} />
      ) : agents.data === undefined ? (
        <Problem error={agents.error} again={() => void agents.refetch()} />
      ) : shown.length === 0 ? (
        <Nothing filtered={agents.data.length > 0} />
      ) : (
        <AgentTable agents={shown} />
      )}
      {registering && <RegisterDialog onClose={() => setRegistering(false)} />}
    </main>
  )
}

function Filters({ search, agents }: { search: AgentsSearch; agents: readonly ListedAgent[] }) {
  const navigate = useNavigate()
  const change = (to: Partial<Record<keyof AgentsSearch, string>>): void =>
    void navigate({ to: '/agents', search: readAgentsSearch({ ...search, ...to }), replace: true })
  return (
    <search className="filters">
      <label className="field agents-words">
        {texts.agents.search}
        <input type="search" value={search.q ?? ''} onChange={(event) => change({ q: event.target.value })} />
      </label>
      <label className="field">
        {texts.agents.status}
        <select value={search.status ?? ''} onChange={(event) => change({ status: event.target.value })}>
          <option value="">{texts.agents.every}</option>
          {STATUSES.map((status) => (
            <option key={status} value={status}>
              {texts.agents.statuses[status]} ({agents.filter((agent) => agent.status === status).length})
            </option>
          ))}
        </select>
      </label>
    </search>
  )
}

function Nothing({ filtered }: { filtered: boolean }) {
  return (
    <div className="empty">
      <h2>{filtered ? texts.agents.noneFit : texts.agents.none}</h2>
      {filtered ? (
        <Link to="/agents" search={{}}>
          {texts.agents.showAll}
        </Link>
      ) : (
        <p className="quiet">{texts.agents.noneWhy}</p>
      )}
    </div>
  )
}

function AgentTable({ agents }: { agents: readonly ListedAgent[] }) {
  const { columns } = texts.agents
  return (
    <div className="table-scroll">
      <table className="table agents">
        <thead>
          <tr>
            <th scope="col">{columns.agent}</th>
            <th scope="col">{columns.status}</th>
            <th scope="col">{columns.owner}</th>
            <th scope="col">{columns.team}</th>
            <th scope="col" className="agents-purpose">
              {columns.purpose}
            </th>
            <th scope="col">{columns.seen}</th>
          </tr>
        </thead>
        <tbody>
          {agents.map(({ name, status, owner, team, region, purpose, lastCallAt }) => (
            <tr key={name}>
              <th scope="row">
                <Link to="/agents/$name" params={{ name }}>
                  {name}
                </Link>
              </th>
              <td>
                <StatusChip status={status} />
              </td>
              <td>{owner}</td>
              <td>
                {team} <span className="quiet agents-region">{region}</span>
              </td>
              <td className="agents-purpose">{purpose}</td>
              <td className="agents-seen">
                {lastCallAt === null ? <span className="quiet">{texts.agents.never}</span> : <Ago at={lastCallAt} />}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
