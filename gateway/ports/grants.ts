import type { BreakGlass, BreakGlassState, BreakGlassVerdict } from '../core/break-glass.ts'
import type { GrantQuestion, GrantState, StandingGrant } from '../core/grant.ts'
import type { BreakGlassId, CallId, GrantId, HoldId } from '../core/ids.ts'
import type { Page, PageRequest } from './call-store.ts'

export interface GrantFilter {
  state?: GrantState
  agent?: string
}

/**
 * Standing grants, and holds that somebody approved alone in an emergency. What changes one writes its entry in the same transaction; uses are reserved where
 * calls are recorded (`Recorder`). Pages are newest first. Throws UNAVAILABLE.
 */
export interface Grants {
  grant(id: GrantId): Promise<StandingGrant | undefined>
  grants(filter: GrantFilter, page: PageRequest<GrantId>): Promise<Page<StandingGrant>>
  /** How many could still be used for such calls. */
  countLive(question: GrantQuestion): Promise<number>
  /** The grant that let this call pass. */
  usedBy(call: CallId): Promise<StandingGrant | undefined>
  /** The grant that this hold's approval gave. */
  givenWith(hold: HoldId): Promise<StandingGrant | undefined>
  /** Ends a grant that has not ended, at every replica from the moment of COMMIT. False where somebody was faster. `by` is null where what it rested on is gone. */
  end(id: GrantId, by: string | null, why: string): Promise<boolean>
  brokenGlass(id: BreakGlassId): Promise<BreakGlass | undefined>
  brokenGlasses(state: BreakGlassState | undefined, page: PageRequest<BreakGlassId>): Promise<Page<BreakGlass>>
  /** Who approved this hold alone. */
  brokenFor(hold: HoldId): Promise<BreakGlass | undefined>
  /** A use whose review is overdue; undefined where the glass may be broken. */
  overdueReview(nowMs: number): Promise<BreakGlass | undefined>
  /** False where it was reviewed already. */
  review(id: BreakGlassId, verdict: BreakGlassVerdict, by: string, comment: string): Promise<boolean>
}
