import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useCallback, useState } from 'react'
import { ask } from '../gateway.ts'
import { hasRole, type Me, mayChange } from '../me.ts'
import { texts } from '../texts.ts'
import { announce } from '../ui/announcer.ts'
import { Confirm } from '../ui/confirm.tsx'
import { Problem } from '../ui/problem.tsx'
import { Skeleton } from '../ui/skeleton.tsx'
import { VisibleText } from '../ui/visible-text.tsx'
import { When } from '../ui/when.tsx'
import { useAsking } from './asking.tsx'
import { ChangesPanel } from './changes-panel.tsx'
import { CheckPanel } from './check-panel.tsx'
import { inputOf, testsOf, textsOf } from './draft.ts'
import { PastPanel } from './past-panel.tsx'
import { CHECK, type Proposal, proposalQuery, REVIEW, statusQuery } from './policies-data.ts'
import { ProposalState } from './proposals-tab.tsx'
import { TextPanel } from './text-panel.tsx'

const words = texts.policies.proposals

/** One proposal: who wants what, and what becomes possible by it, before anybody decides. */
export function ProposalView({ id, me }: { id: string; me: Me }) {
  const found = useQuery(proposalQuery(id))
  const active = useQuery(statusQuery).data?.active ?? null
  const [told, setTold] = useState(false)
  const onTold = useCallback(() => setTold(true), [])
  if (found.error) return <Problem error={found.error} again={() => void found.refetch()} />
  if (found.data === undefined) return <Skeleton lines={12} />
  if (found.data === null) return <p className="empty">{words.gone}</p>
  return (
    <article className="proposal">
      <Link to="/policies/$tab" params={{ tab: 'proposals' }}>
        {words.back}
      </Link>
      <header className="card-head">
        <h2>
          <VisibleText text={found.data.note} />
        </h2>
        <span className="chips">
          <ProposalState state={found.data.state} />
          {found.data.change === 'roll_back' && <span className="chip">{words.rollBack}</span>}
        </span>
      </header>
      <Facts proposal={found.data} />
      <Decision proposal={found.data} me={me} active={active} told={told} />
      <Looks proposal={found.data} onTold={onTold} />
    </article>
  )
}

function Facts({ proposal }: { proposal: Proposal }) {
  const { by, proposedAt, base, policySet, reviewer, decidedAt, comment, remarks } = proposal
  return (
    <>
      <dl className="who">
        <div>
          <dt>{words.proposer}</dt>
          <dd>
            {by}, <When at={proposedAt} />
          </dd>
        </div>
        {reviewer !== null && (
          <div>
            <dt>{words.reviewer}</dt>
            <dd>
              {reviewer}
              {decidedAt !== null && (
                <>
                  , <When at={decidedAt} />
                </>
              )}
              {comment !== null && (
                <>
                  : <VisibleText text={comment} />
                </>
              )}
            </dd>
          </div>
        )}
        <div>
          <dt>{words.set}</dt>
          <dd>
            <code title={policySet}>{policySet.slice(0, 12)}</code> {words.inPlaceOf} <code title={base}>{base.slice(0, 12)}</code>
          </dd>
        </div>
      </dl>
      {remarks.length > 0 && (
        <details className="block" open>
          <summary>{words.remarks(remarks.length)}</summary>
          <ul className="fault-list">
            {remarks.map((remark) => (
              <li key={remark}>
                <VisibleText text={remark} />
              </li>
            ))}
          </ul>
        </details>
      )}
    </>
  )
}

const VIEWS = ['changes', 'text', 'past', 'check'] as const
type View = (typeof VIEWS)[number]

/** What becomes possible is asked at once: it is what a review is about. */
function Looks({ proposal, onTold }: { proposal: Proposal; onTold: () => void }) {
  const [view, setView] = useState<View>('changes')
  const { set, baseSet, tests, id } = proposal
  const after = set && textsOf(set, tests ?? [])
  const checking = useAsking(id, false, async () => {
    return (await ask(CHECK, { draft: inputOf(after ?? {}), tests: testsOf(after ?? {}) })).checkPolicies
  })
  if (!after || !baseSet) return <p className="notice notice-bad">{words.lost}</p>
  return (
    <section className="questions" aria-label={words.looks}>
      <fieldset className="switch switch-start">
        <legend className="hidden">{words.looks}</legend>
        {VIEWS.map((each) => (
          <button key={each} type="button" aria-pressed={view === each} onClick={() => setView(each)}>
            {texts.policies.draft.views[each]}
          </button>
        ))}
      </fieldset>
      <div hidden={view !== 'changes'} className="answer">
        <ChangesPanel texts={after} against={textsOf(baseSet, [])} of={id} eager onTold={onTold} />
      </div>
      {view === 'text' && (
        <div className="answer">
          <TextPanel before={textsOf(baseSet, [])} after={textsOf(set, [])} />
        </div>
      )}
      <div hidden={view !== 'past'} className="answer">
        <PastPanel texts={after} of={id} eager={false} />
      </div>
      <div hidden={view !== 'check'} className="answer">
        {tests === null && <p className="quiet">{words.noTests}</p>}
        <button type="button" className="button run" onClick={checking.run} disabled={checking.running}>
          {checking.running ? texts.policies.working : texts.policies.draft.check}
        </button>
        <CheckPanel asking={checking} />
      </div>
    </section>
  )
}

/** Why this person may not decide; null where they may. */
function whyNot(proposal: Proposal, me: Me): string | null {
  if (!hasRole(me, 'security')) return words.needsSecurity
  return proposal.by === me.name ? words.own : null
}

/** Nobody approves before what becomes possible is on the page. */
function Decision({ proposal, me, active, told }: { proposal: Proposal; me: Me; active: string | null; told: boolean }) {
  const [asks, setAsks] = useState<'APPROVE' | 'REJECT'>()
  const client = useQueryClient()
  if (proposal.state !== 'open' || !mayChange(me)) return null
  const why = whyNot(proposal, me)
  if (why !== null) return <p className="notice notice-plain">{why}</p>
  const outdated = active !== null && proposal.base !== active
  const review = async (comment: string | null): Promise<void> => {
    if (!asks) return
    const { reviewPolicyProposal } = await ask(REVIEW, { id: proposal.id, verdict: asks, comment })
    const { boundAfterMs } = reviewPolicyProposal
    announce(boundAfterMs === null ? words.rejected : words.bound(boundAfterMs))
    await client.invalidateQueries({ queryKey: ['policies'] })
  }
  return (
    <>
      {outdated && <p className="notice notice-warn">{words.outdatedWhy}</p>}
      <div className="actions actions-start">
        <button type="button" className="button button-good" disabled={outdated || !told} onClick={() => setAsks('APPROVE')}>
          {words.approve}
        </button>
        <button type="button" className="button button-bad" onClick={() => setAsks('REJECT')}>
          {words.reject}
        </button>
        {!told && <span className="quiet">{words.looking}</span>}
      </div>
      {asks && (
        <Confirm
          title={asks === 'APPROVE' ? words.approveTitle : words.rejectTitle}
          action={asks === 'APPROVE' ? words.approve : words.reject}
          reason={words.comment}
          needsReason={asks === 'REJECT'}
          danger={asks === 'REJECT'}
          run={review}
          onClose={() => setAsks(undefined)}
        >
          <p className="quiet">{asks === 'APPROVE' ? words.approveWhy : words.rejectWhy}</p>
        </Confirm>
      )}
    </>
  )
}
