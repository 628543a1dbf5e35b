import { useInfiniteQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate, useParams } from '@tanstack/react-router'
import { type RefObject, useRef, useState } from 'react'
import { pollMs, useLive } from '../live.ts'
import { hasRole, mayChange, useMe } from '../me.ts'
import { texts } from '../texts.ts'
import { useKeys } from '../ui/keys.ts'
import { Problem } from '../ui/problem.tsx'
import { Skeleton } from '../ui/skeleton.tsx'
import { alikeRows, type Row } from './alike-rows.ts'
import { HoldCard } from './hold-card.tsx'
import { HoldList } from './hold-list.tsx'
import { INBOX_CHANGED, type ListedHold, inboxQuery } from './inbox-data.ts'
import { InboxFilters, useInboxSearch } from './inbox-filters.tsx'
import { KeysDialog } from './keys-dialog.tsx'
import { TogetherDialog } from './together-dialog.tsx'
import { useArrivals } from './use-arrivals.ts'
import { useKeptRow } from './use-kept-row.ts'
import { useShownArguments } from './use-shown-arguments.ts'
import './inbox.css'

type Rows = readonly Row<ListedHold>[]

/** What waits for people, oldest deadline first; beside it, on a wide screen, the one that is looked at. The address says which. */
export function InboxPage() {
  const { holdId } = useParams({ strict: false })
  const { live, list, mine, others, loaded } = useInbox()
  const me = useMe()
  const [help, setHelp] = useState(false)
  const [shows, setShows] = useState(false)
  const shown = useShownArguments(loaded, shows)
  const element = useRef<HTMLElement>(null)
  const ordered = [...mine, ...others]
  const { open, step } = useSteps(element, ordered, holdId)
  const choosing = useChoosing(mine)
  const current = mine.find(({ holds }) => holds.some(({ id }) => id === holdId))
  const mayLook = mine.length > 0 || hasRole(me, 'security', 'auditor')
  useKeys({
    j: () => step(1),
    k: () => step(-1),
    x: () => current && choosing.toggle(current),
    A: () => {
      if (choosing.chosen.size > 0) choosing.together([...choosing.chosen])
      else if (current) choosing.together(alikeTo(mine, holdId))
    },
    '?': () => setHelp(true),
  })
  const next = (): void => {
    const left = idsOf(mine).filter((id) => id !== holdId)
    const at = holdId === undefined ? 0 : idsOf(mine).indexOf(holdId)
    open(left[Math.max(0, at)] ?? left[0])
    if (left.length === 0) element.current?.querySelector('h1')?.focus()
  }
  return (
    <main id="content" ref={element} className={holdId === undefined ? 'inbox' : 'inbox inbox-open'}>
      <section className="inbox-list" aria-labelledby="inbox-title">
        <header className="page-head">
          <h1 id="inbox-title" tabIndex={-1}>
            {texts.inbox.title}
          </h1>
          <span className={live ? 'live live-on' : 'live'}>{live ? texts.connection.live : texts.connection.polling}</span>
        </header>
        {list.isPending ? (
          <Skeleton lines={12} />
        ) : list.data === undefined ? (
          <Problem error={list.error} again={() => void list.refetch()} />
        ) : (
          <>
            {loaded.length > 0 && <InboxFilters holds={loaded} shows={shows} {...(mayLook && { show: setShows })} />}
            <Lists mine={mine} others={others} selected={holdId} shown={shown} choosing={mayChange(me) ? choosing : undefined} />
          </>
        )}
        {list.hasNextPage && (
          <button type="button" className="button" onClick={() => void list.fetchNextPage()} disabled={list.isFetchingNextPage}>
            {texts.inbox.more}
          </button>
        )}
        <Chosen choosing={choosing} />
        <p className="quiet hint">{texts.inbox.keysHint}</p>
      </section>
      <section className="inbox-card" aria-label={texts.inbox.one}>
        {holdId === undefined ? (
          <p className="empty quiet">{ordered.length > 0 ? texts.inbox.pick : ''}</p>
        ) : (
          <HoldCard key={holdId} id={holdId} live={live} next={next} together={choosing.together} />
        )}
      </section>
      {help && <KeysDialog onClose={() => setHelp(false)} />}
      {choosing.open && (
        <TogetherDialog
          ids={choosing.open}
          chosen={choosing.chosen}
          onClose={(voted) => {
            choosing.close(voted)
            if (voted && holdId !== undefined && !idsOf(mine).includes(holdId)) next()
            else requestAnimationFrame(() => document.activeElement === document.body && element.current?.querySelector('h1')?.focus())
          }}
        />
      )}
    </main>
  )
}

/** Those that are like this one, itself first. */
function alikeTo(rows: Rows, id: string | undefined): string[] {
  const holds = rows.flatMap((row) => row.holds)
  const one = holds.find((hold) => hold.id === id)
  return holds.filter((hold) => hold.alike === one?.alike).map((hold) => hold.id)
}

const idsOf = (rows: Rows): string[] => rows.flatMap(({ holds }) => holds.map(({ id }) => id))

function Lists({
  mine,
  others,
  selected,
  shown,
  choosing,
}: {
  mine: Rows
  others: Rows
  selected: string | undefined
  shown: ReturnType<typeof useShownArguments>
  choosing: ReturnType<typeof useChoosing> | undefined
}) {
  const search = useInboxSearch()
  return (
    <>
      {mine.length === 0 && (
        <div className="empty">
          <h2>{texts.inbox.emptyTitle}</h2>
          <p className="quiet">{search.agent === undefined ? texts.inbox.empty : texts.inbox.emptyOfAgent(search.agent)}</p>
        </div>
      )}
      {mine.length > 0 && (
        <HoldList
          title={texts.inbox.mine}
          rows={mine}
          selected={selected}
          shown={shown}
          {...(choosing && {
            choosing: { chosen: choosing.chosen, toggle: choosing.toggle, together: (row) => choosing.together(idsOf([row])) },
          })}
        />
      )}
      {others.length > 0 && <HoldList title={texts.inbox.others} rows={others} selected={selected} shown={shown} />}
    </>
  )
}

/** What is selected for one decision together. */
function Chosen({ choosing }: { choosing: ReturnType<typeof useChoosing> }) {
  const { chosen } = choosing
  if (chosen.size === 0) return null
  return (
    <section className="chosen" aria-label={texts.inbox.chosenLabel}>
      <span>{texts.inbox.chosen(chosen.size)}</span>
      <button type="button" className="button button-quiet" onClick={choosing.none}>
        {texts.inbox.chooseNone}
      </button>
      <button type="button" className="button" aria-keyshortcuts="Shift+A" onClick={() => choosing.together([...chosen])}>
        {texts.inbox.decideChosen}
      </button>
    </section>
  )
}

/** The holds that are selected, and those that are decided on together now. What is no longer there is no longer selected. */
function useChoosing(mine: Rows) {
  const [marked, mark] = useState<ReadonlySet<string>>(new Set())
  const [open, setOpen] = useState<readonly string[]>()
  const chosen = new Set(idsOf(mine).filter((id) => marked.has(id)))
  return {
    chosen,
    open,
    toggle: ({ holds }: Row<ListedHold>): void => {
      const on = !holds.every(({ id }) => chosen.has(id))
      const rest = [...chosen].filter((id) => !holds.some((hold) => hold.id === id))
      mark(new Set(on ? [...rest, ...holds.map(({ id }) => id)] : rest))
    },
    none: (): void => mark(new Set()),
    together: (ids: readonly string[]): void => setOpen(ids),
    close: (voted: boolean): void => {
      setOpen(undefined)
      if (voted) mark(new Set())
    },
  }
}

/** From row to row, and where the focus is. */
function useSteps(element: RefObject<HTMLElement | null>, rows: Rows, holdId: string | undefined) {
  const navigate = useNavigate()
  const focusRow = useKeptRow(element, rows)
  const open = (id: string | undefined): void => {
    if (id !== undefined) void navigate({ to: '/inbox/$holdId', params: { holdId: id }, search: true, replace: holdId !== undefined })
  }
  const step = (by: number): void => {
    const at = rows.findIndex(({ holds }) => holds.some(({ id }) => id === holdId))
    const row = rows[at < 0 ? 0 : Math.min(Math.max(at + by, 0), rows.length - 1)]
    open(row?.id)
    if (row) focusRow(row.id)
  }
  return { open, step }
}

function useInbox() {
  const me = useMe()
  const search = useInboxSearch()
  const client = useQueryClient()
  const live = useLive(INBOX_CHANGED, {}, () => void client.invalidateQueries({ queryKey: ['inbox'] }))
  const list = useInfiniteQuery({ ...inboxQuery, refetchInterval: pollMs(live) })
  const loaded = list.data?.pages.flatMap(({ edges }) => edges.map(({ node }) => node)) ?? []
  const isMine = (hold: ListedHold): boolean =>
    me !== undefined && mayChange(me) && hold.ineligible === null && !hold.votes.some(({ voter }) => voter === me.name)
  useArrivals(list.data === undefined || !me ? undefined : loaded.filter(isMine).map(({ id }) => id))
  const holds = loaded.filter(({ agent }) => search.agent === undefined || agent === search.agent)
  return {
    live,
    list,
    loaded,
    mine: alikeRows(holds.filter(isMine)),
    others: search.mine ? [] : alikeRows(holds.filter((hold) => !isMine(hold))),
  }
}
