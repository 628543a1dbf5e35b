/** So many at once for each name; the others wait in order. Nothing is kept of a name that has none. */
export interface Slots {
  /** Resolves with what gives the place back (calling it twice is harmless); null where `signal` aborts first. */
  take(name: string, signal: AbortSignal): Promise<(() => void) | null>
}

export function createSlots(perNameMax: number): Slots {
  const held = new Map<string, { running: number; waiting: Set<() => void> }>()
  const leaveOf = (name: string): (() => void) => {
    let left = false
    return () => {
      const use = held.get(name)
      if (left || !use) return
      left = true
      const [next] = use.waiting
      if (next) next()
      else if (--use.running === 0) held.delete(name)
    }
  }
  return {
    async take(name, signal) {
      if (signal.aborted) return null
      const use = held.get(name) ?? { running: 0, waiting: new Set() }
      held.set(name, use)
      if (use.running < perNameMax) {
        use.running++
        return leaveOf(name)
      }
      return await new Promise((resolve) => {
        const settle = (given: boolean) => () => {
          use.waiting.delete(mine)
          signal.removeEventListener('abort', gone)
          resolve(given ? leaveOf(name) : null)
        }
        const mine = settle(true)
        const gone = settle(false)
        use.waiting.add(mine)
        signal.addEventListener('abort', gone, { once: true })
      })
    },
  }
}
