import { unreachable } from '../core/decision.ts'
import type { Edited } from '../core/edit.ts'
import type { ErrorCode, Fault } from '../core/errors.ts'
import type { CallId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import type { Answer } from '../ports/calls.ts'

/** Everything but a result, in the words that every door uses. */
export interface Refusal {
  code: ErrorCode
  /** Public sentence without its final full stop, lower case. */
  message: string
  /** True where it is certain that this request executed nothing. */
  notExecuted: boolean
  /** Absent where nothing became a call. */
  callId?: CallId
  reason?: string
  advice?: string
  /** ISO 8601, UTC. */
  expiresAt?: string
  statusUrl?: string
  faults?: readonly Fault[]
  retryAfterSeconds?: number
  inDoubt?: true
  upstreamStatus?: number
  /** What people changed in the arguments. */
  edited?: Edited
}

/** Path of a call's status; `baseUrl` in front where the reader needs a whole URL. */
export const statusUrlOf = (callId: CallId, baseUrl = ''): string => `${baseUrl}/v1/calls/${callId}`

/**
 * Whether an answer tells a call's end, so that `calls.delivered` is due once it is out: from then on an equal call is a new one. What only says that
 * this request came to nothing tells no end.
 */
export const tellsEnd = (answer: Answer): answer is Answer & { callId: CallId } =>
  answer.kind === 'refused'
    ? answer.code === 'RESULT_NOT_KEPT' && answer.callId !== undefined
    : answer.kind !== 'held' && answer.kind !== 'running' && !(answer.kind === 'failed' && answer.heldBack)

/** What an answer masks: pointers, `*` for items, empty for the whole body. */
export const maskedIn = (answer: Answer): readonly string[] =>
  (answer.kind === 'result' || answer.kind === 'failed' ? answer.result?.masked : undefined) ?? []

/**
 * `Gatehouse-Masked`: the masked places as a list of RFC 6901 pointers, with `*` for items and for the whole body. What is no visible ASCII, commas and per
 * cent signs are percent-encoded. Ends in `...` where they are longer than `LIMITS.maskedHeaderCharsMax`. Nothing where nothing is masked.
 */
export const maskedHeader = (masked: readonly string[]): Record<string, string> => pointerHeader('gatehouse-masked', masked)

/** `Gatehouse-Edited`: where people changed the arguments, in the same form. */
export const editedHeader = ({ edited }: Answer): Record<string, string> =>
  pointerHeader('gatehouse-edited', edited?.changes.map(({ pointer }) => pointer) ?? [])

function pointerHeader(name: string, pointers: readonly string[]): Record<string, string> {
  if (pointers.length === 0) return {}
  let text = ''
  for (const pointer of pointers) {
    const item = pointer === '' ? '*' : pointer.toWellFormed().replace(/[^!-~]|[,%]/gu, encodeURIComponent)
    if (text.length + item.length > LIMITS.maskedHeaderCharsMax) return { [name]: `${text}${text === '' ? '' : ', '}...` }
    text += text === '' ? item : `, ${item}`
  }
  return { [name]: text }
}

/** What an answer refuses, or null where it is a result. The one place where an answer gets its words. */
export function refusalOf(answer: Answer, baseUrl = ''): Refusal | null {
  const refusal = refusedBy(answer, baseUrl)
  return refusal && answer.edited ? { ...refusal, edited: answer.edited } : refusal
}

function refusedBy(answer: Answer, baseUrl: string): Refusal | null {
  switch (answer.kind) {
    case 'result':
      return null
    case 'denied':
      return denial(answer)
    case 'held':
      return {
        code: 'HELD',
        message: `held as \`${answer.callId}\` until people decide, at most until ${new Date(answer.expiresAt).toISOString()}`,
        notExecuted: true,
        callId: answer.callId,
        expiresAt: new Date(answer.expiresAt).toISOString(),
        statusUrl: statusUrlOf(answer.callId, baseUrl),
      }
    case 'running':
      return {
        code: 'RUNNING',
        message: 'approved and running; result not known yet',
        notExecuted: false,
        callId: answer.callId,
        statusUrl: statusUrlOf(answer.callId, baseUrl),
      }
    case 'failed':
      return {
        code: answer.code,
        message: answer.message,
        notExecuted: false,
        callId: answer.callId,
        // The call is over, or can be asked for again: an equal one may come once the database is back.
        ...(answer.code === 'UNAVAILABLE' && !answer.inDoubt && { retryAfterSeconds: LIMITS.outageRetryMs / 1_000 }),
        ...(answer.inDoubt && { inDoubt: true as const, statusUrl: statusUrlOf(answer.callId, baseUrl) }),
        ...(answer.upstreamStatus !== undefined && { upstreamStatus: answer.upstreamStatus }),
      }
    case 'ended':
      return { code: answer.code, message: answer.message, notExecuted: true, callId: answer.callId }
    case 'refused':
      return {
        code: answer.code,
        message: answer.message,
        notExecuted: answer.code !== 'RESULT_NOT_KEPT' && answer.code !== 'INTERNAL',
        ...(answer.callId !== undefined && { callId: answer.callId }),
        ...(answer.faults.length > 0 && { faults: answer.faults }),
        ...(answer.retryAfterSeconds !== undefined && { retryAfterSeconds: answer.retryAfterSeconds }),
      }
    default:
      return unreachable(answer)
  }
}

function denial(answer: Extract<Answer, { kind: 'denied' }>): Refusal {
  const rejected = answer.reason === 'rejected'
  return {
    code: 'DENIED',
    message: rejected && answer.comment ? `denied (rejected by a person: ${answer.comment})` : `denied (${answer.reason})`,
    notExecuted: true,
    callId: answer.callId,
    reason: answer.reason,
    ...(answer.advice !== undefined && { advice: answer.advice }),
  }
}
