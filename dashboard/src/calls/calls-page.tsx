import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useSearch } from '@tanstack/react-router'
import { useCallback, useEffect, useMemo, useRef } from 'react'
import { texts } from '../texts.ts'
import { announce } from '../ui/announcer.ts'
import { useKeys } from '../ui/keys.ts'
import { Problem } from '../ui/problem.tsx'
import { Skeleton } from '../ui/skeleton.tsx'
import { moment } from '../words.ts'
import './calls.css'
import { CallFilters, useSearchChange } from './call-filters.tsx'
import { CallRows } from './call-rows.tsx'
import { type CallSearch, readSearch, SEARCH_KEYS } from './call-search.ts'
import { callsQuery, inDoubtCountQuery, type ListedCall, NEWER_MAX, newestQuery } from './calls-data.ts'
import { rememberList } from './list-address.ts'

/** The log of calls: what fits the filters of the address, newest first, however many there are. */
export function CallsPage() {
  const raw = useSearch({ strict: false }) as Record<string, unknown>
  const key = JSON.stringify(readSearch(raw))
  const search = useMemo(() => JSON.parse(key) as CallSearch, [key])
  useEffect(() => rememberList(search), [search])
  const textField = useRef<HTMLInputElement>(null)
  useKeys({ '/': () => textField.current?.focus() })
  return (
    <main id="content" className="calls">
      <header className="page-head">
        <h1>{texts.calls.title}</h1>
        <span className="quiet hint-keys">{texts.calls.keysHint}</span>
      </header>
      <InDoubtNotice />
      <CallFilters search={search} textField={textField} />
      <Found key={key} search={search} place={key} />
    </main>
  )
}

function InDoubtNotice() {
  const { data } = useQuery(inDoubtCountQuery)
  if (!data || data.count === 0) return null
  return (
    <p className="notice notice-bad call-doubt">
      <strong>{texts.inDoubt.notice(data.count, data.more)}</strong> {texts.inDoubt.noticeWhy}{' '}
      <Link to="/in-doubt">{texts.inDoubt.look}</Link>
    </p>
  )
}

/** Short pages that are asked for without a word: beyond, people say whether to look further. */
const SHORT_PAGES_MAX = 4

function Found({ search, place }: { search: CallSearch; place: string }) {
  const client = useQueryClient()
  const list = useInfiniteQuery(callsQuery(search))
  const newest = useQuery({ ...newestQuery(search), enabled: list.isSuccess })
  const { calls, newer } = useMerged(list.data?.pages, newest.data)
  const { fetchNextPage, hasNextPage, isFetching, isError } = list
  const pages = list.data?.pages ?? []
  const full = pages.findLastIndex(({ pageInfo }) => pageInfo.lookedBackTo === null)
  const short = pages.length - 1 - full
  const patient = short > 0 && short % SHORT_PAGES_MAX === 0
  const wanted = useCallback(() => {
    if (hasNextPage && !isFetching && !isError && !patient) void fetchNextPage()
  }, [fetchNextPage, hasNextPage, isFetching, isError, patient])
  const again = (): void => {
    client.removeQueries({ queryKey: newestQuery(search).queryKey })
    void client.resetQueries({ queryKey: callsQuery(search).queryKey })
  }
  useArrivals(newer)
  if (list.isPending) return <Skeleton lines={14} />
  if (list.data === undefined) return <Problem error={list.error} again={() => void list.refetch()} />
  const lookedTo = pages.at(-1)?.pageInfo.lookedBackTo ?? null
  const foot = (
    <Foot
      lookedTo={hasNextPage ? lookedTo : null}
      state={isError ? 'failed' : !hasNextPage ? 'end' : patient ? 'asks' : 'looks'}
      error={list.error}
      further={() => void fetchNextPage()}
    />
  )
  return (
    <>
      {newer > 0 && (
        <button type="button" className="button call-newer" onClick={again}>
          {texts.calls.newer(newer, newer >= NEWER_MAX)}
        </button>
      )}
      {calls.length === 0 ? (
        <Nothing search={search} looking={hasNextPage} wanted={wanted} foot={foot} />
      ) : (
        <CallRows calls={calls} place={place} complete={!hasNextPage} wanted={wanted} foot={foot} />
      )}
    </>
  )
}

/** The rows with what is newly known of them, and how many newer ones there are. */
function useMerged(pages: readonly { edges: readonly { node: ListedCall }[] }[] | undefined, newest: readonly ListedCall[] | undefined) {
  return useMemo(() => {
    const fresh = new Map(newest?.map((call) => [call.id, call]))
    const calls = pages?.flatMap(({ edges }) => edges.map(({ node }) => fresh.get(node.id) ?? node)) ?? []
    const top = calls[0]?.id ?? ''
    return { calls, newer: pages && newest ? newest.filter(({ id }) => id > top).length : 0 }
  }, [pages, newest])
}

/** Says once that something newer is there, not each time it becomes more. */
function useArrivals(newer: number): void {
  const some = newer > 0
  const count = useRef(newer)
  count.current = newer
  useEffect(() => {
    if (some) announce(texts.calls.arrived(count.current))
  }, [some])
}

type FootState = 'failed' | 'end' | 'asks' | 'looks'

function Foot({ lookedTo, state, error, further }: { lookedTo: string | null; state: FootState; error: unknown; further: () => void }) {
  if (state === 'failed') return <Problem error={error} again={further} />
  if (state === 'end') return <p className="quiet call-foot">{texts.calls.end}</p>
  return (
    <p className="quiet call-foot">
      {lookedTo !== null && texts.calls.lookedTo(moment(lookedTo))}{' '}
      {state === 'asks' ? (
        <button type="button" className="button" onClick={further}>
          {texts.calls.further}
        </button>
      ) : (
        <span role="status">{lookedTo === null ? texts.calls.loading : texts.calls.looking}</span>
      )}
    </p>
  )
}

function Nothing({ search, looking, wanted, foot }: { search: CallSearch; looking: boolean; wanted: () => void; foot: React.ReactNode }) {
  const change = useSearchChange(search)
  useEffect(wanted, [wanted])
  const filtered = SEARCH_KEYS.some((key) => search[key] !== undefined)
  if (looking) return <div className="empty">{foot}</div>
  return (
    <div className="empty">
      <h2>{filtered ? texts.calls.nothing : texts.calls.empty}</h2>
      <p className="quiet">{filtered ? texts.calls.nothingWhy : texts.calls.emptyWhy}</p>
      {filtered && (
        <button type="button" className="button" onClick={() => change(Object.fromEntries(SEARCH_KEYS.map((key) => [key, undefined])))}>
          {texts.calls.clear}
        </button>
      )}
    </div>
  )
}
