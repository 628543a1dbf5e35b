import { useEffect, useRef } from 'react'
import { texts } from '../texts.ts'
import { announce } from '../ui/announcer.ts'

/** What arrives within this time is one message: a burst of calls is not read out one by one. */
const TOGETHER_MS = 1_500

/** Says when something new waits for whoever looks. `ids` is undefined until they are known. */
export function useArrivals(ids: readonly string[] | undefined): void {
  const known = useRef<ReadonlySet<string>>(undefined)
  const waiting = useRef({ count: 0, timer: undefined as ReturnType<typeof setTimeout> | undefined })
  const text = ids?.join()
  useEffect(() => {
    if (text === undefined) return
    const now = text === '' ? [] : text.split(',')
    const before = known.current
    known.current = new Set([...(before ?? []), ...now])
    const fresh = before ? now.filter((id) => !before.has(id)).length : 0
    if (fresh === 0) return
    waiting.current.count += fresh
    waiting.current.timer ??= setTimeout(() => {
      announce(texts.inbox.arrived(waiting.current.count))
      waiting.current = { count: 0, timer: undefined }
    }, TOGETHER_MS)
  }, [text])
  useEffect(() => () => clearTimeout(waiting.current.timer), [])
}
