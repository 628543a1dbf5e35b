import { useEffect, useRef, useState } from 'react'
import { listen } from './gateway.ts'
import type { TadaDocumentNode } from './graphql.ts'

const RETRY_MS_MIN = 1_000
const RETRY_MS_MAX = 20_000

/** Milliseconds between two reads: rarely while the stream lives, often while it does not. */
export const pollMs = (live: boolean): number => (live ? 30_000 : 3_000)

/**
 * Calls `changed` for each event of a subscription; comes again by itself after every end. Answers whether the stream lives now: while it does not, the
 * caller polls.
 */
export function useLive(document: TadaDocumentNode<unknown, never>, variables: object, changed: () => void): boolean {
  const [live, setLive] = useState(false)
  const latest = useRef(changed)
  latest.current = changed
  const key = JSON.stringify(variables)
  useEffect(() => {
    const ending = new AbortController()
    const run = async (): Promise<void> => {
      let waitMs = RETRY_MS_MIN
      while (!ending.signal.aborted) {
        await listen(document, JSON.parse(key) as object, ending.signal, () => {
          waitMs = RETRY_MS_MIN
          setLive(true)
          latest.current()
        }).catch(() => undefined)
        if (ending.signal.aborted) return
        setLive(false)
        await pause(waitMs * (0.75 + Math.random() / 2), ending.signal)
        waitMs = Math.min(waitMs * 2, RETRY_MS_MAX)
      }
    }
    void run()
    return () => ending.abort()
  }, [document, key])
  return live
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}
