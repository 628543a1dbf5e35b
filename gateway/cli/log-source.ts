import type { Address } from '../config/address-file.ts'
import { GatewayError } from '../core/errors.ts'
import { isJsonObject, type JsonObject } from '../core/json.ts'
import { LIMITS } from '../limits.ts'
import { answerFrom, ask } from './control-plane.ts'

/** Which entries of the log are asked for. Indexes from 0, times in ISO 8601. */
export interface Asked {
  from: number
  before: number
  since?: string | null
  until?: string | null
  calls?: readonly string[]
  places?: readonly number[]
}

/** An entry as the gateway gives it. */
export interface GivenEntry {
  index: number
  leaf: string
  payload: string | null
  salt: string | null
  erased: boolean
  /** `leaf` or `payload`: the database has something else of it than was recorded. */
  fault: string | null
}

export interface GivenCheckpoint {
  note: string
  size: number
  vkey: string
}

const PAGE = `query ($from: Int!, $before: Int!, $first: Int!, $since: DateTimeISO, $until: DateTimeISO, $calls: [ID!], $places: [Int!], $payloads: Boolean!) {
  logEntries(from: $from, before: $before, first: $first, since: $since, until: $until, calls: $calls, places: $places, payloads: $payloads) {
    index leaf payload salt erased fault
  }
}`

/** The log of a running gateway, read in pages. */
export class LogSource {
  readonly #address: Address

  constructor(address: Address) {
    this.#address = address
  }

  /** Throws NOT_FOUND while nothing is in the log. */
  async checkpoint(): Promise<GivenCheckpoint> {
    const { checkpoint } = await ask(this.#address, '{ checkpoint { note size vkey } }')
    if (!isJsonObject(checkpoint)) throw new GatewayError('NOT_FOUND', 'nothing is in the log yet')
    return { note: String(checkpoint.note), size: Number(checkpoint.size), vkey: String(checkpoint.vkey) }
  }

  /** Where the log begins that was not removed under retention, and the index of the entry that says so; null where it begins at 0. */
  async removal(): Promise<{ floor: number; index: number } | null> {
    const { logFloor } = await ask(this.#address, '{ logFloor { index removal { entry } } }')
    if (!isJsonObject(logFloor) || !isJsonObject(logFloor.removal)) return null
    return { floor: Number(logFloor.index), index: Number(logFloor.removal.entry) }
  }

  /** In the log's order. */
  async *entries(asked: Asked, payloads: boolean): AsyncGenerator<GivenEntry> {
    const { before, since = null, until = null } = asked
    const [calls, places] = [asked.calls ? [...asked.calls] : null, asked.places ? [...asked.places] : null]
    for (let { from } = asked; from < before; ) {
      const variables = { from, before, since, until, calls, places, payloads, first: LIMITS.pageRowsMax }
      const { logEntries } = await ask(this.#address, PAGE, variables)
      const page = (Array.isArray(logEntries) ? logEntries.filter(isJsonObject) : []).map(given)
      yield* page
      const last = page.at(-1)
      if (!last) return
      from = last.index + 1
    }
  }

  /** Those at these indexes, at most `LIMITS.pageRowsMax`, in the log's order. */
  async entriesAt(places: readonly number[], payloads: boolean): Promise<GivenEntry[]> {
    const found: GivenEntry[] = []
    if (places.length === 0) return found
    for await (const entry of this.entries({ from: Math.min(...places), before: Math.max(...places) + 1, places }, payloads))
      found.push(entry)
    return found
  }

  /** Undefined where the set is not kept with its text. */
  async policySet(hash: string): Promise<string | undefined> {
    const { wholePolicySet } = await ask(this.#address, 'query ($hash: ID!) { wholePolicySet(hash: $hash) }', { hash })
    return typeof wholePolicySet === 'string' ? wholePolicySet : undefined
  }

  /** Bytes of a file of the log below `/v1/`. Throws UNAVAILABLE. */
  async file(path: string): Promise<Uint8Array> {
    const { response, body } = await answerFrom(this.#address, `/v1/${path}`, {}, (answer) => answer.bytes())
    if (!response.ok) throw new GatewayError('UNAVAILABLE', `the gateway has no \`${path}\`: ${response.status}`)
    return body
  }
}

const given = ({ index, leaf, payload, salt, erased, fault }: JsonObject): GivenEntry => ({
  index: Number(index),
  leaf: String(leaf),
  payload: typeof payload === 'string' ? payload : null,
  salt: typeof salt === 'string' ? salt : null,
  erased: erased === true,
  fault: typeof fault === 'string' ? fault : null,
})
