import { Link } from '@tanstack/react-router'
import { useVirtualizer } from '@tanstack/react-virtual'
import { type ReactNode, useEffect, useRef, useState } from 'react'
import { texts } from '../texts.ts'
import { useKeys } from '../ui/keys.ts'
import { useNarrow } from '../ui/narrow.ts'
import { StateChip } from '../ui/state-chip.tsx'
import { VisibleText } from '../ui/visible-text.tsx'
import { humanised, moment, operationName } from '../words.ts'
import type { ListedCall } from './calls-data.ts'

const ROW_PX = 42
const NARROW_ROW_PX = 66
const HEAD_PX = 36

/** How far each list was scrolled, by its address: who comes back finds the place. */
const places = new Map<string, number>()

interface RowsProps {
  calls: readonly ListedCall[]
  /** Under which the place of the scroller is remembered. */
  place: string
  complete: boolean
  wanted: () => void
  foot: ReactNode
}

/** Rows of which only those in sight exist. `wanted` is told when the last ones come near. */
export function CallRows(props: RowsProps) {
  const narrow = useNarrow()
  return <Rows key={String(narrow)} rowPx={narrow ? NARROW_ROW_PX : ROW_PX} {...props} />
}

function Rows({ calls, place, complete, wanted, foot, rowPx }: RowsProps & { rowPx: number }) {
  const scroller = useRef<HTMLDivElement>(null)
  const rows = useVirtualizer({
    count: calls.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowPx,
    overscan: 12,
    scrollPaddingStart: HEAD_PX,
    initialOffset: places.get(place) ?? 0,
    getItemKey: (index) => calls[index]?.id ?? index,
  })
  const shown = rows.getVirtualItems()
  const last = shown.at(-1)?.index ?? -1
  useEffect(() => {
    if (last >= calls.length - 20) wanted()
  }, [last, calls.length, wanted])
  const at = useRowKeys(calls.length, (index) => rows.scrollToIndex(index), scroller)
  return (
    <div className="call-scroll" ref={scroller} onScroll={(event) => places.set(place, event.currentTarget.scrollTop)}>
      <table className="call-table" aria-label={texts.calls.list} aria-rowcount={complete ? calls.length + 1 : -1}>
        <thead className="call-head">
          <tr aria-rowindex={1} className="call-row">
            {Object.entries(texts.calls.columns).map(([name, words]) => (
              <th key={name} scope="col" className={`call-${name}`}>
                {words}
              </th>
            ))}
          </tr>
        </thead>
        <tbody className="call-rows" style={{ height: rows.getTotalSize() }}>
          {shown.map(({ index, key, start, size }) => {
            const call = calls[index]
            return (
              call && (
                <tr
                  key={key}
                  aria-rowindex={index + 2}
                  data-index={index}
                  className="call-row"
                  style={{ height: size, transform: `translateY(${start}px)` }}
                  onFocus={() => {
                    at.current = index
                  }}
                >
                  <Cells call={call} />
                </tr>
              )
            )
          })}
        </tbody>
      </table>
      {foot}
    </div>
  )
}

/** `j` and `k` carry the focus from row to row, also to rows that do not exist yet. */
function useRowKeys(count: number, show: (index: number) => void, scroller: { current: HTMLDivElement | null }) {
  const at = useRef(-1)
  const target = useRef<number>(undefined)
  const [, draw] = useState(0)
  const step = (by: number): void => {
    if (count === 0) return
    target.current = Math.min(Math.max(at.current + by, 0), count - 1)
    at.current = target.current
    show(target.current)
    draw((times) => times + 1)
  }
  useKeys({ j: () => step(1), k: () => step(-1) })
  // After each drawing, until the row is there: a row far away is drawn once it has been scrolled to.
  useEffect(() => {
    if (target.current === undefined) return
    const link = scroller.current?.querySelector<HTMLElement>(`[data-index="${target.current}"] a`)
    if (!link) return
    target.current = undefined
    link.focus({ preventScroll: true })
  })
  return at
}

const TIME = new Intl.DateTimeFormat(undefined, {
  hourCycle: 'h23',
  month: 'short',
  day: '2-digit',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
})

function Cells({ call }: { call: ListedCall }) {
  const { id, createdAt, state, operation, agent, subject, denyReason, policies, upstreamMs } = call
  return (
    <>
      <td className="call-at">
        <time dateTime={createdAt} title={moment(createdAt)}>
          {TIME.format(new Date(createdAt))}
        </time>
      </td>
      <td className="call-state">
        <StateChip state={state} />
      </td>
      <td className="call-operation">
        <Link to="/calls/$callId" params={{ callId: id }} className="call-link">
          <strong>{humanised(operationName(operation))}</strong> <code className="quiet">{operation}</code>
        </Link>
      </td>
      <td className="call-agent">
        {agent}
        {subject !== null && (
          <span className="quiet">
            {' '}
            {texts.calls.for} <VisibleText text={subject} />
          </span>
        )}
      </td>
      <td className="call-why quiet">
        {policies.length > 0 ? policies.join(', ') : denyReason !== null ? texts.calls.reasons[denyReason] : ''}
      </td>
      <td className="call-took quiet">{upstreamMs === null ? '' : texts.calls.ms(upstreamMs)}</td>
    </>
  )
}
