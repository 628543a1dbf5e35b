import type { CallId } from '../core/ids.ts'
import type { Operation } from '../core/operation.ts'
import type { Principal } from '../core/principal.ts'
import type { Answer, CallResult } from '../ports/calls.ts'
import type { Finding } from '../ports/detector.ts'
import { classesFor } from './classes.ts'
import { jsonOf, strictText } from './filter.ts'
import { findingsIn, findingsInTurns } from './findings.ts'
import type { Parts } from './stages.ts'
import { textsIn } from './texts.ts'

/** Labels that what is found in an answer brings. A link is no label: nearly every text has one. */
const BRINGS: Readonly<Record<Finding, string | null>> = {
  credential: 'secret',
  'payment-card': 'pii',
  'personal-data': 'pii',
  link: null,
  'hidden-text': 'untrusted',
  'instruction-markup': 'untrusted',
}

/** What a caller is about to receive, as far as labels look at it. */
export type Received = Pick<CallResult, 'headers'> & { bytes: Uint8Array }

/** Who is about to receive a result, and in which runs: the call's own, and that of whoever asks for it again. */
export interface Receiver {
  callId: CallId
  principal: Principal
  operation: Operation
  runs: readonly (string | null)[]
  /** Classes that were not masked, where the answer is masked already: the policies may have changed since. */
  readable?: ReadonlySet<string>
}

/**
 * What any result of this operation brings: the labels that its manifest sets, and the data classes that are not masked for this caller, whether or not
 * this answer has values of them.
 */
export const standingLabels = (parts: Parts, { principal, operation, readable }: Standing): readonly string[] => [
  ...operation.labels,
  ...(readable ?? classesFor(parts, principal, operation).readable),
]

type Standing = Pick<Receiver, 'principal' | 'operation' | 'readable'>

/**
 * What this very answer brings beside: what the detectors find in it, looked for only while some policy reads labels. A body that is no text cannot be
 * looked through and counts as content from outside.
 */
async function foundLabels({ detectors }: Parts, { headers, bytes }: Received): Promise<readonly string[]> {
  if (bytes.length === 0) return []
  if (strictText(bytes) === undefined) return ['untrusted']
  const found = await findingsInTurns(detectors, [...Object.values(headers), ...textsIn(jsonOf(headers, bytes))])
  return found.flatMap((finding) => BRINGS[finding] ?? [])
}

/** Whether an answer has to be looked through: some policy reads labels, and what could be found is not what every answer brings in any case. */
export const isLookedThrough = (parts: Parts, receiver: Standing): boolean => {
  if (!parts.decider.readsLabels) return false
  const standing = new Set(standingLabels(parts, receiver))
  return Object.values(BRINGS).some((label) => label !== null && !standing.has(label))
}

/** Whether a text may be told before its call has an answer: it brings nothing that the answer's own labels would not. */
export const bringsNothing = ({ decider, detectors }: Parts, texts: readonly string[]): boolean =>
  !decider.readsLabels || findingsIn(detectors, texts).every((finding) => BRINGS[finding] === null)

/**
 * Makes the labels of a result stick to whoever receives it, durably, before a byte of it is handed over; without `received` those that any result brings.
 * False where that cannot be written: then nothing may be handed over.
 */
export async function stick(parts: Parts, receiver: Receiver, received?: Received): Promise<boolean> {
  const { callId, principal, runs } = receiver
  try {
    const found = received && isLookedThrough(parts, receiver) ? await foundLabels(parts, received) : []
    const labels = [...new Set([...standingLabels(parts, receiver), ...found])].sort()
    if (labels.length === 0) return true
    const who = { callId, agent: principal.agent.name, subject: principal.subject ?? null, labels }
    await Promise.all([...new Set(runs)].map((run) => parts.recorder.stick({ ...who, run })))
    return true
  } catch (error) {
    parts.telemetry.log.error({ callId, error }, 'what an answer brings could not be recorded, so it is held back')
    return false
  }
}

/** The answer of a call whose result cannot be handed over yet. */
export const heldBack = (callId: CallId, traceparent: string): Extract<Answer, { kind: 'failed' }> => ({
  kind: 'failed',
  callId,
  traceparent,
  code: 'UNAVAILABLE',
  message: HELD_BACK,
  inDoubt: false,
  heldBack: true,
})

export const HELD_BACK = 'the call was executed, its answer cannot be handed over now: ask for it again'
