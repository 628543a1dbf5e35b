import { randomBytes } from 'node:crypto'
import { instant } from '../core/clock.ts'
import { amountsLeft, constraintsOn, type Grant, grantState } from '../core/grant.ts'
import { newGrantId } from '../core/ids.ts'
import type { JsonObject } from '../core/json.ts'
import type { Deciding, DecidingResult, NewCall, Recorder } from '../ports/recorder.ts'
import type { TestStore } from './test-store.ts'
import { approved, held, permitted, type Sample, type TestClock } from './test-units.ts'
import { vote } from './test-store.ts'

/** A grant on the sample operation, given with the approval of a held call. */
export const givenGrant = async (at: Pick<TestStore, 'clock' | 'recorder'>, more: Partial<Grant> = {}): Promise<Grant> =>
  (await givenWithHold(at, more)).grant

/** The same, with the held call. */
export async function givenWithHold(
  { clock, recorder }: Pick<TestStore, 'clock' | 'recorder'>,
  more: Partial<Grant> = {},
): Promise<{ hold: ReturnType<typeof held>; grant: Grant }> {
  const input = { amount: 1 }
  const unit = held(clock, { input })
  await recorder.admit(unit)
  const { call, hold } = unit
  const grant: Grant = {
    ...{
      id: newGrantId(clock.now(), randomBytes(16)),
      holdId: hold.id,
      callId: call.id,
      agent: call.agent,
      owner: call.owner,
      subject: call.subject,
    },
    ...{ operation: call.operation, operationVersion: call.operationVersion, matched: hold.matched, by: 'bob', givers: ['bob'] },
    ...{ approvalVersions: hold.approvalVersions, requires: hold.requires, createdAt: clock.now() },
    arguments: constraintsOn(input, [{ pointer: '/amount', allows: { kind: 'any' } }]),
    ...{ maxUses: 3, totals: [{ of: '/amount', most: '100.0' }], until: instant(clock.nowMs + 86_400_000) },
    ...more,
  }
  const change = { hold: hold.id, callId: call.id, to: 'approved', callState: 'approved', by: 'bob', digest: hold.digest } as const
  if (!(await recorder.changeHold({ ...change, vote: vote(clock, hold.id), opens: grant }))) throw new Error('the hold was not open')
  return { hold: unit, grant }
}

export type Using = Deciding & { would: NewCall }

/** A call that policy holds: it goes on under the first grant that bears it, and is held else. */
export function using(clock: TestClock, input: JsonObject, later = false, sample: Sample = {}): Using {
  const yes = (later ? approved : permitted)(clock, { ...sample, input })
  const no = held(clock, { ...sample, input })
  const parked: NewCall = { ...no, call: { ...no.call, id: yes.call.id }, hold: { ...no.hold, callId: yes.call.id } }
  return {
    ...{ callId: yes.call.id, agent: yes.call.agent, counters: [], reserves: [], repeats: null, would: yes },
    grants: { agent: yes.call.agent, subject: yes.call.subject, operation: yes.call.operation },
    decide(_answers, nowMs, grants) {
      for (const grant of grants) {
        const amounts = grantState(grant, nowMs) === 'live' ? amountsLeft(grant, input) : null
        if (amounts)
          return { kind: 'admit', unit: { ...yes, uses: { grant: grant.id, use: grant.used + 1, amounts, covers: grant.matched } } }
      }
      return { kind: 'admit', unit: parked }
    },
  }
}

export const wentOn = (done: DecidingResult): boolean =>
  done.kind === 'admitted' && done.result.kind === 'recorded' && done.unit.uses !== undefined

export const useOnce = async (recorder: Recorder, unit: Using): Promise<boolean> => wentOn(await recorder.decide(unit))
