import type { Call } from '../core/call.ts'
import { instant } from '../core/clock.ts'
import { changesBetween } from '../core/edit.ts'
import { callRequest } from '../core/entry.ts'
import { GatewayError } from '../core/errors.ts'
import type { Hold } from '../core/hold.ts'
import type { JsonObject } from '../core/json.ts'
import type { HoldChange } from '../ports/recorder.ts'
import { type Counted, decide } from './decide.ts'
import { gather } from './facts.ts'
import { joinKeyOfCall } from './hold.ts'
import { endOf, lastDecision, streaksOf, subjectOf, superseding } from './resume.ts'
import type { Parts } from './stages.ts'

/** Arguments that a person puts in the place of those that are held. `input` is canonical and valid for the operation. */
export interface HoldEdit {
  input: JsonObject
  by: string
  comment: string | null
}

/**
 * Decides an open hold's call again with other arguments, on facts gathered for them, and has another hold take its place: other digest, no votes. A denial
 * ends it denied. Where policy would let the edited call through unasked the old requirement stands: else one person alone would have executed what no agent
 * asked for. False where the hold changed meanwhile. Throws HOLD_NOT_OPEN where agent or operation are no longer those of the call, UNAVAILABLE.
 */
export async function editHeld(parts: Parts, call: Call, hold: Hold, edit: HoldEdit): Promise<boolean> {
  const edited: Call = { ...call, input: edit.input }
  const last = lastDecision(await parts.store.entries(call.id))
  const subject = subjectOf(parts, edited, last?.request.asserted ?? {}, null)
  if (typeof subject === 'string') throw new GatewayError('HOLD_NOT_OPEN', `hold \`${hold.id}\` cannot be edited: ${subject}`)
  const span = parts.telemetry.startCall({ 'gatehouse.call': call.id, 'gatehouse.operation': call.operation }, undefined)
  try {
    const gathered = await gather(parts, subject, call.id, span)
    const streaks = streaksOf(parts, call)
    const change = (counted?: Counted): HoldChange => {
      const decision = decide(parts, subject, gathered, span, counted)
      const redecision = { request: callRequest(subject, call.traceId), decision }
      const to =
        decision.verdict.effect === 'deny'
          ? endOf(edited, hold, { to: 'denied', callState: 'denied', why: 'policy denies the edited arguments', redecision })
          : superseding(parts, { call: edited, hold, subject }, decision, 'the arguments were edited')
      return {
        ...to,
        by: edit.by,
        from: 'open',
        digest: hold.digest,
        edit: { input: edit.input, comment: edit.comment, changes: changesBetween(call.input, edit.input), key: joinKeyOfCall(edited) },
        ...(streaks.length > 0 ? { streaks: { counters: streaks, to: 'none' } } : {}),
      }
    }
    const { history } = gathered
    if (!history) return await parts.recorder.changeHold(change())
    const done = await parts.recorder.decide({
      callId: call.id,
      agent: call.agent,
      counters: history.counters,
      // Nothing is reserved before the release; the streaks that the edit ends are locked with the rest.
      reserves: streaks.map(({ key }) => key),
      repeats: null,
      decide: (answers, nowMs) => ({ kind: 'changeHold', unit: change({ answers, now: instant(nowMs) }) }),
    })
    return done.kind === 'applied' && done.applied
  } finally {
    span.end()
  }
}
