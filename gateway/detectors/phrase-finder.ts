import { CHARS_BETWEEN, NEGATIONS, type PhraseFamily, PHRASES, WORDS_BETWEEN } from './instruction-phrases.ts'

/** Where a phrase belongs: the row it is of, and which part of it. */
interface Place {
  readonly row: number
  readonly part: number
  /** Words after the first; the last may be a stem. */
  readonly rest: readonly string[]
}

const JOINED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Devanagari}]/u
const isJoined = ({ parts }: PhraseFamily): boolean => JOINED.test(parts[0]?.[0] ?? '')
const WORDED = PHRASES.filter((family) => !isJoined(family))

const exact = new Map<string, Place[]>()
const stems = new Map<string, Place[]>()
for (const [row, { parts }] of WORDED.entries()) {
  for (const [part, phrases] of parts.entries()) {
    for (const phrase of phrases) {
      const [first = '', ...rest] = phrase.split(' ')
      const [index, key] = first.endsWith('*') ? [stems, first.slice(0, -1)] : [exact, first]
      index.set(key, [...(index.get(key) ?? []), { row, part, rest }])
    }
  }
}
// Later parts first, so that one word never is two parts of a row.
for (const index of [exact, stems]) for (const places of index.values()) places.sort((a, b) => b.part - a.part)
const STEM_CHARS = [...new Set([...stems.keys()].map((stem) => stem.length))]

/** Whether a text in word form holds one of the phrases. Each word is looked up a bounded number of times: linear. */
export function hasInstructionPhrase(text: string): boolean {
  return hasWorded(text) || (JOINED.test(text) && JOINED_ROWS.some((row) => hasJoined(text, row)))
}

const WORD = /[\p{L}\p{N}\p{M}]+(?:['’][\p{L}]+)?/gu

function hasWorded(text: string): boolean {
  const words = text.match(WORD)
  if (words === null) return false
  /** By row and part: the word at which the chain up to this part ended last. */
  const ends = WORDED.map(({ parts }) => new Array<number>(parts.length).fill(Number.NEGATIVE_INFINITY))
  const take = (at: number, { row, part, rest }: Place): boolean => {
    if (!rest.every((word, i) => fits(words[at + 1 + i], word))) return false
    const chain = ends[row]
    const family = WORDED[row]
    if (chain === undefined || family === undefined) return false
    if (part === 0) {
      if (family.negatable && isNegated(words, at)) return false
    } else {
      const before = chain[part - 1] ?? Number.NEGATIVE_INFINITY
      if (before >= at || at - before - 1 > WORDS_BETWEEN) return false
    }
    chain[part] = at + rest.length
    return part === family.parts.length - 1
  }
  for (const [at, word] of words.entries()) {
    if (exact.get(word)?.some((place) => take(at, place))) return true
    for (const chars of STEM_CHARS) {
      if (word.length >= chars && stems.get(word.slice(0, chars))?.some((place) => take(at, place))) return true
    }
  }
  return false
}

const fits = (word: string | undefined, wanted: string): boolean =>
  word !== undefined && (wanted.endsWith('*') ? word.startsWith(wanted.slice(0, -1)) : word === wanted)

const isNegated = (words: readonly string[], at: number): boolean =>
  NEGATIONS.has(words[at - 1] ?? '') || NEGATIONS.has(words[at - 2] ?? '')

const JOINED_ROWS = PHRASES.filter(isJoined).map(({ parts }) => parts.map((phrases) => new RegExp(phrases.join('|'), 'gu')))

function hasJoined(text: string, row: readonly RegExp[]): boolean {
  let ends: readonly number[] | undefined
  for (const part of row) {
    const here: number[] = []
    let i = 0
    for (const {
      index,
      0: { length },
    } of text.matchAll(part)) {
      if (ends !== undefined) {
        while (i + 1 < ends.length && (ends[i + 1] ?? 0) <= index) i += 1
        const before = ends[i] ?? Number.POSITIVE_INFINITY
        if (before > index || index - before > CHARS_BETWEEN) continue
      }
      here.push(index + length)
    }
    if (here.length === 0) return false
    ends = here
  }
  return true
}
