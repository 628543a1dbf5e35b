import { createHash, randomBytes } from 'node:crypto'
import { type Clock, type Instant, instant } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import { LIMITS } from '../limits.ts'

/** A person's browser after a link was used. */
export interface Session {
  person: string
  expiresAt: Instant
}

interface Kept extends Session {
  usedAt: Instant
}

/**
 * Links that sign in once, and the sessions that come of them, for a development issuer: in memory, so a restart signs everybody out. Secrets have 256
 * random bits and are kept as digests. What is full loses its oldest.
 */
export class PeopleSessions {
  readonly #links = new Map<string, Session>()
  readonly #sessions = new Map<string, Kept>()
  readonly #clock: Clock

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** A secret that signs this person in once within `LIMITS.signInLinkLifeMs`. */
  link(person: string): string {
    const secret = fresh()
    this.#links.set(digest(secret), { person, expiresAt: instant(this.#clock.now() + LIMITS.signInLinkLifeMs) })
    dropOldest(this.#links, LIMITS.signInLinksMax)
    return secret
  }

  /** Uses a link up. Throws UNAUTHENTICATED, with the same words for one that is unknown, used or too old. */
  signIn(link: string): Session & { secret: string } {
    const key = digest(link)
    const found = this.#links.get(key)
    this.#links.delete(key)
    const now = this.#clock.now()
    if (!found || now >= found.expiresAt) {
      throw new GatewayError('UNAUTHENTICATED', 'this link was used already or is too old: ask for a new one')
    }
    const { person } = found
    const mine = [...this.#sessions].filter(([, session]) => session.person === person)
    for (const [old] of mine.slice(0, Math.max(0, mine.length + 1 - LIMITS.sessionsPerPersonMax))) this.#sessions.delete(old)
    const secret = fresh()
    const expiresAt = instant(now + LIMITS.sessionLifeMs)
    this.#sessions.set(digest(secret), { person, expiresAt, usedAt: now })
    dropOldest(this.#sessions, LIMITS.sessionsMax)
    return { person, expiresAt, secret }
  }

  /** Whose session this is; undefined where it ended. `use` keeps it from ending for want of use. */
  find(secret: string, use = true): string | undefined {
    const key = digest(secret)
    const session = this.#sessions.get(key)
    if (!session) return undefined
    const now = this.#clock.now()
    if (now >= session.expiresAt || now - session.usedAt >= LIMITS.sessionIdleMsMax) {
      this.#sessions.delete(key)
      return undefined
    }
    if (use) session.usedAt = now
    return session.person
  }

  /** Ends a session and tells whose it was. */
  signOut(secret: string): string | undefined {
    const person = this.find(secret)
    this.#sessions.delete(digest(secret))
    return person
  }
}

const fresh = (): string => randomBytes(32).toString('base64url')
const digest = (secret: string): string => createHash('sha256').update(secret).digest('base64url')

function dropOldest(map: Map<string, unknown>, max: number): void {
  for (const key of map.keys()) {
    if (map.size <= max) return
    map.delete(key)
  }
}
