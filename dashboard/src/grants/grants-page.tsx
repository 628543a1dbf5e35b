import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { ask } from '../gateway.ts'
import { hasRole, mayChange, mayRead, useMe } from '../me.ts'
import { texts } from '../texts.ts'
import { announce } from '../ui/announcer.ts'
import { Confirm } from '../ui/confirm.tsx'
import { AgentLink, OperationLink } from '../ui/page-links.tsx'
import { Problem } from '../ui/problem.tsx'
import { ScrollRegion } from '../ui/scroll-region.tsx'
import { Skeleton } from '../ui/skeleton.tsx'
import { Ago, When } from '../ui/when.tsx'
import { GrantTerms } from './grant-terms.tsx'
import {
  allowedQuery,
  brokenGlassQuery,
  type GrantStateName,
  grantsQuery,
  type ListedBreakGlass,
  type ListedGrant,
  REVIEW,
  REVOKE,
} from './grants-data.ts'
import { shownPointer } from './leaves.ts'
import './grants.css'

const words = texts.grants

const STATES: readonly GrantStateName[] = ['live', 'used_up', 'expired', 'revoked', 'dead']

/** What passes without asking, and what one person approved alone. */
export function GrantsPage() {
  const me = useMe()
  const [state, setState] = useState<GrantStateName | ''>('live')
  return (
    <main id="content" className="plain">
      <header className="page-head">
        <h1>{words.title}</h1>
      </header>
      {mayRead(me) && <Broken />}
      <section className="grant-section" aria-labelledby="grants-standing">
        <h2 id="grants-standing">{words.standing}</h2>
        <p className="quiet">{words.standingWhy}</p>
        <search className="filters">
          <label className="field">
            {words.state}
            <select value={state} onChange={(event) => setState(STATES.find((one) => one === event.target.value) ?? '')}>
              <option value="">{words.everyState}</option>
              {STATES.map((one) => (
                <option key={one} value={one}>
                  {words.states[one]}
                </option>
              ))}
            </select>
          </label>
        </search>
        <Standing state={state === '' ? null : state} />
      </section>
    </main>
  )
}

function Standing({ state }: { state: GrantStateName | null }) {
  const grants = useInfiniteQuery(grantsQuery(state))
  const rows = grants.data?.pages.flatMap(({ edges }) => edges.map(({ node }) => node)) ?? []
  if (grants.isPending) return <Skeleton lines={6} />
  if (!grants.data) return <Problem error={grants.error} again={() => void grants.refetch()} />
  if (rows.length === 0)
    return (
      <div className="empty">
        <h3>{words.none}</h3>
        <p className="quiet">{words.noneWhy}</p>
      </div>
    )
  return (
    <>
      <ScrollRegion label={words.table}>
        <table className="table">
          <thead>
            <tr>
              <th scope="col">{words.columns.who}</th>
              <th scope="col">{words.columns.may}</th>
              <th scope="col">{words.columns.used}</th>
              <th scope="col">{words.columns.until}</th>
              <th scope="col">{words.columns.givers}</th>
              <th scope="col">
                <span className="hidden">{words.columns.action}</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.map((grant) => (
              <GrantRow key={grant.id} grant={grant} />
            ))}
          </tbody>
        </table>
      </ScrollRegion>
      {grants.hasNextPage && (
        <button type="button" className="button" onClick={() => void grants.fetchNextPage()}>
          {words.more}
        </button>
      )}
    </>
  )
}

function GrantRow({ grant }: { grant: ListedGrant }) {
  const me = useMe()
  const client = useQueryClient()
  const [revoking, setRevoking] = useState(false)
  const mayRevoke =
    grant.state === 'live' && mayChange(me) && (hasRole(me, 'security') || !mayRead(me) || grant.givers.includes(me?.name ?? ''))
  const loose = grant.arguments.filter(({ kind }) => kind !== 'exactly').map(({ pointer }) => shownPointer(pointer))
  return (
    <tr>
      <th scope="row">
        <AgentLink name={grant.agent} />
        <div className="quiet">{grant.subject === null ? words.forNobody : words.forSomebody(grant.subject)}</div>
      </th>
      <td>
        <OperationLink id={grant.operation} />
        <div className="quiet">{loose.length === 0 ? words.allPinned : words.loose(loose)}</div>
        <Allowed id={grant.id} />
        {grant.state !== 'live' && <span className="chip">{words.states[grant.state]}</span>}{' '}
        {grant.why !== null && <span className="quiet grant-reason">{words.ended(grant.endedBy, grant.why)}</span>}
      </td>
      <td>
        <Bar label={words.uses} value={grant.used} max={grant.maxUses} />
        {grant.totals.map(({ of, spent, most }) => (
          <Bar key={of} label={shownPointer(of)} value={Number(spent)} max={Number(most)} />
        ))}
      </td>
      <td>
        <When at={grant.until} />
      </td>
      <td>
        {grant.givers.join(', ')}
        <div className="quiet">
          <Ago at={grant.createdAt} />
        </div>
      </td>
      <td>
        {mayRevoke && (
          <button
            type="button"
            className="button button-bad"
            aria-label={words.revokeOf(grant.agent, grant.operation)}
            onClick={() => setRevoking(true)}
          >
            {words.revoke}
          </button>
        )}
        {revoking && (
          <Confirm
            title={words.revokeOf(grant.agent, grant.operation)}
            action={words.revoke}
            reason={words.revokeReason}
            needsReason
            danger
            onClose={() => setRevoking(false)}
            run={async (why) => {
              await ask(REVOKE, { id: grant.id, why: why ?? '' })
              announce(words.revoked)
              await client.invalidateQueries({ queryKey: ['grants'] })
            }}
          >
            <p>{words.revokeWhat}</p>
          </Confirm>
        )}
      </td>
    </tr>
  )
}

/** The values that pass, on demand: they are arguments, and each look is recorded. */
function Allowed({ id }: { id: string }) {
  const { data, error, isFetching, refetch } = useQuery(allowedQuery(id))
  if (isFetching) return <Skeleton lines={2} />
  if (data === undefined)
    return (
      <>
        {error && <Problem error={error} />}
        <div>
          <button type="button" className="button" onClick={() => void refetch()}>
            {words.values}
          </button>{' '}
          <span className="quiet">{texts.call.recorded}</span>
        </div>
      </>
    )
  if (data === null) return <p className="quiet">{words.none}</p>
  return <GrantTerms terms={data.arguments} />
}

function Bar({ label, value, max }: { label: string; value: number; max: number }) {
  return (
    <label className="grant-bar">
      <span>
        {label} {words.of(value, max)}
      </span>
      <progress value={value} max={max} />
    </label>
  )
}

function Broken() {
  const uses = useInfiniteQuery(brokenGlassQuery)
  const rows = uses.data?.pages.flatMap(({ edges }) => edges.map(({ node }) => node)) ?? []
  if (uses.isError) return <Problem error={uses.error} again={() => void uses.refetch()} />
  if (rows.length === 0) return null
  const first = [...rows].sort((a, b) => Number(a.state === 'reviewed') - Number(b.state === 'reviewed'))
  return (
    <section className="grant-section" aria-labelledby="grants-broken">
      <h2 id="grants-broken">{words.broken.list}</h2>
      {rows.some(({ state }) => state === 'lapsed') && (
        <p className="notice notice-bad" role="status">
          {words.broken.locked}
        </p>
      )}
      <ScrollRegion label={words.broken.table}>
        <table className="table">
          <thead>
            <tr>
              <th scope="col">{words.broken.who}</th>
              <th scope="col">{words.broken.why}</th>
              <th scope="col">{words.broken.review}</th>
            </tr>
          </thead>
          <tbody>
            {first.map((use) => (
              <BrokenRow key={use.id} use={use} />
            ))}
          </tbody>
        </table>
      </ScrollRegion>
    </section>
  )
}

function BrokenRow({ use }: { use: ListedBreakGlass }) {
  const me = useMe()
  const client = useQueryClient()
  const [verdict, setVerdict] = useState<'justified' | 'unjustified'>()
  const may = use.reviewRefused === null && mayChange(me)
  return (
    <tr>
      <th scope="row">
        {use.by}
        <div className="quiet">
          <Ago at={use.createdAt} />
        </div>
        <Link to="/calls/$callId" params={{ callId: use.callId }}>
          {words.broken.call}
        </Link>
      </th>
      <td className="grant-reason">{use.reason}</td>
      <td>
        {use.review ? (
          <>
            <span className={use.review.verdict === 'justified' ? 'chip' : 'chip chip-bad'}>
              {words.broken.verdicts[use.review.verdict]}
            </span>{' '}
            {use.review.by}: <span className="grant-reason">{use.review.comment}</span>
          </>
        ) : (
          <span className={use.state === 'lapsed' ? 'chip chip-bad' : 'chip chip-warn'}>
            {words.broken.due(use.state === 'lapsed')} <When at={use.reviewDue} />
          </span>
        )}
        {may && (
          <div className="actions">
            {(['justified', 'unjustified'] as const).map((one) => (
              <button key={one} type="button" className="button" onClick={() => setVerdict(one)}>
                {words.broken.verdicts[one]}
              </button>
            ))}
          </div>
        )}
        {verdict && (
          <Confirm
            title={words.broken.verdicts[verdict]}
            action={words.broken.verdicts[verdict]}
            reason={words.broken.looked}
            needsReason
            onClose={() => setVerdict(undefined)}
            run={async (comment) => {
              await ask(REVIEW, { id: use.id, verdict, comment: comment ?? '' })
              await client.invalidateQueries({ queryKey: ['broken-glass'] })
            }}
          />
        )}
      </td>
    </tr>
  )
}
