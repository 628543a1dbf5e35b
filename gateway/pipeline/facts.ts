import type { Instant } from '../core/clock.ts'
import type { Decision, LookedUp, Verdict } from '../core/decision.ts'
import { type Facts, NO_FACTS } from '../core/facts.ts'
import type { CallId } from '../core/ids.ts'
import { canonicalJson, type JsonValue } from '../core/json.ts'
import type { Decider } from '../ports/decider.ts'
import type { Finding } from '../ports/detector.ts'
import type { CounterAnswer } from '../ports/recorder.ts'
import type { Span } from '../ports/telemetry.ts'
import { findingsInTurns } from './findings.ts'
import { questionOf, type Subject } from './subject.ts'
import { type Gap, type History, historyOf } from './history.ts'
import { lookUp } from './lookup.ts'
import type { Parts } from './stages.ts'
import { textsIn } from './texts.ts'

/** What is known of a call before it is decided. Counters are read later, in the transaction that writes the decision. */
export interface Gathered {
  /** The one that said what is needed: it decides as well, whichever policies come into force meanwhile. */
  readonly decider: Decider
  /** All but history. */
  readonly facts: Facts
  readonly lookups: readonly LookedUp[]
  /** Null where no counter takes part. */
  readonly history: History | null
  /** Why facts that are needed are missing. */
  readonly missing: readonly Gap[]
  /** No permit could apply whatever the rest turned out to be, so that nobody asked. */
  readonly hopeless: boolean
}

const NOTHING: Omit<Gathered, 'decider'> = { facts: NO_FACTS, lookups: [], history: null, missing: [], hopeless: false }

/**
 * Gathers the facts that policy needs for this call, and plans what its intent adds to counters. Where nothing is needed nothing is done. Throws
 * UNAVAILABLE where labels cannot be read: then nothing may happen.
 */
export async function gather(parts: Parts, subject: Subject, callId: CallId, span: Span): Promise<Gathered> {
  const gathered = await factsFor(parts, subject, callId, span)
  parts.onStage('gathered')
  return gathered
}

async function factsFor(parts: Parts, subject: Subject, callId: CallId, span: Span): Promise<Gathered> {
  const { decider } = parts
  const needs = decider.needs(subject.operation.id)
  const history = historyOf(parts, countedCall(subject), needs)
  const found = needs.findings ? await findings(parts, subject) : undefined
  const labels = needs.labels ? await labelsOf(parts, subject) : undefined
  if (!history && !found && !labels && needs.lookups.length === 0) return { ...NOTHING, decider }
  const facts: Facts = { ...NO_FACTS, ...(labels ? { labels } : {}), ...(found ? { findings: found } : {}) }
  if (needs.lookups.length === 0) return { ...NOTHING, decider, facts, history }
  if (!decider.couldAllow(questionOf(parts, subject, facts))) return { ...NOTHING, decider, facts, hopeless: true }
  const lookups = await lookUp(parts, subject, needs.lookups, callId, span)
  const lookup = Object.fromEntries(lookups.flatMap(({ fact, fields }) => (fields ? [[fact, fields]] : [])))
  const missing = lookups.flatMap(({ fact, error }) =>
    error === null ? [] : [{ error: `lookup \`${fact}\` failed: ${error}`, advice: UNREAD }],
  )
  return { decider, facts: { ...facts, lookup }, lookups, history, missing, hopeless: false }
}

/** A call as counters see it. */
export const countedCall = ({ operation, input, principal: { agent, subject } }: Subject) => ({
  operation,
  input,
  agent: agent.name,
  owner: agent.owner,
  subject: subject ?? null,
})

/** What the detectors find in the arguments. */
export const findings = ({ detectors }: Pick<Parts, 'detectors'>, { input }: Subject): Promise<readonly Finding[]> =>
  findingsInTurns(detectors, textsIn(input))

/** Labels that stick to the caller in the run that it names, sorted. Throws UNAVAILABLE. */
export async function labelsOf(
  { store, clock, labelWindowMs }: Pick<Parts, 'store' | 'clock' | 'labelWindowMs'>,
  { principal, asserted }: Subject,
): Promise<readonly string[]> {
  const since = (clock.now() - labelWindowMs) as Instant
  return (await store.labels(principal.agent.name, principal.subject ?? null, asserted.run ?? null, since)).labels
}

/** Facts as policy gets them. */
export interface Known {
  readonly facts: Facts
  readonly missing: readonly Gap[]
}

/** With what the counters answered, where they take part. */
export function known({ facts, missing, history }: Gathered, answers: ReadonlyMap<string, CounterAnswer>): Known {
  if (!history) return { facts, missing }
  const counted = history.facts(answers)
  return { facts: { ...facts, history: counted.history }, missing: [...missing, ...counted.missing] }
}

/**
 * Policy's word with what the gathering has to add: why facts are missing, what was looked up, and the denial of what policy would let through but
 * nobody could count. Never widens.
 */
export function completed(decision: Decision, { lookups, history, hopeless }: Gathered, missing: readonly Gap[]): Decision {
  const verdict = verdictWith(decision.verdict, history?.uncounted ?? null, hopeless, missing)
  if (verdict === decision.verdict && lookups.length === 0) return decision
  return { verdict, evidence: { ...decision.evidence, ...(lookups.length === 0 ? {} : { lookups }) } }
}

function verdictWith(verdict: Verdict, uncounted: Gap | null, hopeless: boolean, missing: readonly Gap[]): Verdict {
  if (verdict.effect !== 'deny') {
    if (uncounted === null) return verdict
    return { effect: 'deny', policies: [], reason: 'policy_error', ...adviceIn([uncounted]), errors: [uncounted.error] }
  }
  if (verdict.reason !== 'policy_error') return verdict
  // What was not asked is missing because no permit could apply: that is the reason, not the gap.
  if (hopeless) return { effect: 'deny', policies: [], reason: 'no_permit' }
  if (missing.length === 0) return verdict
  return { ...adviceIn(missing), ...verdict, errors: [...(verdict.errors ?? []), ...missing.map(({ error }) => error)] }
}

const UNREAD = 'What is to be known of the object could not be read: see that it exists, or try again later.'

/** Policy's own advice goes before it. */
function adviceIn(gaps: readonly Gap[]): { advice?: string } {
  const advice = gaps.find((gap) => gap.advice !== undefined)?.advice
  return advice === undefined ? {} : { advice }
}

/** Which lookups answer otherwise than before, and in which fields: names alone, as the values are for those who may see payloads. Null where none does. */
export function changedFacts(before: readonly LookedUp[], now: readonly LookedUp[]): string | null {
  const changed = now.flatMap(({ fact, digest, fields }) => {
    const old = before.find((one) => one.fact === fact)
    if (old?.digest === digest) return []
    const names = [...new Set([...Object.keys(old?.fields ?? {}), ...Object.keys(fields ?? {})])].sort()
    const differing = names.filter((name) => textOf(old?.fields?.[name]) !== textOf(fields?.[name]))
    return [`lookup \`${fact}\` changed${differing.length === 0 ? '' : ` in \`${differing.join('`, `')}\``}`]
  })
  return changed.length === 0 ? null : `facts_changed: ${changed.join('; ')}`
}

const textOf = (value: JsonValue | undefined): string => (value === undefined ? '' : canonicalJson(value))
