/** What a detector can find (semantics section 2). */
export const FINDINGS = ['credential', 'payment-card', 'personal-data', 'link', 'hidden-text', 'instruction-markup'] as const
export type Finding = (typeof FINDINGS)[number]

/**
 * Looks for something in text. Deterministic, pure, synchronous and linear in the text's length; a finding is a fact for policy, never a refusal of its
 * own. Callers hand over whole string values (keys of objects too); more than `LIMITS.scannedCharsMax` characters in all have every finding.
 */
export interface Detector {
  readonly name: string
  /** Which of its findings are in these texts. */
  scan(texts: readonly string[]): ReadonlySet<Finding>
}
