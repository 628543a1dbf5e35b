import type { OutcomeKind } from '../core/call.ts'
import type { CallId } from '../core/ids.ts'
import type { LogReader } from '../core/log-message.ts'
import type { Asked } from '../ports/calls.ts'
import type { Span } from '../ports/telemetry.ts'
import type { Subject } from './subject.ts'

/** A permitted call on its way to the system. */
export interface Run {
  callId: CallId
  subject: Subject
  span: Span
  /** Ends reads when the caller leaves; a write goes on to its outcome. */
  signal: AbortSignal
  delivery: 'buffered' | 'stream'
  /** Whether the intent reserved in counters. */
  reserved: boolean
  /** Whether the answer is kept for a later hand-over. */
  keep: boolean
  onProgress?: NonNullable<Asked['onProgress']>
  logs?: LogReader
  /** Called once the body of a streamed answer has ended, however it did. */
  streamEnded?: (kind: OutcomeKind) => void
}
