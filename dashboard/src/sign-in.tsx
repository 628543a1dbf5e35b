import { useQueryClient } from '@tanstack/react-query'
import { useRouter } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import { changePerson } from './me.ts'
import { keepNotice, noticeWaits, takeNotice } from './notice/waiting-notice.ts'
import { type SessionState, signIn } from './gateway.ts'
import { texts } from './texts.ts'
import { Skeleton } from './ui/skeleton.tsx'

let used: { link: string; answer: Promise<SessionState> } | undefined

/** A link is used once, however often the page is drawn. */
function redeem(link: string): Promise<SessionState> {
  if (used?.link !== link) used = { link, answer: signIn(link) }
  return used.answer
}

/** Signs in with the secret behind `#`, which no server log and no referrer ever sees; without one it says how to get a link. */
export function SignIn({ development }: { development: boolean }) {
  const client = useQueryClient()
  const router = useRouter()
  const [link] = useState(() => (location.pathname === '/sign-in' ? location.hash.slice(1) : ''))
  const [failure, setFailure] = useState<string>()
  useState(keepNotice)
  useEffect(() => {
    if (link === '') return
    history.replaceState(history.state, '', '/sign-in')
    redeem(link).then(
      async (session) => {
        changePerson(client, session)
        const notice = takeNotice()
        await router.navigate(notice === null ? { to: '/', replace: true } : { to: '/notice', hash: notice, replace: true })
      },
      (error: unknown) => setFailure(error instanceof Error ? error.message : texts.problem.offline),
    )
  }, [link, client, router])
  return (
    <main className="sign-in" id="content">
      <p className="brand">{texts.product}</p>
      {link !== '' && failure === undefined ? (
        <>
          <h1>{texts.signIn.working}</h1>
          <Skeleton lines={3} />
        </>
      ) : (
        <Ways development={development} failure={failure} />
      )}
    </main>
  )
}

function Ways({ development, failure }: { development: boolean; failure: string | undefined }) {
  if (!development)
    return (
      <>
        <h1>{texts.signIn.notHere}</h1>
        <p>{texts.signIn.notHereWhy}</p>
      </>
    )
  return (
    <>
      <h1>{texts.signIn.title}</h1>
      {failure !== undefined && (
        <div className="notice notice-bad" role="alert">
          <strong>{texts.signIn.failed}</strong>
          <p>{failure}</p>
        </div>
      )}
      {noticeWaits() && <p className="notice">{texts.notice.first}</p>}
      <p>{texts.signIn.how}</p>
      <pre className="command">
        <code>{texts.signIn.command}</code>
      </pre>
      <p>{texts.signIn.open}</p>
      <p className="quiet">{texts.development}</p>
    </>
  )
}
