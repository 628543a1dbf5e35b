import { type RefObject, useCallback, useEffect, useRef } from 'react'
import type { Row } from './alike-rows.ts'

const rowOf = (target: EventTarget | null): string | undefined =>
  target instanceof HTMLElement ? target.closest('.hold-item')?.querySelector<HTMLElement>('[data-row]')?.dataset.row : undefined

/**
 * Keeps the focus in a list whose rows come and go: where the focused row goes away, the one in its place takes it. Answers with a function that focuses a
 * row.
 */
export function useKeptRow(element: RefObject<HTMLElement | null>, rows: readonly Row<unknown>[]): (id: string) => void {
  const last = useRef<{ id: string; at: number }>(undefined)
  const latest = useRef(rows)
  latest.current = rows
  const focus = useCallback(
    (id: string): void => element.current?.querySelector<HTMLElement>(`[data-row="${CSS.escape(id)}"]`)?.focus(),
    [element],
  )
  useEffect(() => {
    const place = element.current
    const note = ({ target }: FocusEvent): void => {
      const id = rowOf(target)
      last.current = id === undefined ? undefined : { id, at: latest.current.findIndex((row) => row.id === id) }
    }
    place?.addEventListener('focusin', note)
    return () => place?.removeEventListener('focusin', note)
  }, [element])
  const text = rows.map(({ id }) => id).join()
  useEffect(() => {
    const now = text === '' ? [] : text.split(',')
    const lost = last.current
    if (!lost || now.includes(lost.id) || document.activeElement !== document.body) return
    const place = element.current
    const next = now[Math.min(lost.at, now.length - 1)]
    if (next === undefined) place?.querySelector('h1')?.focus()
    else focus(next)
  }, [text, element, focus])
  return focus
}
