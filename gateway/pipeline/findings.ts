import { setImmediate as turn } from 'node:timers/promises'
import { LIMITS } from '../limits.ts'
import type { Detector, Finding } from '../ports/detector.ts'

/** What any of the detectors finds in these texts, sorted. */
export const findingsIn = (detectors: readonly Detector[], texts: readonly string[]): readonly Finding[] =>
  [...new Set(detectors.flatMap((detector) => [...detector.scan(texts)]))].sort()

/** The same, in turns of the loop, so that a long text of one agent keeps the others waiting for a part of it at most. */
export async function findingsInTurns(detectors: readonly Detector[], texts: readonly string[]): Promise<readonly Finding[]> {
  const parts = partsOf(texts)
  const found = new Set<Finding>()
  for (const [index, part] of parts.entries()) {
    if (index > 0) await turn()
    for (const finding of findingsIn(detectors, part)) found.add(finding)
  }
  return [...found].sort()
}

/** Texts are judged one by one, so they may be handed over in parts; more than the detectors take goes whole, for them to say so. */
function partsOf(texts: readonly string[]): readonly (readonly string[])[] {
  const chars = texts.reduce((sum, text) => sum + text.length, 0)
  if (chars <= LIMITS.scannedAtOnceCharsMax || chars > LIMITS.scannedCharsMax) return [texts]
  const parts: string[][] = []
  let room = 0
  for (const text of texts) {
    const last = parts.at(-1)
    if (last && text.length <= room) last.push(text)
    else {
      parts.push([text])
      room = LIMITS.scannedAtOnceCharsMax
    }
    room -= text.length
  }
  return parts
}
