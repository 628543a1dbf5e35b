import { useInfiniteQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { type Me, mayChange, useMe } from '../me.ts'
import { texts } from '../texts.ts'
import { Skeleton } from '../ui/skeleton.tsx'
import { ActiveTab } from './active-tab.tsx'
import { DraftTab } from './draft-tab.tsx'
import { HistoryTab } from './history-tab.tsx'
import { proposalsQuery } from './policies-data.ts'
import { ProposalView } from './proposal-view.tsx'
import { ProposalsTab } from './proposals-tab.tsx'
import { WhyTab } from './why-tab.tsx'
import './policies.css'

const words = texts.policies

const TABS = ['active', 'draft', 'proposals', 'history', 'why'] as const
type Tab = (typeof TABS)[number]

/** Policies: what binds, what somebody drafts or proposes, what was, and why. The address says which. */
export function PoliciesPage() {
  const me = useMe()
  const { tab, item } = useParams({ strict: false })
  return (
    <main id="content" className="plain policies-page">
      <header className="page-head">
        <h1>{words.title}</h1>
      </header>
      {me ? <Tabs me={me} wanted={tab} item={item} /> : <Skeleton lines={12} />}
    </main>
  )
}

function Tabs({ me, wanted, item }: { me: Me; wanted: string | undefined; item: string | undefined }) {
  // Auditors draft nothing.
  const tabs = TABS.filter((tab) => tab !== 'draft' || mayChange(me))
  const tab: Tab = tabs.find((each) => each === wanted) ?? 'active'
  const proposals = useInfiniteQuery(proposalsQuery)
  const open = proposals.data?.pages.flatMap(({ edges }) => edges).filter(({ node }) => node.state === 'open').length ?? 0
  return (
    <>
      <nav className="tabs" aria-label={words.tabsLabel}>
        {tabs.map((each) => (
          <Link key={each} to="/policies/$tab" params={{ tab: each }} aria-current={each === tab ? 'page' : undefined}>
            {words.tabs[each]}
            {each === 'proposals' && open > 0 && <span className="count"> {open}</span>}
          </Link>
        ))}
      </nav>
      <Shown tab={tab} item={item} me={me} />
    </>
  )
}

function Shown({ tab, item, me }: { tab: Tab; item: string | undefined; me: Me }) {
  if (tab === 'draft') return <DraftTab key={me.name} me={me} />
  if (tab === 'proposals') return item === undefined ? <ProposalsTab /> : <ProposalView key={item} id={item} me={me} />
  if (tab === 'history') return <HistoryTab me={me} />
  if (tab === 'why') return <WhyTab me={me} />
  return <ActiveTab named={item} />
}
