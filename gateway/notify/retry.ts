import { type Instant, instant } from '../core/clock.ts'
import { LIMITS } from '../limits.ts'

/** A fifth more or less, so that what failed together is not tried again together. */
const JITTER = 0.2

/**
 * When the attempt after this one (from 1) is due: twice as late each time, and no sooner than the receiver asks, within the bounds of `LIMITS.noticeRetryMs*`.
 * `random` is from 0 to below 1.
 */
export function nextAttemptAt(now: Instant, attempt: number, random: number, askedMs = 0): Instant {
  const doubled = LIMITS.noticeRetryMsMin * 2 ** (attempt - 1)
  const bounded = Math.min(Math.max(doubled, askedMs), LIMITS.noticeRetryMsMax)
  return instant(Math.round(now + bounded * (1 + JITTER * (2 * random - 1))))
}

/** Why there is no attempt after this one, or null. */
export function whyNoMore(now: Instant, { attempt, createdAt }: { attempt: number; createdAt: Instant }): string | null {
  if (attempt >= LIMITS.noticeAttemptsMax) return `${attempt} attempts failed`
  return now - createdAt >= LIMITS.noticeAgeMsMax ? 'it could not be sent for a day' : null
}
