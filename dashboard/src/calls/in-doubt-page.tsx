import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { texts } from '../texts.ts'
import { AgentLink, OperationLink } from '../ui/page-links.tsx'
import { Problem } from '../ui/problem.tsx'
import { Skeleton } from '../ui/skeleton.tsx'
import { VisibleText } from '../ui/visible-text.tsx'
import { Ago, When } from '../ui/when.tsx'
import { humanised, operationName } from '../words.ts'
import './calls.css'
import { type DoubtfulCall, inDoubtQuery } from './calls-data.ts'
import { InDoubtCheck } from './in-doubt-check.tsx'

/** Calls of which nobody knows whether they took place, and what to do about each. */
export function InDoubtPage() {
  const { data, error, isPending, refetch } = useQuery(inDoubtQuery)
  return (
    <main id="content" className="plain doubts">
      <header className="page-head">
        <h1>{texts.inDoubt.title}</h1>
      </header>
      {isPending ? (
        <Skeleton lines={8} />
      ) : data === undefined ? (
        <Problem error={error} again={() => void refetch()} />
      ) : data.edges.length === 0 ? (
        <div className="empty">
          <h2>{texts.inDoubt.none}</h2>
          <p className="quiet">{texts.inDoubt.noneWhy}</p>
        </div>
      ) : (
        <>
          <p>{texts.inDoubt.what}</p>
          <ol className="doubt-list">
            {data.edges.map(({ node }) => (
              <li key={node.id}>
                <DoubtfulCard call={node} />
              </li>
            ))}
          </ol>
          {data.pageInfo.hasNextPage && <p className="quiet">{texts.inDoubt.notice(data.edges.length, true)}</p>}
        </>
      )}
    </main>
  )
}

function DoubtfulCard({ call }: { call: DoubtfulCall }) {
  const { id, operation, about, agent, owner, subject, createdAt, updatedAt } = call
  return (
    <article className="doubt-card" aria-labelledby={`doubt-${id}`}>
      <h2 id={`doubt-${id}`}>
        <Link to="/calls/$callId" params={{ callId: id }}>
          {about?.title ?? humanised(operationName(operation))}
        </Link>
      </h2>
      <p className="quiet">
        <OperationLink id={operation} /> · <AgentLink name={agent} /> {texts.hold.owner} {owner}
        {subject !== null && (
          <>
            {' '}
            {texts.calls.for} <VisibleText text={subject} />
          </>
        )}
      </p>
      <p className="quiet">
        {texts.inDoubt.sent} <When at={createdAt} /> · {texts.inDoubt.since} <Ago at={updatedAt} />
      </p>
      <InDoubtCheck call={call} />
    </article>
  )
}
