/**
 * An operation's arguments after validation by the system's own OpenAPI document: parameters and body members by name, one flat object.
 * The readers throw TypeError where the document promised another type: a fault of the system, answered as 500.
 */
export class Input {
  constructor(
    readonly values: Readonly<Record<string, unknown>>,
    /** The raw `Idempotency-Key` header, undefined where none came. */
    readonly idempotencyKey: string | undefined,
  ) {}

  text(name: string): string {
    const value = this.values[name]
    if (typeof value !== 'string') throw new TypeError(`input \`${name}\` is not text`)
    return value
  }

  /** Undefined where absent or null. */
  maybeText(name: string): string | undefined {
    return (this.values[name] ?? undefined) === undefined ? undefined : this.text(name)
  }

  number(name: string): number {
    const value = this.values[name]
    if (typeof value !== 'number') throw new TypeError(`input \`${name}\` is not a number`)
    return value
  }

  maybeNumber(name: string): number | undefined {
    return this.values[name] === undefined ? undefined : this.number(name)
  }

  flag(name: string): boolean {
    return this.values[name] === true
  }

  /** Empty where absent. */
  texts(name: string): readonly string[] {
    const value = this.values[name]
    if (value === undefined) return []
    if (!Array.isArray(value)) throw new TypeError(`input \`${name}\` is not a list`)
    return value.map(String)
  }
}
