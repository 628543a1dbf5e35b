import { inspect } from 'node:util'
import type { SecretValue } from '../ports/vault.ts'

const HIDDEN = '[secret]'

/** A value that string conversion, JSON, inspection and structured cloning do not show; only `reveal` gives it. */
export class Secret implements SecretValue {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
  }

  reveal(): string {
    return this.#value
  }

  toString(): string {
    return HIDDEN
  }

  toJSON(): string {
    return HIDDEN
  }

  [Symbol.toPrimitive](): string {
    return HIDDEN
  }

  [inspect.custom](): string {
    return HIDDEN
  }
}
