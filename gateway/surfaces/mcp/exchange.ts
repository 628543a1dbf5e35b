import type { IncomingMessage, ServerResponse } from 'node:http'
import type { JsonValue } from '../../core/json.ts'

export type Leaving = 'disconnected' | 'cancelled' | 'closing'

/**
 * The answer to one POST: a JSON body, or an event stream once something precedes the answer (progress) or the client takes nothing else.
 * `signal` aborts when the client disconnects (2026-07-28 basic/patterns/cancellation), cancels the request, or the door closes; it ends waiting,
 * never a hold.
 */
export class Exchange {
  private readonly res: ServerResponse
  private readonly mayStream: boolean
  private readonly mustStream: boolean
  private readonly controller = new AbortController()
  private readonly headers: Record<string, string> = { 'cache-control': 'no-store' }
  private why: Leaving | undefined
  private waiting = false
  private closing = false

  /** `accept` is the header's value; absent means anything. */
  constructor(res: ServerResponse, accept: string | undefined) {
    this.res = res
    this.mayStream = takes(accept, 'text/event-stream')
    this.mustStream = this.mayStream && !takes(accept, 'application/json')
    res.once('close', () => {
      if (!res.writableFinished) this.leave('disconnected')
    })
  }

  get signal(): AbortSignal {
    return this.controller.signal
  }

  leave(why: Leaving): void {
    this.why ??= why
    this.controller.abort()
  }

  /** Says that nothing but people or time is waited for from here on, so that `close` may end it. */
  waits(): void {
    this.waiting = true
    if (this.closing) this.leave('closing')
  }

  /** The door closes: a wait ends at once or as soon as it begins; what executes goes on to its answer. */
  close(): void {
    this.closing = true
    if (this.waiting) this.leave('closing')
  }

  /** Set before the first byte; later ones are lost (an event stream that began). */
  setHeader(name: string, value: string): void {
    this.headers[name] = value
  }

  /** Sends a notification ahead of the answer, where the client takes event streams; otherwise nothing happens. */
  notify(method: string, params: JsonValue): void {
    if (!this.mayStream || this.res.destroyed || this.res.writableEnded || this.why !== undefined) return
    this.startStream()
    this.res.write(event(JSON.stringify({ jsonrpc: '2.0', method, params })))
  }

  /**
   * Sends the answer. True once it is fully written; false where the client left or cancelled: a cancelled request gets no answer
   * (2025-11-25 basic/utilities/cancellation, "Behavior Requirements").
   */
  async answer(text: string, status = 200): Promise<boolean> {
    const { res } = this
    if (res.destroyed || this.why === 'disconnected') return false
    if (this.why === 'cancelled') {
      if (!res.headersSent) res.writeHead(202, this.headers)
      res.end()
      return false
    }
    if (res.headersSent || (this.mustStream && status === 200)) {
      this.startStream()
      return finished(res, event(text))
    }
    this.headers['content-type'] = 'application/json'
    this.headers['content-length'] = String(Buffer.byteLength(text))
    res.writeHead(status, this.headers)
    return finished(res, text)
  }

  private startStream(): void {
    if (this.res.headersSent) return
    this.res.writeHead(200, { ...this.headers, 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' })
  }
}

/** One server-sent event. JSON text has no raw line breaks, so one `data` line holds it. */
const event = (text: string): string => `event: message\ndata: ${text}\n\n`

function finished(res: ServerResponse, text: string): Promise<boolean> {
  return new Promise((resolve) => {
    res.once('close', () => resolve(res.writableFinished))
    res.end(text, () => resolve(true))
  })
}

/** Whether an `Accept` value admits this media type, by type alone (RFC 9110 12.5.1); weights are ignored but for `q=0`. */
export function takes(accept: string | undefined, type: 'application/json' | 'text/event-stream'): boolean {
  if (accept === undefined) return type === 'application/json'
  return accept.split(',').some((range) => {
    const [essence = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase())
    if (parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter))) return false
    return essence === type || essence === '*/*' || essence === `${type.split('/')[0]}/*`
  })
}

/** `application/json`, in UTF-8 where a charset is named (RFC 8259 8.1). */
export function isJson(req: IncomingMessage): boolean {
  const [essence = '', ...parameters] = (req.headers['content-type'] ?? '').split(';').map((part) => part.trim().toLowerCase())
  return essence === 'application/json' && parameters.every((p) => !p.startsWith('charset=') || /^charset="?utf-?8"?$/.test(p))
}
