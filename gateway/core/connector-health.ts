import type { CallState } from './call.ts'
import type { Instant } from './clock.ts'
import type { ErrorCode } from './errors.ts'
import { passesThrough } from './outcome.ts'

/** How an executed call of a connector ended. */
export interface CallEnd {
  state: Extract<CallState, 'completed' | 'failed' | 'in_doubt'>
  upstreamStatus: number | null
  code: ErrorCode | null
  /** False where the gateway itself refused to send, or could not. */
  sent: boolean
  at: Instant
}

/** What the newest calls of a connector tell of its system. */
export interface ConnectorHealth {
  /** `unknown`: none of the calls that were looked at reached the system. */
  state: 'healthy' | 'failing' | 'unknown'
  /** Of the oldest call in the present row of successes or failures, as far as was looked. */
  since: Instant | null
  lastSuccessAt: Instant | null
  lastFailure: CallEnd | null
  /** In a row, up to now. */
  failuresInARow: number
  /** How many ended calls told something. */
  calls: number
}

/** A system that refuses a request works; one that refuses our credential, breaks off or is silent does not. */
export const isAnswered = ({ state, upstreamStatus, code }: CallEnd): boolean =>
  state === 'completed' || code === 'WITHHELD' || (upstreamStatus !== null && passesThrough(upstreamStatus))

/** Reads ends, newest first. What was never sent says nothing of the system. */
export function healthOf(ended: readonly CallEnd[]): ConnectorHealth {
  const ends = ended.filter(({ sent }) => sent)
  const answered = ends.map(isAnswered)
  const success = answered.indexOf(true)
  const failure = answered.indexOf(false)
  const row = answered[0] === true ? failure : success
  const inARow = row < 0 ? ends.length : row
  return {
    state: ends.length === 0 ? 'unknown' : answered[0] === true ? 'healthy' : 'failing',
    since: ends[inARow - 1]?.at ?? null,
    lastSuccessAt: ends[success]?.at ?? null,
    lastFailure: ends[failure] ?? null,
    failuresInARow: answered[0] === false ? inARow : 0,
    calls: ends.length,
  }
}
