import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { ask } from '../gateway.ts'
import { hasRole, type Me, mayChange } from '../me.ts'
import { texts } from '../texts.ts'
import { ScrollRegion } from '../ui/scroll-region.tsx'
import { announce } from '../ui/announcer.ts'
import { Confirm } from '../ui/confirm.tsx'
import { Problem } from '../ui/problem.tsx'
import { Skeleton } from '../ui/skeleton.tsx'
import { VisibleText } from '../ui/visible-text.tsx'
import { When } from '../ui/when.tsx'
import { type Activation, historyQuery, ROLL_BACK, statusQuery } from './policies-data.ts'

const words = texts.policies.history

/** Which sets were active, and the ways back to them. */
export function HistoryTab({ me }: { me: Me }) {
  const list = useInfiniteQuery(historyQuery)
  const active = useQuery(statusQuery).data?.active ?? null
  const [back, setBack] = useState<{ set: string; emergency: boolean }>()
  if (list.error) return <Problem error={list.error} again={() => void list.refetch()} />
  if (!list.data) return <Skeleton lines={10} />
  const rows = list.data.pages.flatMap(({ edges }) => edges)
  const earlier = [...new Set(rows.map(({ node }) => node.policySet))].filter((set) => set !== active)
  const mayPropose = mayChange(me) && hasRole(me, 'security', 'local')
  return (
    <>
      <ScrollRegion label={words.title}>
        <table className="table">
          <thead>
            <tr>
              <th scope="col">{words.set}</th>
              <th scope="col">{words.when}</th>
              <th scope="col">{words.how}</th>
              <th scope="col">{words.who}</th>
              <th scope="col">{words.why}</th>
              {mayPropose && <th scope="col">{words.back}</th>}
            </tr>
          </thead>
          <tbody>
            {rows.map(({ cursor, node }) => (
              <Row
                key={cursor}
                activation={node}
                active={active}
                roll={mayPropose ? () => setBack({ set: node.policySet, emergency: false }) : undefined}
              />
            ))}
          </tbody>
        </table>
      </ScrollRegion>
      {list.hasNextPage && (
        <button type="button" className="button" onClick={() => void list.fetchNextPage()} disabled={list.isFetchingNextPage}>
          {texts.inbox.more}
        </button>
      )}
      {mayChange(me) && hasRole(me, 'security') && earlier.length > 0 && (
        <Emergency rows={rows.map(({ node }) => node)} earlier={earlier} start={(set) => setBack({ set, emergency: true })} />
      )}
      {back && <RollBack {...back} onClose={() => setBack(undefined)} />}
    </>
  )
}

function Row({ activation, active, roll }: { activation: Activation; active: string | null; roll: (() => void) | undefined }) {
  const { policySet, source, rollBack, by, reviewer, why, proposal, at } = activation
  return (
    <tr>
      <td>
        <code title={policySet}>{policySet.slice(0, 12)}</code>
        {policySet === active && <span className="chip chip-good">{words.active}</span>}
      </td>
      <td>
        <When at={at} />
      </td>
      <td>
        {words.sources[source] ?? source}
        {rollBack && ` · ${words.rolledBack}`}
      </td>
      <td>
        {by}
        {reviewer !== null && <span className="quiet"> · {words.reviewed(reviewer)}</span>}
        {source === 'emergency' && (
          <>
            {' '}
            <span className="chip chip-bad">{words.unreviewed}</span>
          </>
        )}
      </td>
      <td>
        {why !== null && <VisibleText text={why} />}{' '}
        {proposal !== null && (
          <Link to="/policies/$tab/$item" params={{ tab: 'proposals', item: proposal }}>
            {words.proposal}
          </Link>
        )}
      </td>
      {roll && (
        <td>
          {policySet !== active && (
            <button type="button" className="button" onClick={roll} aria-label={words.rollBackTo(policySet.slice(0, 12))}>
              {words.rollBack}
            </button>
          )}
        </td>
      )}
    </tr>
  )
}

/** Set apart, so that nobody skips a review by a slip. */
function Emergency({ rows, earlier, start }: { rows: readonly Activation[]; earlier: readonly string[]; start: (set: string) => void }) {
  const [set, setSet] = useState(earlier[0] ?? '')
  const at = (hash: string): string => rows.find(({ policySet }) => policySet === hash)?.at ?? ''
  return (
    <details className="emergency">
      <summary>{words.emergency}</summary>
      <p>{words.emergencyWhy}</p>
      <div className="filters">
        <label className="field">
          {words.set}
          <select value={set} onChange={(event) => setSet(event.target.value)}>
            {earlier.map((hash) => (
              <option key={hash} value={hash}>
                {hash.slice(0, 12)} · {at(hash).slice(0, 16).replace('T', ' ')}
              </option>
            ))}
          </select>
        </label>
        <button type="button" className="button button-bad" onClick={() => start(set)}>
          {words.atOnce}
        </button>
      </div>
    </details>
  )
}

function RollBack({ set, emergency, onClose }: { set: string; emergency: boolean; onClose: () => void }) {
  const client = useQueryClient()
  const navigate = useNavigate()
  const run = async (why: string | null): Promise<void> => {
    const { rollBackPolicies } = await ask(ROLL_BACK, { set, why: why ?? '', emergency })
    const { proposal, boundAfterMs } = rollBackPolicies
    announce(boundAfterMs === null ? words.asked : texts.policies.proposals.bound(boundAfterMs))
    await client.invalidateQueries({ queryKey: ['policies'] })
    if (proposal) await navigate({ to: '/policies/$tab/$item', params: { tab: 'proposals', item: proposal.id } })
  }
  return (
    <Confirm
      title={emergency ? words.emergencyTitle : words.rollBackTitle}
      action={emergency ? words.atOnce : words.rollBackAsk}
      reason={words.reason}
      needsReason
      danger={emergency}
      run={run}
      onClose={onClose}
    >
      <p className="quiet">
        <code>{set.slice(0, 12)}</code>: {emergency ? words.emergencyWhy : words.rollBackWhy}
      </p>
    </Confirm>
  )
}
