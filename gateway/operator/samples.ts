import { GatewayError } from '../core/errors.ts'
import type { Call } from '../core/call.ts'
import { LIMITS } from '../limits.ts'
import type { CallSample, Operator, SampleAsked } from '../ports/operator.ts'
import type { OperatorDeps } from './deps.ts'
import { drawnPlaces } from '../record/drawn-places.ts'
import { requireReader } from './roles.ts'

/** About one entry in three is the first decision of a call. */
const PLACES_PER_CALL = 4
const PLACES_MIN = 64

function take(places: Iterator<number>, count: number): number[] {
  const taken: number[] = []
  for (let next = places.next(); !next.done; next = places.next()) {
    taken.push(next.value)
    if (taken.length === count) break
  }
  return taken
}

/** Calls drawn by lot from the log, each with the same chance. Looks at `LIMITS.samplePlacesMax` entries at most. Throws FORBIDDEN, BAD_INPUT. */
export async function sampleCalls(deps: OperatorDeps, by: Operator, { first, seed, size, filter }: SampleAsked): Promise<CallSample> {
  requireReader(by, 'drawing calls')
  if (seed.length === 0 || seed.length > LIMITS.sampleSeedCharsMax) {
    throw new GatewayError('BAD_INPUT', `\`seed\` must have 1 to ${LIMITS.sampleSeedCharsMax} characters`)
  }
  const logged = await deps.search.logSize()
  const from = size ?? logged
  if (from < 0 || from > logged) throw new GatewayError('BAD_INPUT', `\`size\` must be from 0 to ${logged}, as many entries as the log has`)
  const { index: floor } = await deps.transparency.floor()
  const there = Math.max(0, from - floor)
  const places = drawnPlaces(seed, from, Math.min(floor, from))
  const most = Math.min(there, LIMITS.samplePlacesMax)
  const calls: Call[] = []
  let [looked, drawn] = [0, 0]
  while (calls.length < first && looked < most) {
    const wanted = Math.max(PLACES_MIN, (first - calls.length) * PLACES_PER_CALL)
    const turn = take(places, Math.min(wanted, LIMITS.pageRowsMax, most - looked))
    const found = new Map((await deps.search.callsAt(turn, filter)).map((one) => [one.place, one]))
    for (const place of turn) {
      if (calls.length === first) break
      looked += 1
      const one = found.get(place)
      if (!one) continue
      drawn += 1
      if (one.call) calls.push(one.call)
    }
  }
  return { calls, size: from, floor: Math.min(floor, from), drawn, complete: looked === there }
}
