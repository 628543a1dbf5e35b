import type { CryptoKey } from 'jose'
import type { Clock } from '../core/clock.ts'
import { isJsonObject } from '../core/json.ts'
import { decodeUtf8, parseJson } from '../core/json-text.ts'
import { LIMITS } from '../limits.ts'
import type { Outbound } from '../ports/dialer.ts'
import { unauthenticated } from './compact-jws.ts'
import { JwkSet, type KeySource } from './jwk-set.ts'

export interface JwksCacheOptions {
  /** Address of the JWK set; `issuer-table.ts` has checked it. */
  url: string
  outbound: Outbound
  clock: Clock
  /** Bound on one whole read. Default `LIMITS.jwksFetchTimeoutMsMax`. */
  timeoutMs?: number
  /** Called with the cause of every failed read, for the log. */
  onFailure?: (error: unknown) => void
}

/**
 * An issuer's keys, read when first needed and again when older than `LIMITS.jwksFreshMs` or when a key id is unknown, by at most one request at
 * a time and one in `LIMITS.jwksRetryMsMin`. While the issuer fails, the last good set serves for `LIMITS.jwksStaleMsMax` more, then
 * everything is refused.
 */
export class JwksCache implements KeySource {
  readonly #options: JwksCacheOptions
  #set: JwkSet | undefined
  #readAt = Number.NEGATIVE_INFINITY
  #triedAt = Number.NEGATIVE_INFINITY
  #reading: Promise<void> | undefined

  constructor(options: JwksCacheOptions) {
    this.#options = options
  }

  async key(kid: string | undefined, algorithm: string): Promise<CryptoKey> {
    if (this.#age() >= LIMITS.jwksFreshMs) await this.#refresh()
    if (kid !== undefined && this.#set?.has(kid) === false) await this.#refresh()
    if (!this.#set || this.#age() > LIMITS.jwksFreshMs + LIMITS.jwksStaleMsMax)
      throw unauthenticated('the keys of the issuer of the token cannot be read at present')
    return await this.#set.key(kid, algorithm)
  }

  #age(): number {
    return this.#options.clock.now() - this.#readAt
  }

  /** Joins the read under way; else starts one unless the last was a moment ago. Never throws: a failure leaves what is there. */
  #refresh(): Promise<void> {
    if (this.#reading) return this.#reading
    const now = this.#options.clock.now()
    if (now - this.#triedAt < LIMITS.jwksRetryMsMin) return Promise.resolve()
    this.#triedAt = now
    this.#reading = this.#read()
      .catch((error: unknown) => this.#options.onFailure?.(error))
      .finally(() => {
        this.#reading = undefined
      })
    return this.#reading
  }

  async #read(): Promise<void> {
    const { url, outbound, clock, timeoutMs = LIMITS.jwksFetchTimeoutMsMax } = this.#options
    const signal = AbortSignal.timeout(timeoutMs)
    const { status, body } = await outbound.request({
      method: 'GET',
      url,
      headers: { accept: 'application/jwk-set+json, application/json' },
      signal,
      headersTimeoutMs: timeoutMs,
      bodyTimeoutMs: timeoutMs,
    })
    if (status !== 200) {
      await body[Symbol.asyncIterator]().return?.()
      throw new Error(`the JWK set answered with status ${status}`)
    }
    const document = parseJson(decodeUtf8(await readAtMost(body, LIMITS.jwksBytesMax)), LIMITS.tokenDepthMax)
    if (!isJsonObject(document) || !Array.isArray(document.keys)) throw new Error('the JWK set has no `keys`')
    this.#set = new JwkSet(document.keys)
    this.#readAt = clock.now()
  }
}

/** Reads a body that may be endless; past the bound the stream is left and an error thrown. */
async function readAtMost(body: AsyncIterable<Uint8Array>, bytesMax: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.byteLength
    if (bytes > bytesMax) throw new Error(`the JWK set is larger than ${bytesMax} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
