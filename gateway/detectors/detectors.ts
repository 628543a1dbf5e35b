import type { Detector, Finding } from '../ports/detector.ts'
import { hasCredential } from './credentials.ts'
import { hasHiddenMarkup } from './hidden-html.ts'
import { hasInstructionMarkup } from './instruction-markup.ts'
import { hasInvisibleCharacters } from './invisible-characters.ts'
import { hasLink } from './links.ts'
import { hasPaymentCard } from './payment-cards.ts'
import { hasPersonalData } from './personal-data.ts'
import { type Reading, readings } from './readings.ts'

type Looks = ReadonlyMap<Finding, (reading: Reading) => boolean>

const SECRETS_AND_PERSONAL_DATA: Looks = new Map<Finding, (reading: Reading) => boolean>([
  ['credential', ({ visible }) => hasCredential(visible)],
  ['payment-card', ({ visible }) => hasPaymentCard(visible)],
  ['personal-data', ({ visible }) => hasPersonalData(visible)],
  ['link', ({ visible }) => hasLink(visible)],
])

const HIDDEN_INSTRUCTIONS: Looks = new Map<Finding, (reading: Reading) => boolean>([
  ['hidden-text', ({ text, visible, encoded }) => isHidden(text, visible, encoded)],
  ['instruction-markup', ({ visible }) => hasInstructionMarkup(visible)],
])

/** Encoding is ordinary, whatever is in it; words to a model that are encoded are hidden. */
const isHidden = (text: string, visible: string, encoded: boolean): boolean =>
  encoded ? hasInstructionMarkup(visible) : hasInvisibleCharacters(text) || hasHiddenMarkup(text)

/**
 * The detectors that Gatehouse ships: one for secrets and personal data, one for what is hidden from people or addressed to models. Each text is judged
 * alone, as it came, as it looks, and by what its encoded passages say. More text than `LIMITS.scannedCharsMax` has every finding: nothing can be ruled
 * out where nobody looked.
 */
export function createDetectors(): readonly Detector[] {
  return [detector('secrets-and-personal-data', SECRETS_AND_PERSONAL_DATA), detector('hidden-instructions', HIDDEN_INSTRUCTIONS)]
}

function detector(name: string, looks: Looks): Detector {
  return {
    name,
    scan(texts) {
      const all = readings(texts)
      if (all === undefined) return new Set(looks.keys())
      return new Set([...looks].filter(([, look]) => all.some(look)).map(([finding]) => finding))
    },
  }
}
