/**
 * A text that a regular expression of a schema matches, for the plain ones: literals, classes, groups, alternatives and counts, with or without anchors.
 * Undefined for anything else. Whoever calls it tries the text against the expression.
 */
export function patternSample(pattern: string): string | undefined {
  const reader = new PatternReader(pattern)
  const text = reader.alternatives()
  return reader.failed || !reader.ended ? undefined : text
}

/** A member of each of the classes that are written with a backslash. */
const ESCAPES: Readonly<Record<string, string>> = { d: '0', w: 'a', s: ' ', D: 'a', S: 'a', W: '-', t: '\t', n: '\n' }
const REPEATS_MAX = 64

class PatternReader {
  readonly #text: string
  #at = 0
  failed = false

  constructor(text: string) {
    this.#text = text
  }

  get ended(): boolean {
    return this.#at >= this.#text.length
  }

  /** The first of the alternatives; the others are read past. */
  alternatives(): string {
    const first = this.#sequence()
    while (this.#next('|')) this.#sequence()
    return first
  }

  #sequence(): string {
    let made = ''
    while (!this.ended && !this.failed && !'|)'.includes(this.#peek())) {
      const one = this.#atom()
      made += one.repeat(this.#least())
    }
    return made
  }

  #atom(): string {
    if (this.#next('^') || this.#next('$')) return ''
    if (this.#next('(')) return this.#group()
    if (this.#next('[')) return this.#class()
    if (this.#next('.')) return 'a'
    if (this.#next('\\')) return this.#escape()
    return this.#take()
  }

  #group(): string {
    if (this.#next('?') && !this.#next(':')) this.failed = true
    const inner = this.alternatives()
    if (!this.#next(')')) this.failed = true
    return inner
  }

  #escape(): string {
    const letter = this.#take()
    if (/[bBpPkuxc0-9]/.test(letter)) this.failed = true
    return ESCAPES[letter] ?? letter
  }

  /** A member of the class: the first that is written. */
  #class(): string {
    const negated = this.#next('^')
    let first: string | undefined
    const members = new Set<string>()
    while (!this.ended && this.#peek() !== ']') {
      const member = this.#next('\\') ? this.#escape() : this.#take()
      first ??= member
      members.add(member)
    }
    if (!this.#next(']')) this.failed = true
    if (!negated) return first ?? ''
    return [...'aA0 -'].find((one) => !members.has(one)) ?? 'z'
  }

  /** The least count of what stands before. */
  #least(): number {
    let least = 1
    if (this.#next('?') || this.#next('*')) least = 0
    else if (this.#next('+')) least = 1
    else if (this.#peek() === '{') {
      const match = /^\{(\d+)(?:,\d*)?\}/.exec(this.#text.slice(this.#at))
      if (match) this.#at += match[0].length
      else this.failed = true
      least = Math.min(Number(match?.[1] ?? 1), REPEATS_MAX)
    }
    this.#next('?')
    return least
  }

  #peek(): string {
    return this.#text[this.#at] ?? ''
  }

  #take(): string {
    const letter = this.#peek()
    this.#at += 1
    return letter
  }

  #next(letter: string): boolean {
    if (this.#peek() !== letter || this.ended) return false
    this.#at += 1
    return true
  }
}
