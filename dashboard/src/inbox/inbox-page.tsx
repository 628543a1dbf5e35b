import { useInfiniteQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate, useParams } from '@tanstack/react-router'
import { useEffect, useRef, useState } from 'react'
import { pollMs, useLive } from '../live.ts'
import { useMe } from '../me.ts'
import { texts } from '../texts.ts'
import { announce } from '../ui/announcer.ts'
import { useKeys } from '../ui/keys.ts'
import { Problem } from '../ui/problem.tsx'
import { Skeleton } from '../ui/skeleton.tsx'
import { HoldCard } from './hold-card.tsx'
import { HoldList } from './hold-list.tsx'
import { INBOX_CHANGED, type ListedHold, inboxQuery } from './inbox-data.ts'
import { KeysDialog } from './keys-dialog.tsx'

/** What waits for people, oldest deadline first; beside it, on a wide screen, the one that is looked at. The address says which. */
export function InboxPage() {
  const { holdId } = useParams({ strict: false })
  const { live, list, mine, others } = useInbox()
  const navigate = useNavigate()
  const [help, setHelp] = useState(false)
  const ordered = [...mine, ...others]
  const open = (id: string | undefined): void => {
    if (id !== undefined) void navigate({ to: '/inbox/$holdId', params: { holdId: id }, replace: holdId !== undefined })
  }
  const step = (by: number): void => {
    const at = ordered.findIndex(({ id }) => id === holdId)
    open(ordered[at < 0 ? 0 : Math.min(Math.max(at + by, 0), ordered.length - 1)]?.id)
  }
  useKeys({ j: () => step(1), k: () => step(-1), '?': () => setHelp(true) })
  return (
    <main id="content" className={holdId === undefined ? 'inbox' : 'inbox inbox-open'}>
      <section className="inbox-list" aria-labelledby="inbox-title">
        <header className="page-head">
          <h1 id="inbox-title">{texts.inbox.title}</h1>
          <span className={live ? 'live live-on' : 'live'}>{live ? texts.connection.live : texts.connection.polling}</span>
        </header>
        {list.isPending ? (
          <Skeleton lines={12} />
        ) : list.data === undefined ? (
          <Problem error={list.error} again={() => void list.refetch()} />
        ) : (
          <Lists mine={mine} others={others} selected={holdId} />
        )}
        {list.hasNextPage && (
          <button type="button" className="button" onClick={() => void list.fetchNextPage()} disabled={list.isFetchingNextPage}>
            {texts.inbox.more}
          </button>
        )}
        <p className="quiet hint">{texts.inbox.keysHint}</p>
      </section>
      <section className="inbox-card">
        {holdId === undefined ? (
          <p className="empty quiet">{ordered.length > 0 ? texts.inbox.pick : ''}</p>
        ) : (
          <HoldCard key={holdId} id={holdId} live={live} next={() => open(nextOf(mine, holdId))} />
        )}
      </section>
      {help && <KeysDialog onClose={() => setHelp(false)} />}
    </main>
  )
}

function Lists({ mine, others, selected }: { mine: readonly ListedHold[]; others: readonly ListedHold[]; selected: string | undefined }) {
  return (
    <>
      {mine.length === 0 && (
        <div className="empty">
          <h2>{texts.inbox.emptyTitle}</h2>
          <p className="quiet">{texts.inbox.empty}</p>
        </div>
      )}
      {mine.length > 0 && <HoldList title={texts.inbox.mine} holds={mine} selected={selected} />}
      {others.length > 0 && <HoldList title={texts.inbox.others} holds={others} selected={selected} />}
    </>
  )
}

/** The one after this, or the first one left. */
function nextOf(holds: readonly ListedHold[], id: string): string | undefined {
  const at = holds.findIndex((hold) => hold.id === id)
  return (holds[at + 1] ?? holds.find((hold) => hold.id !== id))?.id
}

function useInbox() {
  const me = useMe()
  const client = useQueryClient()
  const live = useLive(INBOX_CHANGED, {}, () => void client.invalidateQueries({ queryKey: ['inbox'] }))
  const list = useInfiniteQuery({ ...inboxQuery, refetchInterval: pollMs(live) })
  const holds = list.data?.pages.flatMap(({ edges }) => edges.map(({ node }) => node)) ?? []
  const isMine = (hold: ListedHold): boolean => hold.ineligible === null && !hold.votes.some(({ voter }) => voter === me?.name)
  const mine = me ? holds.filter(isMine) : []
  const others = me ? holds.filter((hold) => !isMine(hold)) : holds
  useArrivals(list.data === undefined || !me ? undefined : mine.map(({ id }) => id))
  return { live, list, mine, others }
}

/** Says when something new waits for whoever looks. */
function useArrivals(ids: readonly string[] | undefined): void {
  const known = useRef<ReadonlySet<string>>(undefined)
  const text = ids?.join()
  useEffect(() => {
    if (text === undefined) return
    const now = text === '' ? [] : text.split(',')
    const before = known.current
    known.current = new Set([...(before ?? []), ...now])
    const fresh = before ? now.filter((id) => !before.has(id)) : []
    if (fresh.length > 0) announce(texts.inbox.arrived(fresh.length))
  }, [text])
}
