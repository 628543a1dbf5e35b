import { inspect } from 'node:util'
import type { Lease, StaticCredential } from '../ports/vault.ts'
import { needlesOf } from './needles.ts'
import { Secret } from './secret.ts'

/** A static credential, opened. Printing or serialising it shows its name and version only. */
export class StaticLease implements Lease {
  readonly credential: string
  readonly version: number
  readonly #place: { in: 'header' | 'query'; name: string }
  readonly #value: Secret
  readonly #needles: readonly Uint8Array[]

  constructor(credential: string, version: number, value: StaticCredential) {
    this.credential = credential
    this.version = version
    this.#place =
      value.kind === 'query'
        ? { in: 'query', name: value.parameter }
        : { in: 'header', name: value.kind === 'basic' ? 'authorization' : value.header.toLowerCase() }
    this.#value = new Secret(wireValue(value))
    this.#needles = needlesOf(secretParts(value))
  }

  /** Every form of the secret. On the prototype, so that it is no member to be listed. */
  get needles(): readonly Uint8Array[] {
    return this.#needles
  }

  headers(): Readonly<Record<string, string>> {
    return this.#place.in === 'header' ? { [this.#place.name]: this.#value.reveal() } : {}
  }

  query(): Readonly<Record<string, string>> {
    return this.#place.in === 'query' ? { [this.#place.name]: this.#value.reveal() } : {}
  }

  toJSON(): { credential: string; version: number } {
    return { credential: this.credential, version: this.version }
  }

  [inspect.custom](): string {
    return `[lease of ${this.credential} version ${this.version}]`
  }
}

/** RFC 7617 2 for basic; as configured otherwise. */
function wireValue(value: StaticCredential): string {
  return value.kind === 'basic' ? `Basic ${Buffer.from(`${value.username}:${value.password}`, 'utf8').toString('base64')}` : value.value
}

/** What must not come back: the token without its scheme, the password, and the base64 that carries it. */
function secretParts(value: StaticCredential): string[] {
  if (value.kind === 'basic') return [value.password, wireValue(value).slice('Basic '.length)]
  const token = value.kind === 'header' ? /^[A-Za-z][\w-]* +(\S.*)$/.exec(value.value)?.[1] : undefined
  return [token ?? value.value]
}
