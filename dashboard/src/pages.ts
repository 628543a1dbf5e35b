import { type Me, mayRead } from './me.ts'
import { texts } from './texts.ts'

/** Pages in the order of the navigation; `shown` by what a person may see. */
export const pages: readonly { to: string; title: string; shown: (me: Me) => boolean }[] = [
  { to: '/inbox', title: texts.nav.inbox, shown: () => true },
  { to: '/agents', title: texts.nav.agents, shown: mayRead },
  { to: '/policies', title: texts.nav.policies, shown: mayRead },
]
