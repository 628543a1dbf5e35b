import { useSyncExternalStore } from 'react'

let said = ''
const listeners = new Set<() => void>()

/** Says something to people who do not look: read out by screen readers, shown for a while. */
export function announce(text: string): void {
  // The same words twice are two messages.
  said = said === text ? `${text}\u00a0` : text
  for (const listener of listeners) listener()
}

export const useAnnounced = (): string =>
  useSyncExternalStore(
    (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    () => said,
  )
