import { LIMITS } from '../limits.ts'
import { decodedBlobs } from './encoded-text.ts'
import { visibleForm } from './visible-form.ts'

/** One text in one of the ways in which it can be read. */
export interface Reading {
  /** As it came. */
  readonly text: string
  /** What a person or a model sees of it: see `visibleForm`. */
  readonly visible: string
  /** Whether it had to be decoded from something that shows another text. */
  readonly encoded: boolean
}

const LEVELS = 3

/**
 * Every text as it came, the strings inside texts that are JSON, and what encoded passages say, up to three levels deep. Undefined where that is more
 * than `LIMITS.scannedCharsMax` in, or more than four times as much in all: whoever asked cannot rule anything out then.
 */
export function readings(texts: readonly string[]): readonly Reading[] | undefined {
  let chars = 0
  for (const text of texts) chars += text.length
  if (chars > LIMITS.scannedCharsMax) return undefined
  const all: Reading[] = []
  let level = texts.map((text) => ({ text, encoded: false }))
  let total = 0
  for (let depth = 0; depth < LEVELS && level.length > 0; depth++) {
    const next: { text: string; encoded: boolean }[] = []
    for (const { text, encoded } of level) {
      total += text.length
      if (total > 4 * LIMITS.scannedCharsMax) return undefined
      all.push({ text, visible: visibleForm(text), encoded })
      for (const inner of jsonStrings(text)) next.push({ text: inner, encoded })
      for (const blob of decodedBlobs(text)) next.push({ text: blob, encoded: true })
    }
    level = next
  }
  return all
}

const JSON_TEXT = /^\s{0,64}[[{"]/

/** Keys and string values of a text that is a JSON document, where escapes would hide something; none for every other text. */
function jsonStrings(text: string): readonly string[] {
  if (!JSON_TEXT.test(text) || !text.includes('\\')) return []
  const strings: string[] = []
  try {
    JSON.parse(text, (key, value: unknown) => {
      if (key.length > 0) strings.push(key)
      if (typeof value === 'string') strings.push(value)
      return value
    })
    return strings
  } catch {
    return []
  }
}
