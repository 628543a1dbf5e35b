import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { texts } from '../texts.ts'
import { OperationLink } from '../ui/page-links.tsx'
import { Problem } from '../ui/problem.tsx'
import { Skeleton } from '../ui/skeleton.tsx'
import { StateChip } from '../ui/state-chip.tsx'
import { VisibleText } from '../ui/visible-text.tsx'
import { Ago, When } from '../ui/when.tsx'
import { AgentActions } from './agent-actions.tsx'
import { Figures } from './agent-figures.tsx'
import { type AgentAnswer, type AgentData, type AgentFigures, agentFiguresQuery, agentQuery, LONG_DAYS } from './agents-data.ts'
import { StatusChip } from './status-chip.tsx'
import './agents.css'

/** One agent: who answers for it, what it may do, what it did, and the switch that stops it. */
export function AgentPage() {
  const { name = '' } = useParams({ strict: false })
  const answer = useQuery(agentQuery(name))
  return (
    <main id="content" className="plain agent">
      <Link to="/agents" search={{}} className="agent-back">
        ← {texts.agents.title}
      </Link>
      {answer.isPending ? (
        <Skeleton lines={12} />
      ) : answer.data === undefined ? (
        <Problem error={answer.error} again={() => void answer.refetch()} />
      ) : answer.data.agent === null ? (
        <div className="empty">
          <h1>{texts.agents.gone}</h1>
          <p className="quiet">{texts.agents.goneWhy}</p>
        </div>
      ) : (
        <Agent agent={answer.data.agent} answer={answer.data} />
      )}
    </main>
  )
}

function Agent({ agent, answer }: { agent: AgentData; answer: AgentAnswer }) {
  const figures = useQuery(agentFiguresQuery(agent.name))
  const waiting = answer.holds.edges.length
  return (
    <>
      <header className="agent-head">
        <h1>{agent.name}</h1>
        <StatusChip status={agent.status} />
        <p className="agent-for">{agent.purpose}</p>
      </header>
      <div className="agent-columns">
        <div className="agent-main">
          <About agent={agent} />
          <Waiting answer={answer} />
          <Figures agent={agent.name} figures={figures} />
          <RecentCalls answer={answer} />
          <Permissions agent={agent} used={usesOf(figures.data)} />
        </div>
        <div className="agent-side">
          <AgentActions agent={agent} waiting={waiting} more={answer.holds.pageInfo.hasNextPage} />
          <LifeLine history={agent.history} />
        </div>
      </div>
    </>
  )
}

function About({ agent }: { agent: AgentData }) {
  const { about } = texts.agents
  const facts = [
    [about.owner, agent.owner],
    [about.team, agent.team],
    [about.region, agent.region],
    [about.roles, agent.roles.join(', ') || about.none],
    [about.clearance, agent.clearance.join(', ') || about.none],
    [about.autonomy, `${agent.autonomy} / 5`],
    [about.registeredBy, texts.agents.someone(agent.registeredBy ?? '')],
  ] as const
  return (
    <dl className="who">
      {facts.map(([term, value]) => (
        <div key={term}>
          <dt>{term}</dt>
          <dd>{value}</dd>
        </div>
      ))}
      <div>
        <dt>{about.seen}</dt>
        <dd>{agent.lastCallAt === null ? texts.agents.never : <Ago at={agent.lastCallAt} />}</dd>
      </div>
    </dl>
  )
}

/** Calls of the agent that wait for people. */
function Waiting({ answer: { holds } }: { answer: AgentAnswer }) {
  if (holds.edges.length === 0) return null
  return (
    <section className="block">
      <h2>
        {texts.agents.waiting} <span className="count">{texts.agents.counted(holds.edges.length, holds.pageInfo.hasNextPage)}</span>
      </h2>
      <ul className="agent-list">
        {holds.edges.slice(0, 5).map(({ node }) => (
          <li key={node.id}>
            <Link to="/inbox/$holdId" params={{ holdId: node.id }}>
              <code>{node.operation}</code>
            </Link>
            <span className="quiet">
              {texts.agents.expires} <When at={node.expiresAt} />
            </span>
          </li>
        ))}
      </ul>
    </section>
  )
}

function RecentCalls({ answer: { calls } }: { answer: AgentAnswer }) {
  return (
    <section className="block">
      <h2>{texts.agents.recent}</h2>
      {calls.edges.length === 0 ? (
        <p className="quiet">{texts.agents.noCalls}</p>
      ) : (
        <ul className="agent-list">
          {calls.edges.map(({ node }) => (
            <li key={node.id}>
              <Link to="/calls/$callId" params={{ callId: node.id }}>
                <code>{node.operation}</code>
              </Link>
              <StateChip state={node.state} />
              <span className="quiet">
                <Ago at={node.createdAt} />
              </span>
            </li>
          ))}
        </ul>
      )}
    </section>
  )
}

/** Calls that policy did not deny, by operation; undefined while they are not all known. */
function usesOf(figures: AgentFigures | undefined): ReadonlyMap<string, number> | undefined {
  if (!figures || figures.long.more) return undefined
  return new Map(figures.long.rows.map(({ key, calls, denied }) => [key, calls - denied]))
}

/** What policies may ever allow it, and what of that it uses: the rest could be taken away. */
function Permissions({
  agent: { name, permissions, permissionCount },
  used,
}: {
  agent: AgentData
  used: ReadonlyMap<string, number> | undefined
}) {
  const unused = used && permissions.filter(({ id }) => (used.get(id) ?? 0) === 0).length
  return (
    <section className="block">
      <h2>
        {texts.agents.permissions} <span className="count">{permissionCount}</span>
      </h2>
      <p className="quiet">{texts.agents.permissionsWhy}</p>
      {unused !== undefined && unused > 0 && <p>{texts.agents.unused(unused, LONG_DAYS)}</p>}
      {permissions.length === 0 ? (
        <p>{texts.agents.noPermissions}</p>
      ) : (
        <div className="table-scroll">
          <table className="table">
            <thead>
              <tr>
                <th scope="col">{texts.agents.columns.operation}</th>
                <th scope="col">{texts.agents.columns.effect}</th>
                <th scope="col" className="number">
                  {texts.agents.columns.uses(LONG_DAYS)}
                </th>
              </tr>
            </thead>
            <tbody>
              {permissions.map(({ id, title, reversibility }) => (
                <tr key={id}>
                  <td>
                    <OperationLink id={id} />
                    {title !== null && (
                      <div className="quiet">
                        <VisibleText text={title} />
                      </div>
                    )}
                  </td>
                  <td>{texts.hold.reversibility[reversibility] ?? reversibility}</td>
                  <td className="number">
                    <Uses agent={name} operation={id} count={used && (used.get(id) ?? 0)} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {permissions.length < permissionCount && <p className="quiet">{texts.agents.cut(permissions.length, permissionCount)}</p>}
    </section>
  )
}

function Uses({ agent, operation, count }: { agent: string; operation: string; count: number | undefined }) {
  if (count === undefined) return null
  if (count === 0) return <span className="chip chip-warn">{texts.agents.neverUsed}</span>
  return (
    <Link to="/calls" search={{ agent, operation }} aria-label={texts.agents.usesOf(operation, count)}>
      {count}
    </Link>
  )
}

/** Every change of it, newest first, as the record tells it. */
function LifeLine({ history }: { history: AgentData['history'] }) {
  return (
    <section className="block agent-life">
      <h2>{texts.agents.life}</h2>
      <ol className="life">
        {history.map(({ epoch, at, by, status, change, why }) => (
          <li key={epoch} className={`life-${status ?? 'other'}`}>
            <p>
              <strong>{texts.agents.changes(change, status)}</strong> {texts.agents.by} {texts.agents.someone(by)}
            </p>
            {why !== null && <blockquote>{why}</blockquote>}
            <p className="quiet">
              <When at={at} />
            </p>
          </li>
        ))}
      </ol>
    </section>
  )
}
