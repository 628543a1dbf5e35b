const RUN_CHARS_MIN = 24
const ESCAPES_MIN = 8
const utf8 = new TextDecoder('utf-8', { fatal: true })

/**
 * What encoded passages say: base64 and base64url (lines of a mail joined), hex, percent and backslash escapes, text written in tag characters or in
 * variation selectors. Only what decodes to readable text; each at most as long as its passage. Linear.
 */
export function decodedBlobs(text: string): readonly string[] {
  const found: string[] = []
  const keep = (decoded: string | undefined): void => {
    if (decoded !== undefined && decoded !== text) found.push(decoded)
  }
  for (const run of alphabetRuns(text)) {
    keep(readable(Buffer.from(run, 'base64')))
    if (run.length % 2 === 0 && HEX.test(run)) keep(readable(Buffer.from(run, 'hex')))
  }
  keep(unescaped(text))
  keep(fromTags(text))
  keep(fromSelectors(text))
  return found
}

const HEX = /^[0-9a-fA-F]{0,4194304}$/

/** 1: a character of base64 or base64url; 2: a line's end. */
const CLASS = new Uint8Array(128)
for (const char of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_') CLASS[char.charCodeAt(0)] = 1
for (const char of '\r\n') CLASS[char.charCodeAt(0)] = 2

const LINE_CHARS_MIN = 60

/** Passages in the alphabet of base64, at least 24 characters; a line's end is inside one where the line was long. */
function* alphabetRuns(text: string): Generator<string> {
  let start = -1
  let line = 0
  let broken = false
  for (let at = 0; at <= text.length; at++) {
    const kind = CLASS[text.charCodeAt(at)] ?? 0
    if (kind === 1) {
      if (start < 0) [start, line, broken] = [at, at, false]
      continue
    }
    if (start < 0) continue
    if (kind === 2 && at - line >= LINE_CHARS_MIN) {
      if (text[at] === '\r' && text[at + 1] === '\n') at += 1
      broken = true
      line = at + 1
      continue
    }
    if (at - start >= RUN_CHARS_MIN) yield broken ? text.slice(start, at).replace(/[\r\n]/g, '') : text.slice(start, at)
    start = -1
  }
}

/** The bytes as text where they are UTF-8, or UTF-16 of Latin text, and nearly all of it can be printed. */
function readable(bytes: Buffer): string | undefined {
  if (bytes.length < 12) return undefined
  const wide = bytes[1] === 0 && bytes[3] === 0 && bytes[5] === 0
  const text = wide ? bytes.toString('utf16le') : decode(bytes)
  if (text === undefined) return undefined
  const strange = text.match(UNPRINTABLE)?.length ?? 0
  return strange * 20 <= text.length ? text : undefined
}

const UNPRINTABLE = /[^\t\n\r\p{L}\p{M}\p{N}\p{P}\p{S}\p{Zs}\p{Cf}]/gu

function decode(bytes: Buffer): string | undefined {
  try {
    return utf8.decode(bytes)
  } catch {
    return undefined
  }
}

const ESCAPE = /%([0-9a-f]{2})|\\x([0-9a-f]{2})|\\u([0-9a-f]{4})/gi

function unescaped(text: string): string | undefined {
  if (!text.includes('%') && !text.includes('\\')) return undefined
  let count = 0
  const bytes = text.replace(ESCAPE, (_, percent?: string, hex?: string, unit?: string) => {
    count += 1
    return String.fromCharCode(Number.parseInt(percent ?? hex ?? unit ?? '', 16))
  })
  if (count < ESCAPES_MIN) return undefined
  // Percent and \x escapes are bytes of UTF-8 where that makes sense.
  return BYTES_ONLY.test(bytes) ? (decode(Buffer.from(bytes, 'latin1')) ?? bytes) : bytes
}

const BYTES_ONLY = /^[\0-\xFF]{0,4194304}$/

const TAG = /[\u{E0020}-\u{E007E}]/gu

function fromTags(text: string): string | undefined {
  const tags = text.match(TAG)
  return tags === null ? undefined : tags.map((tag) => String.fromCharCode((tag.codePointAt(0) ?? 0) - 0xe0000)).join('')
}

const SELECTOR = /[\uFE00-\uFE0F\u{E0100}-\u{E01EF}]/gu

/** Selectors 1 to 256 as the bytes 0 to 255. */
function fromSelectors(text: string): string | undefined {
  const selectors = text.match(SELECTOR)
  if (selectors === null || selectors.length < 12) return undefined
  const bytes = selectors.map((selector) => {
    const code = selector.codePointAt(0) ?? 0
    return code < 0xff00 ? code - 0xfe00 : code - 0xe0100 + 16
  })
  return readable(Buffer.from(bytes))
}
