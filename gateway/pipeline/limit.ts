import type { Clock } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import { LIMITS } from '../limits.ts'
import type { Limits } from './stages.ts'

interface Use {
  minute: number
  calls: number
  running: number
  waiting: number
}

/** Calls, or requests of another kind, a minute and at once, for each agent in this process. */
export interface AgentLimiter {
  /** Counts one in. Throws LIMITED with `retryAfterSeconds`. The returned function counts it out again; calling it twice is harmless. */
  enter(agent: string): () => void
  /** Counts in a request that waits for a call: as many as calls at once. Null beyond: it is told at once how the call stands. Else as `enter`. */
  wait(agent: string): (() => void) | null
}

/** `of`: what is counted, as the agent is told. */
export function createLimiter(limits: Pick<Limits, 'callsPerMinute' | 'concurrentCalls'>, clock: Clock, of = 'calls'): AgentLimiter {
  const uses = new Map<string, Use>()
  const useOf = (agent: string, minute: number): Use => {
    const use = uses.get(agent) ?? { minute, calls: 0, running: 0, waiting: 0 }
    if (!uses.has(agent)) {
      if (uses.size >= LIMITS.agentsTrackedMax) forgetIdle(uses, minute)
      uses.set(agent, use)
    }
    return use
  }
  return {
    wait(agent) {
      const use = useOf(agent, Math.floor(clock.now() / 60_000))
      if (use.waiting >= limits.concurrentCalls) return null
      return counted(use, 'waiting')
    },
    enter(agent) {
      const now = clock.now()
      const minute = Math.floor(now / 60_000)
      const use = useOf(agent, minute)
      if (use.minute !== minute) {
        use.minute = minute
        use.calls = 0
      }
      if (use.calls >= limits.callsPerMinute) {
        throw new GatewayError('LIMITED', `the agent may make ${limits.callsPerMinute} ${of} a minute`, {
          retryAfterSeconds: Math.max(1, Math.ceil(((minute + 1) * 60_000 - now) / 1_000)),
        })
      }
      if (use.running >= limits.concurrentCalls) {
        throw new GatewayError('LIMITED', `the agent may have ${limits.concurrentCalls} ${of} running at once`, { retryAfterSeconds: 1 })
      }
      use.calls++
      return counted(use, 'running')
    },
  }
}

function counted(use: Use, what: 'running' | 'waiting'): () => void {
  use[what]++
  let inside = true
  return () => {
    if (inside) use[what]--
    inside = false
  }
}

function forgetIdle(uses: Map<string, Use>, minute: number): void {
  for (const [agent, use] of uses) if (use.running + use.waiting === 0 && use.minute !== minute) uses.delete(agent)
}
