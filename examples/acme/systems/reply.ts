import type { Input } from './input.ts'

/** What a system answers. */
export interface Reply {
  status: number
  /** Sent as JSON; a string is sent as it is, as text. */
  body?: unknown
  headers?: Readonly<Record<string, string>>
}

export type Handler = (input: Input) => Reply
