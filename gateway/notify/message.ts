import type { Call } from '../core/call.ts'
import type { Instant } from '../core/clock.ts'
import type { EntryBody } from '../core/entry.ts'
import type { Hold } from '../core/hold.ts'
import type { NoticeKind } from '../core/notice-kind.ts'

/** One notice with all that is said in it. */
export interface Message {
  /** The same at every attempt. */
  id: string
  kind: NoticeKind
  recipient: string
  /** The recipient may vote; else they are only told. */
  asked: boolean
  /** When it happened. */
  at: Instant
  now: Instant
  body: EntryBody
  about: { hold: Hold; call: Call } | null
  /** Complete canonical JSON, every invisible character escaped; null where they are not sent. */
  arguments: string | null
  /** Opens the hold in the dashboard, for the recipient alone; null where the dashboard would not show it to them. */
  link: string | null
}
