import type { CallId, IntentId } from '../core/ids.ts'
import type { Unit, UnitResult } from '../ports/batch-writer.ts'
import type { DecidingResult } from '../ports/recorder.ts'

/** The call whose state a written unit changed, for those who wait for it. New calls have nobody waiting. */
export function settledCall(unit: Unit, result: UnitResult): CallId | undefined {
  switch (unit.kind) {
    case 'finish':
    case 'release':
      return unit.unit.callId
    case 'decide':
      return result.kind === 'decided' ? settledByDecision(result.result) : undefined
    case 'changeHold':
      return result.kind === 'applied' && result.applied ? unit.unit.callId : undefined
    case 'cancelUnstarted':
    case 'resolve':
      return result.kind === 'applied' && result.applied ? unit.callId : undefined
    default:
      return undefined
  }
}

function settledByDecision(result: DecidingResult): CallId | undefined {
  if (result.kind === 'released') return result.unit.callId
  return result.kind === 'applied' && result.applied ? result.unit.callId : undefined
}

/** It gives back whatever the call reserved, at its admission too: nothing happened. */
const notSent = (callId: CallId, intent: IntentId): Unit => ({
  kind: 'finish',
  unit: {
    callId,
    intent,
    outcome: {
      kind: 'not_sent',
      upstreamStatus: null,
      error: { code: 'UNAVAILABLE', message: 'the record answered too late, so nothing was sent', sent: false },
      resultDigest: null,
      resultBytes: 0,
      upstreamMs: 0,
    },
    result: null,
    resultKept: 'none',
    reserved: true,
  },
})

/**
 * What ends a unit that was committed after its caller had been told otherwise, and so went no further: an intent ends as `not_sent`, a permitted
 * call that waits for its turn is cancelled. Everything else may stand as it is (a hold waits for people, a denial is a denial).
 */
export function compensation(unit: Unit, result: UnitResult): Unit | undefined {
  if (result.kind === 'decided') return ofDecided(result.result)
  if (unit.kind === 'release' && result.kind === 'released' && result.result.kind === 'recorded') {
    return notSent(unit.unit.callId, unit.unit.intent)
  }
  if (unit.kind !== 'admit' || result.kind !== 'admitted' || result.result.kind !== 'recorded') return undefined
  const { call, intent } = unit.unit
  if (intent) return notSent(call.id, intent)
  return call.state === 'approved' ? { kind: 'cancelUnstarted', callId: call.id, why: 'the record answered too late' } : undefined
}

function ofDecided(decided: DecidingResult): Unit | undefined {
  if (decided.kind === 'admitted') return compensation({ kind: 'admit', unit: decided.unit }, { kind: 'admitted', result: decided.result })
  if (decided.kind === 'released')
    return compensation({ kind: 'release', unit: decided.unit }, { kind: 'released', result: decided.result })
  return undefined
}
