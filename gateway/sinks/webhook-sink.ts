import type { Clock } from '../core/clock.ts'
import type { Entry } from '../core/entry.ts'
import { LIMITS } from '../limits.ts'
import { openReceiver, signedPost } from '../notify/signed-post.ts'
import type { Dialer } from '../ports/dialer.ts'
import { type Sink, type SinkFormat, type SinkLines, SinkRefused, type SinkTarget } from '../ports/sink.ts'
import { batchOf } from './batch.ts'

export interface WebhookSinkOptions {
  name: string
  to: Extract<SinkTarget, { kind: 'webhook' }>
  format: SinkFormat
  linesOf: SinkLines
  dialer: Dialer
  clock: Clock
}

/** Client errors that time may heal (RFC 9110 15.5, RFC 8470 5.2, RFC 6585 4). */
const PASSING: ReadonlySet<number> = new Set([408, 409, 421, 423, 425, 429])

/** Posts batches, signed by Standard Webhooks, through the dialer alone. The id of a batch says which entries of which process it carries. */
export function webhookSink({ name, to, format, linesOf, dialer, clock }: WebhookSinkOptions): Sink {
  const outbound = openReceiver(dialer, to.url, to.egress)
  return {
    async carry(entries: readonly Entry[], signal: AbortSignal) {
      const lines = batchOf(entries, await linesOf(entries))
      const now = clock.now()
      const { status } = await signedPost(outbound, {
        ...{ url: to.url, secret: to.secret, timeoutMs: LIMITS.sinkSendMsMax, signal, now },
        id: idOf(name, entries.slice(0, lines.length)),
        body: `{"type":"record.${format}","timestamp":"${new Date(now).toISOString()}","data":[${lines.join(',')}]}`,
      })
      if (status >= 200 && status < 300) return lines.length
      const why = `the receiver answered ${status}`
      throw status >= 400 && status < 500 && !PASSING.has(status) ? new SinkRefused(why) : new Error(why)
    },
    close: () => outbound.close(),
  }
}

function idOf(name: string, entries: readonly Entry[]): string {
  const [first, last] = [entries[0], entries.at(-1)]
  return `${name}.${first?.process}.${first?.seq}-${last?.seq}`
}
