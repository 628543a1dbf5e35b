import type { CallError, OutcomeKind } from './call.ts'
import type { Operation } from './operation.ts'

type Nature = Pick<Operation, 'mode' | 'idempotency'>

export interface Judgement {
  kind: OutcomeKind
  error: CallError | null
}

/** Whether sending the same request again can have no second effect: reads, idempotent operations, and those whose upstream takes a key. */
export const repeatable = ({ mode, idempotency }: Nature): boolean => mode === 'read' || idempotency.kind !== 'none'

/** A lost answer leaves a write in doubt, unless doing it twice is the same as doing it once. */
const uncertain = ({ mode, idempotency }: Nature): OutcomeKind =>
  mode === 'read' || idempotency.kind === 'idempotent' ? 'failed' : 'in_doubt'

/**
 * What an upstream status means (RFC 9110 15). 2xx is done; 4xx is refused and nothing happened, except 408 and 425, which like 5xx leave a write in
 * doubt; a redirect is never followed and may stand behind an effect. `sentBefore`: an earlier try left and its answer was lost, so that a refusal
 * of this one (a key in use, too many requests) does not say that nothing happened.
 */
export function judgeStatus(operation: Nature, status: number, sentBefore = false): Judgement {
  if (status >= 200 && status <= 299) return { kind: 'completed', error: null }
  const error: CallError = { code: 'UPSTREAM', message: `the system answered with status ${status}` }
  if (!sentBefore && status >= 400 && status <= 499 && status !== 408 && status !== 425) return { kind: 'failed', error }
  if (status === 408) return { kind: uncertain(operation), error: { ...error, code: 'UPSTREAM_TIMEOUT' } }
  return { kind: uncertain(operation), error }
}

/** What a broken exchange means. `sent: false` promises that nothing left, so nothing happened; `refused`, that the gateway did not try. */
export function judgeBreak(operation: Nature, broken: { kind: string; sent: boolean; message: string }): Judgement {
  if (broken.kind === 'refused' && !broken.sent)
    return { kind: 'not_sent', error: { code: 'UPSTREAM', message: broken.message, sent: false } }
  const code = broken.kind === 'timeout' ? 'UPSTREAM_TIMEOUT' : 'UPSTREAM'
  return { kind: broken.sent ? uncertain(operation) : 'failed', error: { code, message: broken.message } }
}

/** Upstream refusals that an agent may read as they are; 401 and 407 are about our credential, not about its request. */
export const passesThrough = (status: number): boolean =>
  (status >= 200 && status <= 299) || (status >= 400 && status <= 499 && ![401, 407, 408, 425].includes(status))
