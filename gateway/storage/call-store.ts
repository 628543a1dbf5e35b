import { instant } from '../core/clock.ts'
import { LIMITS } from '../limits.ts'
import type { CallStore } from '../ports/call-store.ts'
import { accountOf } from './accounts.ts'
import { callsPage } from './call-pages.ts'
import { callById, callsById, endsOf, lastEqualCall } from './calls.ts'
import { readCounters } from './counters.ts'
import { lastLook, ruleDecisions, timedVotes } from './hold-figures.ts'
import { decisionsBefore, entriesAfter, entriesOfCall, type EntrySource } from './entries.ts'
import { expiredHolds, holdById, holdsPage, releasableHolds, votesOn } from './holds.ts'
import { labelsOf } from './labels.ts'
import { reading } from './outage.ts'
import { publicationsOf, publishersOf } from './policy-sets.ts'

const bounded = (first: number): number => Math.max(0, Math.min(Math.trunc(first), LIMITS.pageRowsMax))

/** Reads of the projections, by the contract of `CallStore`. Pages are cut at `LIMITS.pageRowsMax`. */
export function callStoreOn(source: EntrySource): CallStore {
  const { db } = source
  return {
    call: (id) => reading(() => callById(db, id)),
    calls: (filter, page) => reading(() => callsPage(db, filter, { ...page, first: bounded(page.first) })),
    callsOf: (ids) => reading(() => callsById(db, ids.slice(0, LIMITS.pageRowsMax))),
    lastEqual: (joinKey, before) => reading(() => lastEqualCall(db, joinKey, before)),
    hold: (id) => reading(() => holdById(db, id)),
    holds: (filter, page) => reading(() => holdsPage(db, filter, { ...page, first: bounded(page.first) })),
    votes: (id) => reading(() => votesOn(db, [id])),
    votesOn: (ids) => reading(() => votesOn(db, ids.slice(0, LIMITS.pageRowsMax))),
    lookedAt: (callId, person, since) =>
      reading(async () => {
        const at = await lastLook(db, callId, person, since)
        return at === undefined ? undefined : instant(at)
      }),
    ruleDecisions: (policyId, agent, since, first) => reading(() => ruleDecisions(db, policyId, agent, since, bounded(first))),
    timedVotes: (since, first) => reading(() => timedVotes(db, since, bounded(first))),
    publishers: (policies) => reading(() => publishersOf(db, policies)),
    publications: (policies) => reading(() => publicationsOf(db, policies)),
    account: (of) => reading(() => accountOf(source, of)),
    entries: (callId, unreadable) => reading(() => entriesOfCall(source, callId, LIMITS.pageRowsMax, unreadable)),
    entriesAfter: (position, first) => reading(() => entriesAfter(source, position, bounded(first))),
    decisionsBefore: (since, position, first) => reading(() => decisionsBefore(source, since, position, bounded(first))),
    labels: (agent, subject, run, since) => reading(() => labelsOf(db, agent, subject, run, since)),
    counters: (questions, now) => reading(async () => (await readCounters(db, questions, now)).answers(questions)),
    ends: (connector) => reading(() => endsOf(db, connector)),
    expiredHolds: (now, first) => reading(() => expiredHolds(db, now, bounded(first))),
    releasable: (first) => reading(() => releasableHolds(db, bounded(first))),
  }
}
