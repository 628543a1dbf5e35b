import { canonicalJson, type JsonValue } from './json.ts'

/**
 * Everything that shows nothing, or changes how its neighbours are shown: controls, formats (bidirectional overrides, zero-width joiners), separators
 * and spaces but the plain one, private and unassigned characters, variation selectors, and letters that are drawn empty.
 */
const INVISIBLE =
  /\u034f|[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}\p{Cs}]|[\u115f\u1160\u2800\u3164\uffa0]|\u17b4|\u17b5|\p{Variation_Selector}|(?! )\p{Zs}/gu

const escaped = (character: string): string =>
  Array.from({ length: character.length }, (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')

/** The text with every invisible character written as its JSON escape. */
export const visible = (text: string): string => text.replace(INVISIBLE, escaped)

/** Text of several lines for a terminal: what would move its cursor, change its colours or turn the order of letters is written as its JSON escape. */
export const terminalText = (text: string): string => text.replace(/(?![\n\t])[\p{Cc}\p{Bidi_Control}]/gu, escaped)

/** Canonical JSON (RFC 8785) of a value, complete, with every invisible character escaped: still the same value, and no other value looks so. */
export const visibleJson = (value: JsonValue): string => visible(canonicalJson(value))

/** How many characters of the text are to be seen: neither invisible ones nor spaces count, so that a blank text has none. */
export const visibleChars = (text: string): number => Array.from(text.replace(INVISIBLE, '').replaceAll(' ', '')).length
