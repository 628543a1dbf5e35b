// First of all: it says which layer of style rules comes before which.
import './styles/app.css'
import './styles/parts.css'

import { MutationCache, QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect, RouterProvider } from '@tanstack/react-router'
import { createRoot } from 'react-dom/client'
import { readAgentsSearch } from './agents/agents-search.ts'
import { readSearch } from './calls/call-search.ts'
import { readApproversSearch } from './approvers/approvers-search.ts'
import { readOperationsSearch } from './connectors/connectors-search.ts'
import { GatewayProblem } from './gateway.ts'
import { inboxSearch } from './inbox/inbox-filters.tsx'
import { InboxPage } from './inbox/inbox-page.tsx'
import { sessionQuery } from './me.ts'
import { NotFound } from './not-found.tsx'
import { readOverviewSearch } from './overview/overview-search.ts'
import { Shell } from './shell.tsx'
import { SignIn } from './sign-in.tsx'

const onError = (error: unknown): void => {
  // The session ended: the frame shows the sign-in, and the address stays.
  if (error instanceof GatewayProblem && error.code === 'UNAUTHENTICATED')
    void client.invalidateQueries({ queryKey: sessionQuery.queryKey })
}

const isPassing = (error: unknown): boolean => error instanceof GatewayProblem && ['OFFLINE', 'UNAVAILABLE'].includes(error.code)

const client = new QueryClient({
  queryCache: new QueryCache({ onError }),
  mutationCache: new MutationCache({ onError }),
  defaultOptions: {
    queries: { retry: (count, error) => count < 2 && isPassing(error), networkMode: 'always' },
    mutations: { retry: false, networkMode: 'always' },
  },
})

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound })
const home = createRoute({
  getParentRoute: () => root,
  path: '/',
  beforeLoad: () => {
    throw redirect({ to: '/inbox', replace: true })
  },
})
const signIn = createRoute({ getParentRoute: () => root, path: '/sign-in', component: () => <SignIn development /> })
const inbox = createRoute({ getParentRoute: () => root, path: '/inbox', component: InboxPage, validateSearch: inboxSearch })
// The page stays as it is from hold to hold: it reads which one from the address.
const hold = createRoute({ getParentRoute: () => inbox, path: '$holdId' })

const notice = createRoute({
  getParentRoute: () => root,
  path: '/notice',
  component: lazyRouteComponent(() => import('./notice/notice-page.tsx'), 'NoticePage'),
})

const overview = createRoute({
  getParentRoute: () => root,
  path: '/overview',
  validateSearch: readOverviewSearch,
  component: lazyRouteComponent(() => import('./overview/overview-page.tsx'), 'OverviewPage'),
})
const agents = createRoute({
  getParentRoute: () => root,
  path: '/agents',
  validateSearch: readAgentsSearch,
  component: lazyRouteComponent(() => import('./agents/agents-page.tsx'), 'AgentsPage'),
})
const agent = createRoute({
  getParentRoute: () => root,
  path: '/agents/$name',
  component: lazyRouteComponent(() => import('./agents/agent-page.tsx'), 'AgentPage'),
})
const approvers = createRoute({
  getParentRoute: () => root,
  path: '/approvers',
  validateSearch: readApproversSearch,
  component: lazyRouteComponent(() => import('./approvers/approvers-page.tsx'), 'ApproversPage'),
})

const grants = createRoute({
  getParentRoute: () => root,
  path: '/grants',
  component: lazyRouteComponent(() => import('./grants/grants-page.tsx'), 'GrantsPage'),
})

const policiesPage = lazyRouteComponent(() => import('./policies/policies-page.tsx'), 'PoliciesPage')
const policies = createRoute({ getParentRoute: () => root, path: '/policies', component: policiesPage })
const policiesTab = createRoute({ getParentRoute: () => root, path: '/policies/$tab', component: policiesPage })
const policiesItem = createRoute({ getParentRoute: () => root, path: '/policies/$tab/$item', component: policiesPage })

const calls = createRoute({
  getParentRoute: () => root,
  path: '/calls',
  validateSearch: readSearch,
  component: lazyRouteComponent(() => import('./calls/calls-page.tsx'), 'CallsPage'),
})
const call = createRoute({
  getParentRoute: () => root,
  path: '/calls/$callId',
  component: lazyRouteComponent(() => import('./calls/call-page.tsx'), 'CallPage'),
})
const inDoubt = createRoute({
  getParentRoute: () => root,
  path: '/in-doubt',
  component: lazyRouteComponent(() => import('./calls/in-doubt-page.tsx'), 'InDoubtPage'),
})
const connectors = createRoute({
  getParentRoute: () => root,
  path: '/connectors',
  component: lazyRouteComponent(() => import('./connectors/connectors-page.tsx'), 'ConnectorsPage'),
})
const connector = createRoute({
  getParentRoute: () => root,
  path: '/connectors/$name',
  validateSearch: readOperationsSearch,
  component: lazyRouteComponent(() => import('./connectors/connector-page.tsx'), 'ConnectorPage'),
})

const router = createRouter({
  routeTree: root.addChildren([
    home,
    signIn,
    inbox.addChildren([hold]),
    notice,
    overview,
    grants,
    inDoubt,
    calls,
    call,
    agents,
    agent,
    connectors,
    connector,
    policies,
    policiesTab,
    policiesItem,
    approvers,
  ]),
  scrollRestoration: true,
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}

const place = document.getElementById('root')
if (place)
  createRoot(place).render(
    <QueryClientProvider client={client}>
      <RouterProvider router={router} />
    </QueryClientProvider>,
  )
