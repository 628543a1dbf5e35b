import type { Instant } from '../core/clock.ts'
import type { EntryBody } from '../core/entry.ts'
import type { CallId, HoldId } from '../core/ids.ts'
import type { NoticeKind } from '../core/notice-kind.ts'

/** `obsolete`: when its turn came there was nothing to tell any more. */
export const NOTICE_STATES = ['due', 'sent', 'given_up', 'obsolete'] as const
export type NoticeState = (typeof NOTICE_STATES)[number]

/** Something that one person is to be told over one channel. */
export interface Notice {
  /** Never two of an entry, recipient and channel; the same at every attempt. */
  id: string
  kind: NoticeKind
  channel: string
  recipient: string
  /** The recipient may vote; else they are only told. */
  asked: boolean
  callId: CallId | null
  holdId: HoldId | null
  /** The entry that it tells of. */
  body: EntryBody
  state: NoticeState
  /** Taken up so many times, the present one included. */
  attempt: number
  createdAt: Instant
  endedAt: Instant | null
  /** Why it was given up, or will be sent again. */
  why: string | null
}

/**
 * Notices that wait to be sent. A claim lasts until `leaseMs` after `now`: whoever claimed is alone with the notice until then, and where it says nothing by
 * then somebody else takes it up. What ends or puts off a claim does nothing where it was taken over meanwhile. Throws UNAVAILABLE.
 */
export interface NoticeQueue {
  /** Takes up what is due in a channel, longest due first, at most `first`. */
  claim(channel: string, now: Instant, leaseMs: number, first: number): Promise<readonly Notice[]>
  /** A channel took it, with its entry. */
  sent(notice: Notice): Promise<void>
  /** Nobody will be told, with its entry. */
  giveUp(notice: Notice, why: string): Promise<void>
  drop(notice: Notice, why: string): Promise<void>
  again(notice: Notice, at: Instant, why: string): Promise<void>
  /** Keeps a digest of a link's secret, and nothing else of it. */
  keepLink(secret: string, link: NoticeLink): Promise<void>
  /** Uses a link up. Undefined where none is left for this person: it is unknown, another's, used, or too old. */
  useLink(secret: string, person: string, now: Instant): Promise<HoldId | undefined>
  /** How many wait, up to `max`. */
  waiting(max: number): Promise<number>
  /** Given up, newest first. */
  givenUp(first: number): Promise<readonly Notice[]>
}

/** Whom a link in a notice lets open what, and until when. */
export interface NoticeLink {
  person: string
  holdId: HoldId
  expiresAt: Instant
}
