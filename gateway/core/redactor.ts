/** Masks secrets in a stream of bytes. */
export interface Redactor {
  /** The bytes that can be told by now, masked. What might be the start of a secret is kept back until more arrives. */
  push(chunk: Uint8Array): Uint8Array
  /** The rest. */
  end(): Uint8Array
}

const MASK = 0x2a
const EMPTY = new Uint8Array(0)

/** ASCII upper case to lower case; hex and percent-encodings come in both. */
const FOLD = Uint8Array.from({ length: 256 }, (_, code) => (code >= 0x41 && code <= 0x5a ? code + 0x20 : code))

/** Wu and Manber (1994), with blocks of two bytes: most of an answer is never looked at. */
interface Matcher {
  /** Length of the shortest needle. */
  window: number
  /** By the last two folded bytes of a window: how far on the next window is in which a needle can begin. */
  shifts: Uint8Array
  /** Folded. */
  needles: readonly Uint8Array[]
}

const BLOCK = 2
const SHIFT_MAX = 255
const matchers = new WeakMap<readonly Uint8Array[], Matcher>()

/** A lease's needles are the same array for all its calls, so the table is built once a lease. */
function matcherOf(needles: readonly Uint8Array[]): Matcher {
  const known = matchers.get(needles)
  if (known) return known
  const folded = needles.filter((needle) => needle.length >= BLOCK).map((needle) => needle.map((code) => FOLD[code] ?? code))
  const window = Math.min(SHIFT_MAX, ...folded.map((needle) => needle.length))
  const shifts = new Uint8Array(65_536).fill(window - BLOCK + 1)
  for (const needle of folded)
    for (let at = 0; at + BLOCK <= window; at++) {
      const pair = ((needle[at] ?? 0) << 8) | (needle[at + 1] ?? 0)
      shifts[pair] = Math.min(shifts[pair] ?? 0, window - BLOCK - at)
    }
  const matcher = { window, shifts, needles: folded }
  matchers.set(needles, matcher)
  return matcher
}

/**
 * Replaces every byte of every occurrence of every needle by `*`: occurrences may overlap and lie across chunk borders, and ASCII letters count alike in
 * both cases. The length stays. Needles shorter than 2 bytes are ignored. Without needles, chunks pass as they are.
 */
export function createRedactor(needles: readonly Uint8Array[]): Redactor {
  if (needles.length === 0) return { push: (chunk) => chunk, end: () => EMPTY }
  const matcher = matcherOf(needles)
  let kept = EMPTY
  /** How many of the kept bytes are part of an occurrence that began before them. */
  let masked = 0
  const next = (chunk: Uint8Array, last: boolean): Uint8Array => {
    const bytes = joined(kept, chunk)
    const scan = scanFor(matcher, bytes, masked, last)
    kept = bytes.slice(scan.told)
    masked = Math.max(0, scan.maskedTo - scan.told)
    return maskedCopy(bytes.subarray(0, scan.told), scan.ranges)
  }
  return { push: (chunk) => next(chunk, false), end: () => next(EMPTY, true) }
}

function joined(kept: Uint8Array, chunk: Uint8Array): Uint8Array {
  if (kept.length === 0) return chunk
  const bytes = new Uint8Array(kept.length + chunk.length)
  bytes.set(kept)
  bytes.set(chunk, kept.length)
  return bytes
}

interface Scan {
  /** Bytes before this one can be handed on. */
  told: number
  maskedTo: number
  /** From and to, in turn. */
  ranges: number[]
}

function scanFor({ window, shifts, needles }: Matcher, bytes: Uint8Array, masked: number, last: boolean): Scan {
  const ranges = masked > 0 ? [0, masked] : []
  let maskedTo = masked
  let at = 0
  while (at + window <= bytes.length) {
    const pair = ((FOLD[bytes[at + window - 2] ?? 0] ?? 0) << 8) | (FOLD[bytes[at + window - 1] ?? 0] ?? 0)
    const shift = shifts[pair] ?? 1
    if (shift > 0) {
      at += shift
      continue
    }
    for (const needle of needles) {
      const length = equalLength(needle, bytes, at)
      if (length === needle.length) {
        ranges.push(at, at + length)
        maskedTo = Math.max(maskedTo, at + length)
      } else if (!last && at + length === bytes.length) return { told: at, maskedTo, ranges }
    }
    at++
  }
  if (!last)
    for (; at < bytes.length; at++)
      if (needles.some((needle) => at + equalLength(needle, bytes, at) === bytes.length)) return { told: at, maskedTo, ranges }
  return { told: bytes.length, maskedTo, ranges }
}

/** How many bytes from `at` equal the needle's. */
function equalLength(needle: Uint8Array, bytes: Uint8Array, at: number): number {
  let length = 0
  while (length < needle.length && at + length < bytes.length && FOLD[bytes[at + length] ?? 0] === needle[length]) length++
  return length
}

function maskedCopy(bytes: Uint8Array, ranges: readonly number[]): Uint8Array {
  if (ranges.length === 0) return bytes
  const copy = bytes.slice()
  for (let i = 0; i < ranges.length; i += 2) copy.fill(MASK, ranges[i], ranges[i + 1])
  return copy
}
