import { setImmediate as turn } from 'node:timers/promises'
import { type AccountMessage, type AccountSpan, charsOf, NOTHING_DROPPED, withoutRepeats, withTexts } from '../core/account.ts'
import type { Principal } from '../core/principal.ts'
import { LIMITS } from '../limits.ts'
import type { Accounts, TracedSpan } from '../ports/accounts.ts'
import type { Detector, Finding } from '../ports/detector.ts'
import { authenticate, recordRefusal } from './authenticate.ts'
import { createLimiter } from './limit.ts'
import type { Parts } from './stages.ts'
import { maskText } from './text-mask.ts'

const DOOR = 'otlp'

/** By the contract of `Accounts`. */
export function createAccounts(parts: Parts): Accounts {
  const limits = { callsPerMinute: LIMITS.accountRequestsPerMinuteMax, concurrentCalls: LIMITS.accountRequestsConcurrentMax }
  const limiter = createLimiter(limits, parts.clock, 'requests with spans')
  return {
    authenticate: (authorization) => authenticate(parts, authorization, DOOR),
    enter: ({ agent }) => limiter.enter(agent.name),
    tell: (principal, spans) => tell(parts, principal, spans),
    refuse: (principal, asked, error) => recordRefusal(parts, DOOR, principal, asked, error),
  }
}

const TOO_MANY_TRACES = `a request may have ${LIMITS.accountTracesPerRequestMax} traces`
const TOO_LONG = `the spans of a request may have ${LIMITS.accountCharsPerRequestMax} characters of text`

async function tell(parts: Parts, { agent, subject }: Principal, spans: readonly TracedSpan[]): Promise<ReadonlyMap<string, number>> {
  const notKept = new Map<string, number>()
  const reject = (why: string, count: number): void => void notKept.set(why, (notKept.get(why) ?? 0) + count)
  const shortener = new Shortener(parts.detectors)
  const traces = [...Map.groupBy(spans, ({ traceId }) => traceId)]
  for (const [, own] of traces.slice(LIMITS.accountTracesPerRequestMax)) reject(TOO_MANY_TRACES, own.length)
  const tellings: { traceId: string; told: readonly AccountSpan[]; telling: ReturnType<Parts['recorder']['tell']> }[] = []
  for (const [traceId, own] of traces.slice(0, LIMITS.accountTracesPerRequestMax)) {
    const { told, dropped, masked } = await shortener.shorten(own)
    if (dropped.spans > 0) reject(TOO_LONG, dropped.spans)
    if (told.length === 0) continue
    const telling = parts.recorder.tell({ traceId, agent: agent.name, subject: subject ?? null, told, dropped, masked })
    // Awaited below, where the others of the request are: they share a commit.
    telling.catch(() => undefined)
    tellings.push({ traceId, told, telling })
  }
  for (const { told, telling } of tellings) {
    const { kept, why } = await telling
    if (why !== undefined) reject(why, told.length - kept)
  }
  return notKept
}

const CHARS_MAX = { name: LIMITS.accountNameCharsMax, words: LIMITS.accountTextCharsMax } as const
/** So much more of a text is looked at than is kept: a key that begins in what is kept is told by what follows. */
const LOOKED_AT = 2
const FINISH_REASONS_MAX = 8
/** How often a text is looked at, in parts, to find out where in it something is. */
const NARROWING = 6

/** Cuts and masks the spans of one request. */
class Shortener {
  readonly #detectors: readonly Detector[]
  /** Frameworks repeat themselves: each text is looked at once. */
  readonly #seen = new Map<string, string>()
  #room: number = LIMITS.accountCharsPerRequestMax
  readonly #narrowing = { left: LIMITS.accountNarrowedCharsMax as number }
  #sinceTurn = 0
  #found = new Set<Finding>()
  #cut = 0

  constructor(detectors: readonly Detector[]) {
    this.#detectors = detectors
  }

  async shorten(spans: readonly TracedSpan[]) {
    this.#found = new Set()
    this.#cut = 0
    const told: AccountSpan[] = []
    for (const span of withoutRepeats(spans.map((one) => one.span))) {
      const short = this.#bounded(span)
      if (charsOf(short) > this.#room) continue
      const masked = await withTexts(short, (text, what) => this.#masked(text, CHARS_MAX[what]))
      this.#room -= charsOf(masked)
      told.push(masked)
    }
    const attributes = spans.reduce((sum, { leftOut }) => sum + leftOut, 0)
    const dropped = { ...NOTHING_DROPPED, spans: spans.length - told.length, attributes, texts: this.#cut }
    return { told, dropped, masked: [...this.#found].sort() }
  }

  /** The newest messages are those that led to what came next, so they are kept where there are too many. */
  #bounded(span: AccountSpan): AccountSpan {
    const name = (text: string | null): string | null => (text === null ? null : this.#cutLong(text, 'name'))
    const words = (text: string | null): string | null => (text === null ? null : this.#cutLong(text, 'words'))
    const { tool, finishReasons, operation, provider, model, agent } = span
    const own = {
      ...span,
      ...{ name: this.#cutLong(span.name, 'name'), error: words(span.error) },
      ...{ operation: name(operation), provider: name(provider), model: name(model), agent: name(agent) },
      finishReasons: finishReasons.slice(0, FINISH_REASONS_MAX).map((reason) => this.#cutLong(reason, 'name')),
      tool: tool && { name: name(tool.name), arguments: words(tool.arguments), result: words(tool.result) },
    }
    let room = LIMITS.accountCharsPerSpanMax - charsOf({ ...own, messages: [] })
    const kept: AccountMessage[] = []
    for (const { side, role, text, tool: called } of span.messages.toReversed()) {
      const message = { side, role: this.#cutLong(role, 'name'), text: this.#cutLong(text, 'words'), tool: name(called) }
      room -= Math.min(message.text.length, CHARS_MAX.words) + message.role.length
      if (room < 0 || kept.length >= LIMITS.accountMessagesPerSpanMax) break
      kept.push(message)
    }
    this.#cut += span.messages.length - kept.length + finishReasons.length - own.finishReasons.length
    return { ...own, messages: kept.reverse() }
  }

  #cutLong(text: string, what: keyof typeof CHARS_MAX): string {
    if (text.length > CHARS_MAX[what]) this.#cut += 1
    return text.slice(0, LOOKED_AT * CHARS_MAX[what]).toWellFormed()
  }

  async #masked(text: string, charsMax: number): Promise<string> {
    const key = `${charsMax} ${text}`
    const known = this.#seen.get(key)
    if (known !== undefined) return known
    this.#sinceTurn += text.length
    if (this.#sinceTurn > LIMITS.scannedAtOnceCharsMax) {
      this.#sinceTurn = 0
      await turn()
    }
    const narrowing = { left: Math.min(this.#narrowing.left, NARROWING * text.length) }
    this.#narrowing.left -= narrowing.left
    const { text: masked, findings } = maskText(this.#detectors, text, narrowing)
    this.#narrowing.left += Math.max(0, narrowing.left)
    for (const finding of findings) this.#found.add(finding)
    const short = masked.slice(0, charsMax).toWellFormed()
    this.#seen.set(key, short)
    return short
  }
}
