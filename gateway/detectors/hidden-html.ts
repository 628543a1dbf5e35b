import { visibleForm } from './visible-form.ts'

/**
 * Whether a text holds markup that a browser or a Markdown page does not show: comments with words, elements that are styled away, text in the colour
 * of its ground. Linear.
 */
export function hasHiddenMarkup(text: string): boolean {
  if (hasComment(text)) return true
  if (!TAG.test(text)) return false
  const grounded = GROUND.test(text)
  for (const [style] of text.matchAll(STYLE)) if (isStyledAway(visibleForm(style), grounded)) return true
  return HIDDEN_ATTRIBUTE.test(text) || (!grounded && WHITE_FONT.test(text))
}

const MARKDOWN_COMMENT = /^ {0,3}\[[^\]\n]{0,40}\]: {0,4}(?:#|<>) {0,4}["'(]/m
const WORDS = /\p{L}\p{L}/u

function hasComment(text: string): boolean {
  if (MARKDOWN_COMMENT.test(text)) return true
  for (let at = text.indexOf('<!--'); at >= 0; ) {
    const end = text.indexOf('-->', at + 4)
    // A comment without an end hides all that follows.
    if (WORDS.test(text.slice(at + 4, end < 0 ? undefined : end))) return true
    if (end < 0) return false
    at = text.indexOf('<!--', end)
  }
  return false
}

const TAG = /<[a-z!/]/i
/** A style attribute's value or a rule's body: neither has brackets inside. */
const STYLE = /(?:style\s{0,4}=\s{0,4}["']?|\{)[^{}<>]{1,2000}/gi
const GROUND = /background|bgcolor/i
const HIDDEN_ATTRIBUTE = /<[a-z][a-z0-9-]{0,30}\s(?:[^<>]{0,500}\s)?hidden(?:[\s>/]|=["'])/i
const WHITE_FONT = /<font\s[^<>]{0,200}color\s{0,4}=\s{0,4}["']?(?:white|#f{6}|#f{3})\b/i

const HIDING: readonly RegExp[] = [
  /display\s{0,8}:\s{0,8}none/i,
  /visibility\s{0,8}:\s{0,8}(?:hidden|collapse)/i,
  /opacity\s{0,8}:\s{0,8}(?:0|0?\.0\d?)\s{0,8}(?:[;"'!}]|$)/i,
  /font-size\s{0,8}:\s{0,8}(?:[01]|0?\.\d{1,3})(?:px|pt|em|rem|%)?\s{0,8}(?:[;"'!}]|$)/i,
  /text-indent\s{0,8}:\s{0,8}-\d{3}/i,
  /(?:left|top|right)\s{0,8}:\s{0,8}-\d{4}/i,
  /(?:^|[^-])color\s{0,8}:\s{0,8}transparent/i,
  /max-height\s{0,8}:\s{0,8}0(?:px)?\s{0,8}(?:[;"'!}]|$)/i,
]

function isStyledAway(style: string, grounded: boolean): boolean {
  if (HIDING.some((pattern) => pattern.test(style))) return true
  const colour = colourOf(style, INK)
  if (colour === undefined) return false
  const ground = colourOf(style, PAPER)
  // Without any ground in the whole text the page is white.
  return ground === undefined ? !grounded && colour === 'ffffff' : ground === colour
}

const VALUE = String.raw`\s{0,8}:\s{0,8}(#[0-9a-f]{3,8}|rgba?\([\d\s,.%]{1,40}\)|[a-z]{3,20})`
const INK = new RegExp(`(?:^|[^-a-z])color${VALUE}`, 'i')
const PAPER = new RegExp(`background(?:-color)?${VALUE}`, 'i')

/** Six hexadecimal digits for what can be compared, else the word. */
function colourOf(style: string, pattern: RegExp): string | undefined {
  const value = pattern.exec(style)?.[1]?.toLowerCase()
  if (value === undefined) return undefined
  if (value === 'white') return 'ffffff'
  if (value === 'black') return '000000'
  if (value.startsWith('#')) {
    const digits = value.slice(1)
    return digits.length < 6 ? Array.from(digits.slice(0, 3), (digit) => digit + digit).join('') : digits.slice(0, 6)
  }
  const parts = value.startsWith('rgb') ? (value.match(/\d{1,3}/g) ?? []) : []
  return parts.length < 3
    ? value
    : parts
        .slice(0, 3)
        .map((part) => Number(part).toString(16).padStart(2, '0'))
        .join('')
}
