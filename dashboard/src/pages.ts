import type { ComponentType } from 'react'
import { InDoubtCount } from './calls/in-doubt-count.tsx'
import { hasRole, type Me, mayRead } from './me.ts'
import { texts } from './texts.ts'

interface PageOfNavigation {
  to: string
  title: string
  shown: (me: Me) => boolean
  /** Who else may see what lies below it. */
  below?: 'everyone'
  /** Beside the title. */
  Count?: ComponentType
}

/** Pages in the order of the navigation; `shown` by what a person may see. */
export const pages: readonly PageOfNavigation[] = [
  { to: '/inbox', title: texts.nav.inbox, shown: () => true },
  { to: '/overview', title: texts.nav.overview, shown: mayRead },
  { to: '/in-doubt', title: texts.nav.inDoubt, shown: mayRead, Count: InDoubtCount },
  { to: '/calls', title: texts.nav.calls, shown: mayRead, below: 'everyone' },
  { to: '/agents', title: texts.nav.agents, shown: mayRead },
  { to: '/connectors', title: texts.nav.connectors, shown: mayRead },
  { to: '/grants', title: texts.nav.grants, shown: () => true },
  { to: '/policies', title: texts.nav.policies, shown: mayRead },
  { to: '/approvers', title: texts.nav.approvers, shown: (me) => hasRole(me, 'security', 'auditor') },
]

const NOBODY: Me = { name: '', groups: [], roles: [] }

/** The page of an address that this person may not see, nobody being known yet where it is undefined; undefined where they may, or it is none of these. */
export function closedPage(me: Me | undefined, path: string): PageOfNavigation | undefined {
  const page = pages.find(({ to, below }) => path === to || path === `${to}/` || (below === undefined && path.startsWith(`${to}/`)))
  return page?.shown(me ?? NOBODY) === false ? page : undefined
}
