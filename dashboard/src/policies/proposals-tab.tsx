import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { texts } from '../texts.ts'
import { Problem } from '../ui/problem.tsx'
import { Skeleton } from '../ui/skeleton.tsx'
import { VisibleText } from '../ui/visible-text.tsx'
import { Ago } from '../ui/when.tsx'
import { type ListedProposal, proposalsQuery, statusQuery } from './policies-data.ts'

const words = texts.policies.proposals

/** Proposals: what waits for a review first. */
export function ProposalsTab() {
  const list = useInfiniteQuery(proposalsQuery)
  const active = useQuery(statusQuery).data?.active
  if (list.error) return <Problem error={list.error} again={() => void list.refetch()} />
  if (!list.data) return <Skeleton lines={10} />
  const all = list.data.pages.flatMap(({ edges }) => edges.map(({ node }) => node))
  const open = all.filter(({ state }) => state === 'open')
  const decided = all.filter(({ state }) => state !== 'open')
  return (
    <>
      <section className="block">
        <h2>{words.open}</h2>
        {open.length === 0 ? <p className="quiet">{words.noneOpen}</p> : <List proposals={open} active={active} />}
      </section>
      {decided.length > 0 && (
        <section className="block">
          <h2>{words.decided}</h2>
          <List proposals={decided} active={active} />
        </section>
      )}
      {list.hasNextPage && (
        <button type="button" className="button" onClick={() => void list.fetchNextPage()} disabled={list.isFetchingNextPage}>
          {texts.inbox.more}
        </button>
      )}
    </>
  )
}

function List({ proposals, active }: { proposals: readonly ListedProposal[]; active: string | null | undefined }) {
  return (
    <ul className="proposals">
      {proposals.map((proposal) => (
        <li key={proposal.id}>
          <Link to="/policies/$tab/$item" params={{ tab: 'proposals', item: proposal.id }}>
            <span className="proposal-note">
              <VisibleText text={proposal.note} />
            </span>
            <span className="chips">
              <ProposalState state={proposal.state} />
              {proposal.change === 'roll_back' && <span className="chip">{words.rollBack}</span>}
              {proposal.state === 'open' && active !== undefined && proposal.base !== active && (
                <span className="chip chip-warn">{words.outdated}</span>
              )}
            </span>
            <span className="quiet">
              {words.by(proposal.by)} <Ago at={proposal.proposedAt} />
              {proposal.reviewer !== null && ` · ${words.reviewed(proposal.reviewer)}`}
            </span>
          </Link>
        </li>
      ))}
    </ul>
  )
}

export function ProposalState({ state }: { state: string }) {
  const tone = state === 'open' ? 'chip chip-warn' : state === 'active' ? 'chip chip-good' : 'chip chip-bad'
  return <span className={tone}>{words.states[state] ?? state}</span>
}
