import type { Instant } from '../core/clock.ts'
import type { Facts } from '../core/facts.ts'
import type { Explanation } from '../ports/decider.ts'
import type { CounterAnswer } from '../ports/recorder.ts'
import { completed, countedCall, findings, type Gathered, known, labelsOf } from './facts.ts'
import { historyOf } from './history.ts'
import type { Parts } from './stages.ts'
import { questionOf, type Subject } from './subject.ts'

type DryParts = Pick<Parts, 'decider' | 'clock' | 'registry' | 'store' | 'detectors' | 'organisation' | 'factKey' | 'labelWindowMs'>

/** Facts that somebody gives instead of having them gathered. */
export type GivenFacts = Partial<Facts>

/**
 * What policy would say to this call now. Counters are read without reserving, and only where `readsHistory`; no system is touched, so a lookup is known
 * only where it is given. What is missing is said, and denies where policy reads it. Throws UNAVAILABLE.
 */
export async function dryDecision(parts: DryParts, subject: Subject, given: GivenFacts, readsHistory: boolean): Promise<Explanation> {
  const { decider } = parts
  const needs = decider.needs(subject.operation.id)
  const now = parts.clock.now()
  const wanted = needs.history.filter(({ name }) => given.history?.[name] === undefined)
  const history = historyOf(parts, countedCall(subject), { ...needs, history: readsHistory ? wanted : [] })
  const unread = needs.lookups.filter(({ name }) => given.lookup?.[name] === undefined)
  const gathered: Gathered = {
    decider,
    facts: {
      history: {},
      lookup: given.lookup ?? {},
      ...(needs.labels ? { labels: given.labels ?? (await labelsOf(parts, subject)) } : {}),
      ...(needs.findings ? { findings: given.findings ?? (await findings(parts, subject)) } : {}),
    },
    lookups: [],
    history,
    missing: [
      ...(readsHistory ? [] : wanted.map(({ name }) => ({ error: `history \`${name}\` is not read for this role: give it in the facts` }))),
      ...unread.map(({ name }) => ({ error: `lookup \`${name}\` was not made, since explaining touches no system: give it in the facts` })),
    ],
    hopeless: false,
  }
  const { facts, missing } = known(gathered, history ? await answers(parts, history.counters, now) : new Map())
  const question = questionOf(parts, subject, { ...facts, history: { ...facts.history, ...given.history } }, now)
  const explained = decider.explain(question)
  const hopeless = unread.length > 0 && !decider.couldAllow(question)
  const decision = completed(explained.decision, { ...gathered, hopeless }, missing)
  const { reason: _reason, ...rest } = explained
  return { ...rest, decision, ...(decision.verdict.effect === 'deny' ? { reason: decision.verdict.reason } : {}) }
}

const answers = async (
  { store }: DryParts,
  counters: Parameters<Parts['store']['counters']>[0],
  now: Instant,
): Promise<ReadonlyMap<string, CounterAnswer>> => (counters.length === 0 ? new Map() : await store.counters(counters, now))
