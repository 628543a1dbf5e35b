import { Link, useLocation, useRouter } from '@tanstack/react-router'
import { useCallback, useEffect, useState } from 'react'
import { ask, GatewayProblem } from '../gateway.ts'
import { graphql } from '../graphql.ts'
import { texts } from '../texts.ts'
import { Problem } from '../ui/problem.tsx'
import { Skeleton } from '../ui/skeleton.tsx'
import { takeNotice } from './waiting-notice.ts'

const OPEN = graphql(`mutation OpenNotice($secret: String!) { openNotice(secret: $secret) }`)

let used: { secret: string; hold: Promise<string> } | undefined

/** A link is used once, however often the page is drawn. */
function open(secret: string): Promise<string> {
  if (used?.secret !== secret) used = { secret, hold: ask(OPEN, { secret }).then(({ openNotice }) => openNotice) }
  return used.hold
}

/** Goes to the hold that a notice told of. It shows nothing of the hold itself, and decides nothing. */
export function NoticePage() {
  const router = useRouter()
  const secret = useLocation({ select: ({ hash }) => hash })
  const [failure, setFailure] = useState<unknown>()
  const go = useCallback((): void => {
    setFailure(undefined)
    open(secret).then(
      (holdId) => router.navigate({ to: '/inbox/$holdId', params: { holdId }, replace: true }),
      (error: unknown) => {
        used = undefined
        setFailure(error)
      },
    )
  }, [secret, router])
  useEffect(() => {
    takeNotice()
    go()
  }, [go])
  if (failure === undefined)
    return (
      <main id="content" className="plain">
        <h1>{texts.notice.opening}</h1>
        <Skeleton lines={4} />
      </main>
    )
  const gone = failure instanceof GatewayProblem && failure.code === 'NOT_FOUND'
  return (
    <main id="content" className="plain">
      <h1>{texts.notice.failed}</h1>
      {gone ? <p>{texts.notice.gone}</p> : <Problem error={failure} again={go} />}
      <p>
        <Link to="/inbox">{texts.notice.inbox}</Link>
      </p>
    </main>
  )
}
