import { randomBytes } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import type { Clock } from '../../core/clock.ts'
import type { LogLevel } from '../../core/log-message.ts'
import { LIMITS } from '../../limits.ts'
import type { Exchange } from './exchange.ts'
import type { RequestId } from './rpc.ts'

/** What is kept between requests of the 2025 revisions: who opened it, and what can be cancelled or closed. Never anything that widens access. */
export interface Session {
  readonly id: string
  readonly owner: string
  /** Requests in progress by JSON-RPC id. A client that uses an id twice gets a set, not a mix-up. */
  readonly inProgress: Map<RequestId, Set<Exchange>>
  /** Open GET streams. */
  readonly streams: Set<ServerResponse>
  touchedMs: number
  /** The least severe level of log messages that its client reads. */
  logLevel: LogLevel
}

/**
 * Sessions of the 2025 revisions (2025-11-25 basic/transports, "Session Management"). Ids are 128 random bits made here, never taken from a
 * client. A session belongs to the agent and subject that opened it and is unknown to everyone else. It ends by DELETE, after
 * `LIMITS.mcpSessionIdleMsMax` without a request or open stream, or when newer ones need its place: least recently used first, of the same
 * owner beyond `LIMITS.mcpSessionsPerOwnerMax`, of all beyond `LIMITS.mcpSessionsMax`.
 */
export class Sessions {
  /** Least recently used first. */
  private readonly all = new Map<string, Session>()
  private readonly byOwner = new Map<string, Set<Session>>()
  private readonly clock: Clock
  private readonly sweeper: NodeJS.Timeout

  constructor(clock: Clock) {
    this.clock = clock
    this.sweeper = setInterval(() => this.sweep(), LIMITS.mcpSessionIdleMsMax / 10).unref()
  }

  get size(): number {
    return this.all.size
  }

  open(owner: string): Session {
    const session: Session = {
      id: randomBytes(16).toString('base64url'),
      owner,
      inProgress: new Map(),
      streams: new Set(),
      touchedMs: this.clock.now(),
      logLevel: 'info',
    }
    const own = this.byOwner.get(owner) ?? new Set()
    this.byOwner.set(owner, own.add(session))
    this.all.set(session.id, session)
    const oldestOwn = own.values().next().value
    if (own.size > LIMITS.mcpSessionsPerOwnerMax && oldestOwn) this.end(oldestOwn)
    const oldest = this.all.values().next().value
    if (this.all.size > LIMITS.mcpSessionsMax && oldest) this.end(oldest)
    return session
  }

  /** The session under this id. `foreign` tells an unknown or ended one from one of another owner: both are answered alike. */
  find(id: string, owner: string): { session: Session } | { session: undefined; foreign: boolean } {
    const session = this.all.get(id)
    if (session === undefined) return { session, foreign: false }
    if (session.owner !== owner) return { session: undefined, foreign: true }
    if (this.idle(session)) {
      this.end(session)
      return { session: undefined, foreign: false }
    }
    this.touch(session)
    return { session }
  }

  /** Closes its streams; requests in progress still get their answers. */
  end(session: Session): void {
    this.all.delete(session.id)
    const own = this.byOwner.get(session.owner)
    own?.delete(session)
    if (own?.size === 0) this.byOwner.delete(session.owner)
    for (const stream of session.streams) stream.end()
    session.streams.clear()
  }

  close(): void {
    clearInterval(this.sweeper)
    for (const session of [...this.all.values()]) this.end(session)
  }

  private idle({ touchedMs, streams, inProgress }: Session): boolean {
    return this.clock.now() - touchedMs > LIMITS.mcpSessionIdleMsMax && streams.size === 0 && inProgress.size === 0
  }

  private touch(session: Session): void {
    session.touchedMs = this.clock.now()
    this.all.delete(session.id)
    this.all.set(session.id, session)
    const own = this.byOwner.get(session.owner)
    if (own?.delete(session)) own.add(session)
  }

  private sweep(): void {
    const before = this.clock.now() - LIMITS.mcpSessionIdleMsMax
    for (const session of [...this.all.values()]) {
      if (session.touchedMs >= before) return
      if (this.idle(session)) this.end(session)
      else this.touch(session)
    }
  }
}
