import { LIMITS } from '../limits.ts'
import { withoutNul } from './tables.ts'

/** One spelling for what looks alike or differs in case. */
const folded = (text: string): string => text.normalize('NFKC').toLowerCase()

const trimmed = (piece: string): string =>
  withoutNul(piece)
    .replace(/^[^\p{L}\p{N}]+|[^\p{L}\p{N}]+$/gu, '')
    .slice(0, LIMITS.searchWordCharsMax)
    .toWellFormed()

/** `releasePayment` as `release` and `Payment`. */
const parted = (name: string): readonly string[] => name.split(/(?<=[\p{Ll}\p{N}])(?=\p{Lu})/u)

/** The words that a text is found by: its pieces between spaces, their parts between marks, and the parts of names in camel case. */
export function searchWords(text: string): readonly string[] {
  const words = new Set<string>()
  for (const piece of text.split(/\s+/u)) {
    const parts = piece.split(/[^\p{L}\p{N}]+/u)
    for (const word of [piece, ...parts, ...parts.flatMap(parted)]) {
      const known = trimmed(folded(word))
      if (known !== '') words.add(known)
      if (words.size >= LIMITS.searchWordsPerTextMax) return [...words]
    }
  }
  return [...words]
}

/** What somebody types, as the beginnings of words. */
export const searchTerms = (text: string): readonly string[] => [
  ...new Set(
    text
      .split(/\s+/u)
      .map((piece) => trimmed(folded(piece)))
      .filter((term) => term !== ''),
  ),
]
