import type { Message } from './message.ts'

/** What became of one attempt. The reasons name neither address nor content. */
export type Delivery =
  | { kind: 'taken' }
  /** It will never be taken. */
  | { kind: 'refused'; why: string }
  /** `afterMs`: when the receiver wants to be asked again. */
  | { kind: 'later'; why: string; afterMs?: number }

/** One way to people. `send` never rejects, takes at most `LIMITS.noticeSendMsMax`, and sends nothing to whom it does not reach. */
export interface Channel {
  /** Unique; part of the record. */
  readonly name: string
  readonly kind: 'mail' | 'webhook'
  /** Whether messages carry the arguments of calls. */
  readonly carriesArguments: boolean
  reaches(person: string): boolean
  send(message: Message): Promise<Delivery>
  close(): Promise<void>
}
