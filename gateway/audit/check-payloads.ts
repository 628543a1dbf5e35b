import { createHash } from 'node:crypto'
import { jsonOf, type ExportedLine } from './exported-line.ts'
import type { Faults } from './faults.ts'

export interface PayloadTally {
  /** Entries that have or had one. */
  all: number
  /** What the entries commit to. */
  verified: number
  /** Marked as erased: the log says who erased their call. */
  erased: number
  /** Marked as erased in a part of the log, which need not say by whom. */
  erasedUnchecked: number
  /** Not enclosed. */
  leftOut: number
}

const SALT_BYTES = 32

/** Payloads against the commitments of their entries. An export has all that are still there, or none: one that lacks some was changed. */
export class PayloadCheck {
  readonly tally: PayloadTally = { all: 0, verified: 0, erased: 0, erasedUnchecked: 0, leftOut: 0 }
  readonly #faults: Faults
  #firstLeftOut: number | null = null

  constructor(faults: Faults) {
    this.#faults = faults
  }

  /** `text`: undefined where the payload is not there, or not what the entry commits to. `bare`: it is marked as erased. */
  of(line: ExportedLine, commitment: string | null): { text: string | undefined; bare: boolean } {
    const { index, payload, salt, erased, unreadable } = line
    const bare = erased === true
    if (commitment !== null) this.tally.all += 1
    if (bare && (commitment === null || payload !== undefined))
      this.#faults.add('erased', index, `it is marked as erased, and ${commitment === null ? 'never had' : 'has'} a payload`)
    if (unreadable) {
      this.#faults.add('payload', index, 'the gateway could not open it: it was changed in its database')
      return { text: undefined, bare: false }
    }
    if (payload === undefined) {
      if (commitment !== null && !bare) {
        this.tally.leftOut += 1
        this.#firstLeftOut ??= index
      }
      return { text: undefined, bare: bare && commitment !== null }
    }
    const why = whyNot(payload, salt ?? '', commitment)
    if (why === null) this.tally.verified += 1
    else this.#faults.add('payload', index, why)
    return { text: why === null ? payload : undefined, bare: false }
  }

  finish(): void {
    if (this.#firstLeftOut === null || this.tally.verified === 0) return
    const { leftOut } = this.tally
    this.#faults.add(
      'payload',
      this.#firstLeftOut,
      `its payload is not enclosed${leftOut === 1 ? '' : `, nor are ${leftOut - 1} others`}, though others are`,
    )
  }
}

/** A payload has one reading only: a member twice would be read otherwise by other tools, and a longer salt would leave a shorter text. */
function whyNot(payload: string, salt: string, commitment: string | null): string | null {
  const bytes = Buffer.from(salt, 'base64')
  if (bytes.length !== SALT_BYTES || bytes.toString('base64') !== salt) return `its salt is not ${SALT_BYTES} bytes in base64`
  if (createHash('sha256').update(bytes).update(payload).digest('hex') !== commitment)
    return 'salt and payload are not what the entry commits to'
  const read = jsonOf(payload)
  if (read === undefined || JSON.stringify(read) !== payload) return 'its payload is no JSON text, or one that can be read in two ways'
  return null
}
