/**
 * Whether a text holds characters that nobody sees and that its script does not need: what carries hidden words, or shows another order than is read.
 * What languages and emoji use where they use it is none of these: joiners in Arabic and Indic scripts and between emoji, direction marks beside
 * right-to-left letters, variants of ideographs, soft hyphens inside words. Linear.
 */
export function hasInvisibleCharacters(text: string): boolean {
  if (!SUSPECT.test(text)) return false
  const rightToLeft = RIGHT_TO_LEFT.test(text)
  const chars = Array.from(text.replace(FLAGS, ''))
  let marks = 0
  for (const [at, char] of chars.entries()) {
    if (!SUSPECT_ONE.test(char)) {
      marks = 0
      continue
    }
    if (DIRECTION.test(char)) {
      marks += 1
      if (!rightToLeft || marks > DIRECTIONS_IN_A_ROW_MAX) return true
    } else if (!hasPlace(char, chars[at - 1] ?? '', chars[at + 1] ?? '')) return true
  }
  return false
}

const DIRECTIONS_IN_A_ROW_MAX = 3

/** Emoji flags of England, Scotland and Wales: the only use of tag characters that is recommended for interchange (UTS #51). */
const FLAGS =
  /\u{1F3F4}\u{E0067}\u{E0062}(?:\u{E0065}\u{E006E}\u{E0067}|\u{E0073}\u{E0063}\u{E0074}|\u{E0077}\u{E006C}\u{E0073})\u{E007F}/gu

const SUSPECTS = String.raw`\p{Default_Ignorable_Code_Point}\0-\x08\x0E-\x1F\x7F-\x84\x86-\x9F\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069\uFFF9-\uFFFB\u{E0000}-\u{E0FFF}`
const SUSPECT = new RegExp(`[${SUSPECTS}]`, 'u')
const SUSPECT_ONE = new RegExp(`^[${SUSPECTS}]$`, 'u')

/** Marks, embeddings and isolates; overrides (U+202D, U+202E) show letters in an order that no language needs. */
const DIRECTION = /^[\u061C\u200E\u200F\u202A-\u202C\u2066-\u2069]$/u
const RIGHT_TO_LEFT = /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u

const JOINING =
  /^[\p{Script=Arabic}\p{Script=Syriac}\p{Script=Mongolian}\p{Script=Nko}\p{Script=Devanagari}\p{Script=Bengali}\p{Script=Gurmukhi}\p{Script=Gujarati}\p{Script=Oriya}\p{Script=Tamil}\p{Script=Telugu}\p{Script=Kannada}\p{Script=Malayalam}\p{Script=Sinhala}\p{Script=Khmer}\p{Script=Myanmar}\u064B-\u0655]$/u
const UNSPACED =
  /^[\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\p{Script=Tibetan}\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]$/u
const PICTURE = /^(?:[\p{Extended_Pictographic}\p{Emoji_Modifier}]|\uFE0F|\u20E3)$/u
const PICTURE_BASE = /^[\p{Emoji}\p{S}\p{Emoji_Modifier}]$/u
const IDEOGRAPH = /^[\p{Script=Han}]$/u
const VARIED =
  /^[\p{Script=Han}\p{Script=Mongolian}\p{Script=Myanmar}\p{Script=Phags_Pa}\p{Sm}\u3001\u3002\uFF01\uFF0C\uFF0E\uFF1A\uFF1B\uFF1F]$/u
const LETTER = /^\p{L}$/u
const COMBINING = /^\p{M}$/u

/** Whether an invisible character stands where writing needs it. */
function hasPlace(char: string, before: string, after: string): boolean {
  const code = char.codePointAt(0) ?? 0
  if (code === 0x200d) return JOINING.test(before) || (PICTURE.test(before) && /^\p{Extended_Pictographic}$/u.test(after))
  if (code === 0x200c) return JOINING.test(before)
  if (code === 0x200b || code === 0x2060) return UNSPACED.test(before) || UNSPACED.test(after)
  if (code === 0xad) return LETTER.test(before) && LETTER.test(after)
  if (code === 0xfeff) return before === ''
  if (code === 0x34f) return COMBINING.test(before) && COMBINING.test(after)
  if (code === 0x180e || (code >= 0x180b && code <= 0x180f)) return /^\p{Script=Mongolian}$/u.test(before)
  if (code === 0xfe0e || code === 0xfe0f) return PICTURE_BASE.test(before)
  if (code >= 0xfe00 && code <= 0xfe0d) return VARIED.test(before)
  if (code >= 0xe0100 && code <= 0xe01ef) return IDEOGRAPH.test(before)
  return false
}
