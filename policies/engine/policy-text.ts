/** One statement of a policy file, from its first token to its `;`, with its place in the file. */
export interface Statement {
  text: string
  /** UTF-16 offset of the first token in the file. */
  offset: number
  /** Deepest nesting of brackets and `if`s. */
  nesting: number
  /** Operators, member accesses, `if`s and clauses: each can make the expression one level deeper. */
  terms: number
  closed: boolean
}

const TOKEN =
  /(?<skip>\s+|\/\/[^\n\r]*)|(?<string>"(?:\\[\s\S]|[^"\\])*")|(?<word>[A-Za-z_][A-Za-z0-9_]*)|(?<pair>\|\||&&|==|!=|<=|>=|::)|(?<one>[\s\S])/gy
export const OPENS = new Set(['(', '[', '{'])
export const CLOSES = new Set([')', ']', '}'])
const TERMS = new Set([
  '||',
  '&&',
  '==',
  '!=',
  '<=',
  '>=',
  '<',
  '>',
  '+',
  '-',
  '*',
  '!',
  '.',
  'if',
  'when',
  'unless',
  'in',
  'has',
  'like',
  'is',
])

/** Every token of a Cedar text, in order; white space and comments are blank ones. */
export function* tokens(text: string): Generator<{ text: string; offset: number; blank: boolean }> {
  for (const match of text.matchAll(TOKEN)) yield { text: match[0], offset: match.index, blank: match.groups?.skip !== undefined }
}

/**
 * Splits a Cedar file into its statements without parsing them, so that one broken policy hides no other's faults and nothing too deep ever
 * reaches the parser. Linear in the text.
 */
export function splitPolicies(text: string): Statement[] {
  const statements: Statement[] = []
  let at: { offset: number; depth: number; ifs: number; nesting: number; terms: number } | undefined
  for (const { text: token, offset: start, blank } of tokens(text)) {
    if (blank) continue
    at ??= { offset: start, depth: 0, ifs: 0, nesting: 0, terms: 0 }
    if (OPENS.has(token)) at.depth += 1
    else if (CLOSES.has(token)) at.depth -= 1
    else if (token === 'if') at.ifs += 1
    if (TERMS.has(token)) at.terms += 1
    at.nesting = Math.max(at.nesting, at.depth + at.ifs)
    if (token !== ';') continue
    const { offset, nesting, terms } = at
    statements.push({ text: text.slice(offset, start + 1), offset, nesting, terms, closed: true })
    at = undefined
  }
  if (at) statements.push({ text: text.slice(at.offset), offset: at.offset, nesting: at.nesting, terms: at.terms, closed: false })
  return statements
}

/** `path:line:column`, both from 1, columns in UTF-16 units, for an offset into the file's text. */
export function placeOf(path: string, text: string, offset: number): string {
  const { line, column } = lineAndColumn(text, offset)
  return `${path}:${line}:${column}`
}

export function lineAndColumn(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset).split('\n')
  return { line: before.length, column: (before.at(-1) ?? '').length + 1 }
}

/** Cedar counts bytes of UTF-8; this gives the UTF-16 offset of such a place. */
export const charOffset = (text: string, byteOffset: number): number => Buffer.from(text).subarray(0, byteOffset).toString().length

/** The candidate nearest to `word`, where one is near enough to be what was meant. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined
  let least = Math.max(2, Math.floor(word.length / 3)) + 1
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase())
    if (distance < least) [best, least] = [candidate, distance]
  }
  return best
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(substitution, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
