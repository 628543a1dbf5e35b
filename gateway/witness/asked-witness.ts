import { instant } from '../core/clock.ts'
import { LIMITS } from '../limits.ts'
import type { Dialer, Outbound, OutboundResponse } from '../ports/dialer.ts'
import type { Cosignature, LoggedCheckpoint } from '../ports/log.ts'
import type { Telemetry } from '../ports/telemetry.ts'
import type { WitnessSettings } from '../ports/witness.ts'
import { timedSignature } from '../record/cosignature.ts'
import { type NoteVerifier, parseVerifierKey, readNote, readSignature, signatureBy } from '../record/signed-note.ts'
import { formatWitnessRequest } from '../record/witness-request.ts'

export interface AskedWitnessOptions {
  settings: WitnessSettings
  dialer: Dialer
  telemetry: Pick<Telemetry, 'log' | 'count'>
  /** That the tree of `newer` entries begins with that of `older` ones. */
  prove(older: number, newer: number): Promise<readonly Uint8Array[]>
  /** Entries of the log now. */
  size(): Promise<number>
}

/** The witness knows another tree than this one. */
class Refused extends Error {}

interface Answer {
  status: number
  text: string
}

/** A witness as a log sees it (C2SP tlog-witness). One that fails is left alone for a while. */
export class AskedWitness {
  readonly vkey: string
  readonly #options: AskedWitnessOptions
  readonly #key: NoteVerifier
  readonly #outbound: Outbound
  #failures = 0
  #retryAtMs = 0
  #cosignedAtMs = Number.NEGATIVE_INFINITY

  constructor(options: AskedWitnessOptions) {
    const { vkey, url, egress } = options.settings
    this.vkey = vkey
    this.#options = options
    this.#key = parseVerifierKey(vkey)
    this.#outbound = options.dialer.open({ hosts: [new URL(url).hostname.replace(/^\[|\]$/g, '')], privateHosts: egress })
  }

  /** Whether it is to be asked about a checkpoint of this size: also, from time to time, for a newer date on what it cosigned. */
  isDue(size: number, last: Cosignature | undefined): boolean {
    const nowMs = performance.now()
    return nowMs >= this.#retryAtMs && (last?.size !== size || nowMs - this.#cosignedAtMs >= LIMITS.witnessRefreshMs)
  }

  /** Its cosignature; undefined where it gave none, which was said in the log. Never rejects. */
  async ask(
    checkpoint: LoggedCheckpoint,
    last: Cosignature | undefined,
    closing: AbortSignal,
  ): Promise<Omit<Cosignature, 'size'> | undefined> {
    const signal = AbortSignal.any([closing, AbortSignal.timeout(LIMITS.witnessAskMsMax)])
    try {
      const cosignature = await this.#cosignature(checkpoint, last?.size ?? 0, signal)
      this.#failures = 0
      this.#cosignedAtMs = performance.now()
      return cosignature
    } catch (error) {
      if (!closing.aborted) this.#failed(error, checkpoint)
      return undefined
    }
  }

  close(): Promise<void> {
    return this.#outbound.close()
  }

  async #cosignature({ note, size }: LoggedCheckpoint, last: number, signal: AbortSignal): Promise<Omit<Cosignature, 'size'>> {
    let answer = await this.#post(note, Math.min(last, size), size, signal)
    if (answer.status === 409) {
      const theirs = sizeIn(answer.text)
      const ours = Math.max(size, await this.#options.size())
      if (theirs > ours) throw new Refused(`it has cosigned ${theirs} entries of this log, and there are only ${ours}`)
      if (theirs > size) throw new Error('it was asked about a newer checkpoint meanwhile')
      answer = await this.#post(note, theirs, size, signal)
    }
    if (answer.status === 422) throw new Refused(`this log does not go on from what it has cosigned: ${shown(answer.text)}`)
    if (answer.status === 404) throw new Error('it does not know this log: whoever runs it has to name the key of the log')
    if (answer.status === 403) throw new Error('it has another key for this log')
    if (answer.status !== 200) throw new Error(`it answered ${answer.status}: ${shown(answer.text)}`)
    return this.#read(note, answer.text)
  }

  async #post(checkpoint: string, old: number, size: number, signal: AbortSignal): Promise<Answer> {
    const proof = await this.#options.prove(old, size)
    const response = await this.#outbound.request({
      method: 'POST',
      url: `${this.#options.settings.url}/add-checkpoint`,
      headers: { 'content-type': 'text/plain; charset=utf-8', 'user-agent': 'Gatehouse' },
      body: formatWitnessRequest({ old, proof, checkpoint }),
      signal,
      headersTimeoutMs: LIMITS.witnessAskMsMax,
      bodyTimeoutMs: LIMITS.witnessAskMsMax,
    })
    return { status: response.status, text: await textOf(response) }
  }

  #read(note: string, text: string): Omit<Cosignature, 'size'> {
    const signatures = text.split('\n').slice(0, -1).map(readSignature)
    const own = signatureBy(this.#key, readNote(note).text, signatures)
    const timed = own && timedSignature(own.bytes)
    if (!timed) throw new Error('its answer has no cosignature by its key')
    return { witness: this.vkey, line: own.line, at: instant(timed.seconds * 1_000) }
  }

  #failed(error: unknown, { note }: LoggedCheckpoint): void {
    const { settings, telemetry } = this.#options
    const retryMs = Math.min(LIMITS.pollMs * 2 ** this.#failures++, LIMITS.witnessRetryMsMax)
    this.#retryAtMs = performance.now() + retryMs
    const facts = { witness: settings.name, retryMs, error }
    if (!(error instanceof Refused)) {
      telemetry.log.warn(facts, 'a witness did not cosign, and will be asked again')
      return
    }
    telemetry.count('witness_refusals', { witness: settings.name })
    telemetry.log.error(
      { ...facts, checkpoint: note },
      'a witness REFUSED the log: it was forked, rolled back or replaced, or another one has its key; the witness keeps both checkpoints',
    )
  }
}

const shown = (text: string): string => JSON.stringify(text.slice(0, 200))

function sizeIn(text: string): number {
  const size = /^(0|[1-9]\d*)\n?$/.test(text) ? Number(text) : Number.NaN
  if (!Number.isSafeInteger(size)) throw new Error(`it answered 409 without the size that it has cosigned: ${shown(text)}`)
  return size
}

async function textOf({ body }: OutboundResponse): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.byteLength
    if (bytes > LIMITS.witnessAnswerBytesMax) throw new Error(`its answer is larger than ${LIMITS.witnessAnswerBytesMax} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
