import type { IncomingMessage } from 'node:http'
import { GatewayError } from '../core/errors.ts'
import { LIMITS } from '../limits.ts'

/** A body that was refused before its end was read: the connection cannot be used again, so the answer has to close it. */
export class UnreadBodyError extends GatewayError {}

/**
 * Reads a request's whole body, at most `bytesMax` bytes; nothing beyond that is kept. A larger body is read to its end and thrown away,
 * so that the connection lives on, up to `LIMITS.discardedBodyBytesMax`; beyond that the error is an `UnreadBodyError`.
 * Throws BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE (any content coding but `identity` and `coded`: what was judged has to be what was sent), and BAD_INPUT
 * where the client left before the end. The body is as it was sent: what is coded stays so.
 */
export async function readBody(req: IncomingMessage, bytesMax: number, coded?: 'gzip'): Promise<Uint8Array> {
  const coding = codingOf(req)
  if (coding !== 'identity' && coding !== coded) {
    await discard(req, 0, 'UNSUPPORTED_MEDIA_TYPE', CODED)
    throw new GatewayError('UNSUPPORTED_MEDIA_TYPE', CODED)
  }
  const announced = Number(req.headers['content-length'] ?? 0)
  const tooLarge = `the body is larger than ${bytesMax} bytes`
  if (announced > LIMITS.discardedBodyBytesMax) throw new UnreadBodyError('BODY_TOO_LARGE', tooLarge)
  const chunks: Uint8Array[] = []
  let bytes = 0
  if (announced <= bytesMax) {
    const whole = await consume(req, (chunk) => {
      bytes += chunk.byteLength
      if (bytes > bytesMax) return false
      chunks.push(chunk)
      return true
    })
    if (whole) return chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)
  }
  chunks.length = 0
  await discard(req, bytes, 'BODY_TOO_LARGE', tooLarge)
  throw new GatewayError('BODY_TOO_LARGE', tooLarge)
}

/** The content coding of a body (RFC 9110 8.4); `identity` where none is named. */
export const codingOf = ({ headers }: IncomingMessage): string => (headers['content-encoding'] ?? 'identity').trim().toLowerCase()

const CODED = 'the body has a content encoding: send it without one'

/** Reads on to the end without keeping anything. Throws UnreadBodyError past the bound. */
async function discard(req: IncomingMessage, already: number, code: 'BODY_TOO_LARGE' | 'UNSUPPORTED_MEDIA_TYPE', message: string) {
  let bytes = already
  const ended = await consume(req, (chunk) => {
    bytes += chunk.byteLength
    return bytes <= LIMITS.discardedBodyBytesMax
  })
  if (!ended) throw new UnreadBodyError(code, message)
}

/** Feeds chunks to `take` until the end (true) or until it says stop (false; the stream is paused, not destroyed). */
function consume(req: IncomingMessage, take: (chunk: Uint8Array) => boolean): Promise<boolean> {
  if (req.readableEnded) return Promise.resolve(true)
  return new Promise((resolve, reject) => {
    const settle = (done: () => void) => {
      req.off('data', onData).off('end', onEnd).off('error', onGone).off('close', onGone)
      done()
    }
    const onData = (chunk: Uint8Array) => {
      if (take(chunk)) return
      req.pause()
      settle(() => resolve(false))
    }
    const onEnd = () => settle(() => resolve(true))
    const onGone = () => settle(() => reject(new GatewayError('BAD_INPUT', 'the body ended before its announced end')))
    if (req.destroyed) return onGone()
    req.on('data', onData).on('end', onEnd).on('error', onGone).on('close', onGone)
    req.resume()
  })
}
