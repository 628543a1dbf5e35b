import type { Detector, Finding } from '../ports/detector.ts'
import { findingsIn } from './findings.ts'

/** What is kept out of texts. Links and what is hidden stay: they show what led a model astray. */
const MASKED: ReadonlySet<Finding> = new Set<Finding>(['credential', 'payment-card', 'personal-data'])
/** Between what may be a piece of its own; pieces and separators take turns. */
const LINES = /(\r?\n)/
const WORDS = /([\s"'`<>,;{}()[\]]+)/

export interface MaskedText {
  text: string
  findings: readonly Finding[]
}

/** How many characters may still be looked at to find out where in a text something is. */
export interface Narrowing {
  left: number
}

const maskOf = (findings: readonly Finding[]): string => `[masked: ${findings.join(', ')}]`

/**
 * Replaces what detectors find in a text. Where there is a credential nothing of the text is kept, since a key may go on beyond what tells it; of personal data
 * and card numbers the words, or else the lines, that hold them, and everything where it would take too many looks to tell. What is left was looked at again:
 * it holds none.
 */
export function maskText(detectors: readonly Detector[], text: string, narrowing: Narrowing): MaskedText {
  const look = (part: string): Finding[] => {
    narrowing.left -= part.length
    return findingsIn(detectors, [part]).filter((finding) => MASKED.has(finding))
  }
  const findings = findingsIn(detectors, [text]).filter((finding) => MASKED.has(finding))
  if (findings.length === 0) return { text, findings }
  const whole = maskOf(findings)
  if (findings.includes('credential')) return { text: whole, findings }
  const inWords = (line: string): string | undefined => narrowed(line.split(WORDS), look, narrowing, () => undefined)
  const masked = narrowed(text.split(LINES), look, narrowing, inWords) ?? inWords(text)
  return { text: masked !== undefined && look(masked).length === 0 ? masked : whole, findings }
}

/** The pieces with a mask in the place of each that holds something; undefined where they are one piece, or it takes too many looks to tell. */
function narrowed(
  pieces: readonly string[],
  look: (part: string) => Finding[],
  narrowing: Narrowing,
  within: (piece: string) => string | undefined,
): string | undefined {
  const mask = (from: number, to: number): string | undefined => {
    if (narrowing.left <= 0) return undefined
    const part = pieces.slice(from, to).join('')
    const found = look(part)
    if (found.length === 0) return part
    if (to - from === 1) return within(part) ?? maskOf(found)
    const middle = (from + to) >> 1
    const [left, right] = [mask(from, middle), mask(middle, to)]
    if (left === undefined || right === undefined) return undefined
    // Neither half may hold what both together do.
    return look(left + right).length === 0 ? left + right : maskOf(found)
  }
  return pieces.length < 2 ? undefined : mask(0, pieces.length)
}
