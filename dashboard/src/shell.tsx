import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, Outlet, useLocation } from '@tanstack/react-router'
import { useEffect } from 'react'
import { signOut } from './gateway.ts'
import { changePerson, mayChange, meQuery, sessionQuery } from './me.ts'
import { NotForYou } from './not-for-you.tsx'
import { closedPage, pages } from './pages.ts'
import { SignIn } from './sign-in.tsx'
import { texts } from './texts.ts'
import { type Theme, useTheme } from './theme.ts'
import { useAnnounced } from './ui/announcer.ts'
import { Problem } from './ui/problem.tsx'
import { Skeleton } from './ui/skeleton.tsx'

/** The frame of every page: who is signed in, where one can go, what was announced. Without a session it is the sign-in. */
export function Shell() {
  const session = useQuery(sessionQuery)
  if (session.isPending)
    return (
      <main className="sign-in">
        <Skeleton lines={4} />
      </main>
    )
  if (!session.data)
    return (
      <main className="sign-in">
        <Problem error={session.error} again={() => void session.refetch()} />
      </main>
    )
  if (session.data.person === null) return <SignIn development={session.data.development} />
  return <Signed development={session.data.development} offline={session.isError} />
}

function Signed({ development, offline }: { development: boolean; offline: boolean }) {
  const said = useAnnounced()
  return (
    <>
      <a className="skip" href="#content">
        {texts.skip}
      </a>
      {development && (
        <aside className="banner" aria-label={texts.developmentLabel}>
          {texts.development}
        </aside>
      )}
      <div className="frame">
        <header className="side">
          <p className="brand">{texts.product}</p>
          <Navigation />
          <Account />
        </header>
        <div className="page">
          {offline && (
            <p className="notice notice-bad" role="status">
              {texts.connection.offline}
            </p>
          )}
          <Page />
        </div>
      </div>
      <p className={said ? 'said said-shown' : 'said'} key={said} role="status" aria-live="polite">
        {said}
      </p>
    </>
  )
}

/** What the address asks for, or who may see it instead. */
function Page() {
  const { data: me } = useQuery(meQuery)
  const path = useLocation({ select: ({ pathname }) => pathname })
  const closed = closedPage(me, path)
  if (!closed) return <Outlet />
  if (me) return <NotForYou title={closed.title} />
  return (
    <main id="content" className="plain">
      <h1>{closed.title}</h1>
      <Skeleton lines={8} />
    </main>
  )
}

function Navigation() {
  const { data: me } = useQuery(meQuery)
  return (
    <nav aria-label={texts.nav.label}>
      <ul>
        {pages
          .filter(({ shown }) => me && shown(me))
          .map(({ to, title, Count }) => (
            <li key={to}>
              <Link to={to} activeProps={{ 'aria-current': 'page' }}>
                {title}
                {Count && <Count />}
              </Link>
            </li>
          ))}
      </ul>
    </nav>
  )
}

function Account() {
  const { data: me } = useQuery(meQuery)
  const client = useQueryClient()
  const [theme, choose] = useTheme()
  useEffect(() => {
    document.title = me ? `${texts.product} · ${me.name}` : texts.product
  }, [me])
  const leave = async (): Promise<void> => {
    changePerson(client, await signOut())
  }
  return (
    <div className="account">
      <p className="person">
        <strong>{me?.name ?? '\u00a0'}</strong>
        <span className="quiet">
          {me && !mayChange(me) ? texts.account.readOnly : [...new Set([...(me?.roles ?? []), ...(me?.groups ?? [])])].join(', ')}
        </span>
      </p>
      <label className="theme">
        <span className="hidden">{texts.account.theme}</span>
        <select value={theme} onChange={(event) => choose(event.target.value as Theme)}>
          {(['system', 'light', 'dark'] as const).map((each) => (
            <option key={each} value={each}>
              {texts.account.themes[each]}
            </option>
          ))}
        </select>
      </label>
      <button type="button" className="button button-quiet" onClick={() => void leave()}>
        {texts.account.signOut}
      </button>
    </div>
  )
}
