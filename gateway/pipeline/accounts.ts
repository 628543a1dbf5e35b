import { setImmediate as turn } from 'node:timers/promises'
import { type AccountSpan, charsOf, NOTHING_DROPPED, withoutRepeats, withTexts } from '../core/account.ts'
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

/** How much of a text is looked at: what begins within what is kept, and is told by what follows. */
const LOOKED_AT = 2 * LIMITS.accountTextCharsMax

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
      const masked = await withTexts(short, (text) => this.#masked(text))
      this.#room -= charsOf(masked)
      told.push(masked)
    }
    const attributes = spans.reduce((sum, { leftOut }) => sum + leftOut, 0)
    const dropped = { ...NOTHING_DROPPED, spans: spans.length - told.length, attributes, texts: this.#cut }
    return { told, dropped, masked: [...this.#found].sort() }
  }

  /** The newest messages are those that led to what came next, so they are kept where there are too many. */
  #bounded(span: AccountSpan): AccountSpan {
    const { tool, finishReasons } = span
    const name = (text: string | null): string | null => (text === null ? null : this.#short(text))
    const own = {
      ...span,
      name: this.#short(span.name),
      error: span.error === null ? null : this.#cutLong(span.error),
      ...{ operation: name(span.operation), provider: name(span.provider), model: name(span.model), agent: name(span.agent) },
      finishReasons: finishReasons.slice(0, 8).map((reason) => this.#short(reason)),
      tool: tool && {
        name: name(tool.name),
        arguments: tool.arguments === null ? null : this.#cutLong(tool.arguments),
        result: tool.result === null ? null : this.#cutLong(tool.result),
      },
    }
    let room = LIMITS.accountCharsPerSpanMax - charsOf({ ...own, messages: [] })
    const kept: AccountSpan['messages'][number][] = []
    for (const { side, role, text, tool: called } of span.messages.toReversed()) {
      const message = { side, role: this.#short(role), text: this.#cutLong(text), tool: name(called) }
      room -= Math.min(message.text.length, LIMITS.accountTextCharsMax) + message.role.length
      if (room < 0 || kept.length >= LIMITS.accountMessagesPerSpanMax) break
      kept.push(message)
    }
    this.#cut += span.messages.length - kept.length
    return { ...own, messages: kept.reverse() }
  }

  #short(text: string): string {
    if (text.length > LIMITS.accountNameCharsMax) this.#cut += 1
    return text.slice(0, LIMITS.accountNameCharsMax)
  }

  #cutLong(text: string): string {
    if (text.length > LIMITS.accountTextCharsMax) this.#cut += 1
    return text.slice(0, LOOKED_AT).toWellFormed()
  }

  async #masked(text: string): Promise<string> {
    const known = this.#seen.get(text)
    if (known !== undefined) return known
    this.#sinceTurn += text.length
    if (this.#sinceTurn > LIMITS.scannedAtOnceCharsMax) {
      this.#sinceTurn = 0
      await turn()
    }
    const { text: masked, findings } = maskText(this.#detectors, text, this.#narrowing)
    for (const finding of findings) this.#found.add(finding)
    const short = masked.slice(0, LIMITS.accountTextCharsMax).toWellFormed()
    this.#seen.set(text, short)
    return short
  }
}
