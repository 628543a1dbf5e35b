import type { Entry } from './entry.ts'

/** How a call ended, or stands: the state and, for failures, of which class. */
export type CallEnd = 'completed' | 'in_doubt' | `failed:${FailureClass}`

/** `refused`: 4xx. `status`: any other answer. `unreached`: none. `not_sent`: the gateway never sent it. `resolved`: a person found that it did not happen. */
export type FailureClass = 'refused' | 'status' | 'unreached' | 'not_sent' | 'resolved'

/** What a call's entries after its decision say of it, in whatever order they are known. */
export interface CallStanding {
  end: CallEnd | null
  edited: boolean
  granted: boolean
}

function endOf(outcome: Extract<Entry['body'], { kind: 'outcome' }>['outcome']): CallEnd {
  const { kind, upstreamStatus } = outcome
  if (kind === 'completed' || kind === 'in_doubt') return kind
  if (kind === 'not_sent') return 'failed:not_sent'
  if (upstreamStatus === null) return 'failed:unreached'
  return upstreamStatus >= 400 && upstreamStatus <= 499 ? 'failed:refused' : 'failed:status'
}

/**
 * Where a call stands by some of its entries. A person's word outdoes an outcome, and an outcome the end of the process that was to write it, since the one is
 * recorded only where the other is missing: so any order gives the same.
 */
export function standingOf(bodies: Iterable<Entry['body']>): CallStanding {
  const found: CallStanding = { end: null, edited: false, granted: false }
  let rank = 0
  const end = (of: CallEnd, weight: number): void => {
    if (weight < rank) return
    rank = weight
    found.end = of
  }
  for (const body of bodies) {
    if (body.kind === 'lapsed') end('in_doubt', 1)
    else if (body.kind === 'outcome') end(endOf(body.outcome), 2)
    else if (body.kind === 'resolved') end(body.effect === 'HAPPENED' ? 'completed' : 'failed:resolved', 3)
    else if (body.kind === 'hold.edited') found.edited = true
    else if (body.kind === 'grant.used') found.granted = true
  }
  return found
}
