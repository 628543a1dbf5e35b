import { GatewayError } from '../core/errors.ts'
import { LIMITS } from '../limits.ts'

const stateOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' && /^[0-9A-Z]{5}$/.test(error.code) ? error.code : undefined

/** True where the database said that a unique constraint was broken. */
export const isUniqueViolation = (error: unknown): boolean => stateOf(error) === '23505'

/**
 * True where the connection broke or the server stopped (SQLSTATE classes 08 and 57P), so that nobody can say from the error alone whether a
 * COMMIT took place. Any other SQLSTATE is an answer: the transaction was rolled back.
 */
export function isOutage(error: unknown): boolean {
  if (error instanceof GatewayError) return error.code === 'UNAVAILABLE'
  if (error instanceof TypeError || error instanceof RangeError) return false
  const state = stateOf(error)
  return state === undefined || state.startsWith('08') || state.startsWith('57P')
}

/**
 * True where the database gave up for want of time or means (SQLSTATE 57014, 53, 58), takes no writes at present (25006, of a standby and of servers whose disk
 * is nearly full), or found a fault in itself (XX): nothing was written, and writing less would not help.
 */
export const isOverload = (error: unknown): boolean => /^(57014|53...|58...|25006|XX...)$/.test(stateOf(error) ?? '')

/** The error for callers when the record cannot be reached; the cause goes to the log only. */
export const unavailable = (cause: unknown): GatewayError =>
  cause instanceof GatewayError && cause.code === 'UNAVAILABLE'
    ? cause
    : new GatewayError('UNAVAILABLE', 'the record cannot be written now, so nothing was done: try again later', {
        cause,
        retryAfterSeconds: LIMITS.outageRetryMs / 1_000,
      })

/** Runs a read; what the database throws becomes UNAVAILABLE. */
export async function reading<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof GatewayError) throw error
    throw new GatewayError('UNAVAILABLE', 'the record cannot be read now: try again later', {
      cause: error,
      retryAfterSeconds: LIMITS.outageRetryMs / 1_000,
    })
  }
}
