import { Link } from '@tanstack/react-router'
import { useEffect, useId, useRef } from 'react'
import { texts } from '../texts.ts'
import { VisibleText } from '../ui/visible-text.tsx'
import { humanised, operationName, spanOf, useNow } from '../words.ts'
import type { Row } from './alike-rows.ts'
import { gist } from './arguments-table.ts'
import { approvals, type ListedHold, type ShownHold, seats } from './inbox-data.ts'

export interface HoldListProps {
  title: string
  rows: readonly Row<ListedHold>[]
  selected: string | undefined
  /** What was looked at, by hold; undefined for what was not. */
  shown: (hold: ListedHold) => ShownHold | undefined
  /** Absent where nothing of it can be decided by who looks. */
  choosing?: {
    chosen: ReadonlySet<string>
    toggle: (row: Row<ListedHold>) => void
    together: (row: Row<ListedHold>) => void
  }
}

/** Holds in order; several that are alike are one row. */
export function HoldList({ title, rows, selected, shown, choosing }: HoldListProps) {
  const now = useNow(10_000)
  const heading = useId()
  const count = rows.reduce((sum, { holds }) => sum + holds.length, 0)
  return (
    <section aria-labelledby={heading}>
      <h2 id={heading} className="list-title">
        {title} <span className="count">{count}</span>
      </h2>
      <ol className="holds">
        {rows.map((row) => (
          <HoldRow key={row.id} row={row} now={now} selected={selected} shown={shown} choosing={choosing} />
        ))}
      </ol>
    </section>
  )
}

function HoldRow({
  row,
  now,
  selected,
  shown,
  choosing,
}: Pick<HoldListProps, 'selected' | 'shown'> & { row: Row<ListedHold>; now: number; choosing: HoldListProps['choosing'] | undefined }) {
  const element = useRef<HTMLLIElement>(null)
  const [hold] = row.holds
  const isSelected = row.holds.some(({ id }) => id === selected)
  useEffect(() => {
    if (isSelected) element.current?.scrollIntoView({ block: 'nearest' })
  }, [isSelected])
  if (!hold) return null
  const title = hold.about?.title ?? humanised(operationName(hold.operation))
  const name = texts.inbox.row(title, hold.agent)
  const isChosen = row.holds.every(({ id }) => choosing?.chosen.has(id))
  return (
    <li ref={element} className={isSelected ? 'hold-item hold-item-current' : 'hold-item'}>
      {choosing && <input type="checkbox" aria-label={texts.inbox.choose(name)} checked={isChosen} onChange={() => choosing.toggle(row)} />}
      <Link
        to="/inbox/$holdId"
        params={{ holdId: hold.id }}
        search
        className="hold-row"
        data-row={row.id}
        aria-current={isSelected ? 'page' : undefined}
        activeProps={{}}
      >
        <RowWords row={row} hold={hold} title={title} now={now} shown={shown} />
      </Link>
      {row.holds.length > 1 && choosing && (
        <button
          type="button"
          className="alike"
          aria-label={texts.inbox.alike(row.holds.length, name)}
          onClick={() => choosing.together(row)}
        >
          {texts.inbox.alikeShort(row.holds.length)}
        </button>
      )}
      {row.holds.length > 1 && !choosing && <span className="chip">{texts.inbox.alikeShort(row.holds.length)}</span>}
    </li>
  )
}

function RowWords({
  row,
  hold,
  title,
  now,
  shown,
}: {
  row: Row<ListedHold>
  hold: ListedHold
  title: string
  now: number
  shown: HoldListProps['shown']
}) {
  const leftMs = Date.parse(hold.expiresAt) - now
  const needed = seats(hold.requires)
  const looked = row.holds.map(shown).filter((each) => each !== undefined)
  const [first] = looked
  const words =
    first && looked.length === row.holds.length
      ? gist(
          looked.map(({ input }) => input),
          first.about?.inputSchema,
          first.about?.businessKey?.at,
        )
      : []
  return (
    <>
      <span className="hold-row-title">{title}</span>{' '}
      <span className={leftMs < 900_000 ? 'clock clock-soon' : 'clock'}>
        {leftMs > 0 ? `${spanOf(leftMs)} ${texts.inbox.left}` : texts.inbox.overdue}
      </span>{' '}
      <span className="quiet hold-row-who">
        {hold.agent} {texts.inbox.for} {hold.subject ?? texts.inbox.itself}
      </span>{' '}
      <span className="quiet hold-row-votes" role="img" aria-label={texts.inbox.votes(approvals(hold.votes), needed)}>
        {approvals(hold.votes)}/{needed}
      </span>
      {words.length > 0 && (
        <span className="hold-row-what">
          {' '}
          {words.map((each, at) => (
            <span key={each}>
              {at > 0 && ' · '}
              <VisibleText text={each} />
            </span>
          ))}
        </span>
      )}
    </>
  )
}
