import type { Detector, Finding } from '../ports/detector.ts'

/** What any of the detectors finds in these texts, sorted. */
export const findingsIn = (detectors: readonly Detector[], texts: readonly string[]): readonly Finding[] =>
  [...new Set(detectors.flatMap((detector) => [...detector.scan(texts)]))].sort()
