import { Link } from '@tanstack/react-router'
import { useEffect, useId, useRef } from 'react'
import { texts } from '../texts.ts'
import { humanised, operationName, spanOf, useNow } from '../words.ts'
import { approvals, type ListedHold, seats } from './inbox-data.ts'

export function HoldList({ title, holds, selected }: { title: string; holds: readonly ListedHold[]; selected: string | undefined }) {
  const now = useNow(10_000)
  const heading = useId()
  return (
    <section aria-labelledby={heading}>
      <h2 id={heading} className="list-title">
        {title} <span className="count">{holds.length}</span>
      </h2>
      <ol className="holds">
        {holds.map((hold) => (
          <HoldRow key={hold.id} hold={hold} now={now} selected={hold.id === selected} />
        ))}
      </ol>
    </section>
  )
}

function HoldRow({ hold, now, selected }: { hold: ListedHold; now: number; selected: boolean }) {
  const element = useRef<HTMLLIElement>(null)
  useEffect(() => {
    if (selected) element.current?.scrollIntoView({ block: 'nearest' })
  }, [selected])
  const leftMs = Date.parse(hold.expiresAt) - now
  const needed = seats(hold.requires)
  return (
    <li ref={element}>
      <Link to="/inbox/$holdId" params={{ holdId: hold.id }} className="hold-row">
        <span className="hold-row-title">{hold.about?.title ?? humanised(operationName(hold.operation))}</span>
        <span className={leftMs < 900_000 ? 'clock clock-soon' : 'clock'}>
          {leftMs > 0 ? `${spanOf(leftMs)} ${texts.inbox.left}` : texts.inbox.overdue}
        </span>
        <span className="quiet hold-row-who">
          {hold.agent} {texts.inbox.for} {hold.subject ?? texts.inbox.itself}
        </span>
        <span className="quiet">
          {approvals(hold.votes)}/{needed}
        </span>
      </Link>
    </li>
  )
}
