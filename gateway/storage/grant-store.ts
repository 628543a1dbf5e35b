import type { Clock } from '../core/clock.ts'
import { LIMITS } from '../limits.ts'
import type { PageRequest } from '../ports/call-store.ts'
import type { Grants } from '../ports/grants.ts'
import { breakGlassPage, breakGlassWhere, overdueReview, reviewBreakGlass } from './break-glass.ts'
import { countLiveGrants, endGrant, grantsPage, grantUsedBy, grantWhere } from './grants.ts'
import { reading } from './outage.ts'
import type { Db } from './tables.ts'
import type { Transactions } from './transaction-scope.ts'

const bounded = <Id extends string>(page: PageRequest<Id>): PageRequest<Id> => ({
  ...page,
  first: Math.max(0, Math.min(Math.trunc(page.first), LIMITS.pageRowsMax)),
})

/** Standing grants and broken glass, by the contract of `Grants`. */
export function grantsOn(db: Db, writer: Pick<Transactions, 'transact'>, clock: Clock): Grants {
  return {
    grant: (id) => reading(() => grantWhere(db, 'id', id)),
    grants: (filter, page) => reading(() => grantsPage(db, filter, bounded(page), clock.now())),
    countLive: (question) => reading(() => countLiveGrants(db, question, clock.now())),
    usedBy: (call) => reading(() => grantUsedBy(db, call)),
    givenWith: (hold) => reading(() => grantWhere(db, 'hold_id', hold)),
    end: (id, by, why) =>
      writer.transact(async ({ tx, append, atMs }) => {
        const callId = await endGrant(tx, id, by === null ? 'dead' : 'revoked', by, why, atMs)
        if (callId === undefined) return false
        append(callId, by === null ? { kind: 'grant.died', grant: id, why } : { kind: 'grant.revoked', grant: id, by, why })
        return true
      }),
    brokenGlass: (id) => reading(() => breakGlassWhere(db, 'id', id)),
    brokenGlasses: (state, page) => reading(() => breakGlassPage(db, state, bounded(page))),
    brokenFor: (hold) => reading(() => breakGlassWhere(db, 'hold_id', hold)),
    overdueReview: (nowMs) => reading(() => overdueReview(db, nowMs)),
    review: (id, verdict, by, comment) =>
      writer.transact(async ({ tx, append, atMs }) => {
        const reviewed = await reviewBreakGlass(tx, id, { verdict, by, comment }, atMs)
        if (!reviewed) return false
        append(reviewed.callId, { kind: 'grant.reviewed', id, by, verdict, comment })
        return true
      }),
  }
}
