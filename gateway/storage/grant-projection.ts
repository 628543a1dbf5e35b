import type { BreakGlass } from '../core/break-glass.ts'
import { instant } from '../core/clock.ts'
import type { Entry, EntryBody } from '../core/entry.ts'
import { type GrantAmount, type StandingGrant, spentAfter, UNUSED } from '../core/grant.ts'
import type { BreakGlassId, CallId, GrantId } from '../core/ids.ts'

/** Grants and broken glass as their entries tell them. */
export class RebuiltGrants {
  readonly grants = new Map<GrantId, StandingGrant>()
  readonly broken = new Map<BreakGlassId, BreakGlass>()
  readonly #uses = new Map<CallId, { grant: GrantId; amounts: readonly GrantAmount[] }>()

  /** `gaveBack`: the entry says that nothing of its call happened. */
  fold(callId: CallId, { at, body }: Entry, gaveBack: boolean): void {
    const use = this.#uses.get(callId)
    if (gaveBack && use) {
      this.#uses.delete(callId)
      this.#move(use.grant, use.amounts, -1n)
    }
    switch (body.kind) {
      case 'grant.opened':
        this.grants.set(body.grant.id, { ...body.grant, ...UNUSED })
        return
      case 'grant.used':
        this.#uses.set(callId, body)
        this.#move(body.grant, body.amounts, 1n)
        return
      case 'grant.revoked':
        this.#end(body.grant, { ended: 'revoked', endedAt: instant(at), endedBy: body.by, why: body.why })
        return
      case 'grant.died':
        this.#end(body.grant, { ended: 'dead', endedAt: instant(at), endedBy: null, why: body.why })
        return
      default:
        this.#foldBroken(callId, at, body)
    }
  }

  #foldBroken(callId: CallId, at: number, body: EntryBody): void {
    if (body.kind === 'grant.break_glass') {
      const { id, hold, by, reason, until, reviewDue } = body
      this.broken.set(id, { id, holdId: hold, callId, by, reason, until, reviewDue, createdAt: instant(at), state: 'due', review: null })
    } else if (body.kind === 'grant.review_lapsed' || body.kind === 'grant.reviewed') {
      const before = this.broken.get(body.id)
      if (!before) return
      const { id } = body
      if (body.kind === 'grant.review_lapsed') this.broken.set(id, { ...before, state: 'lapsed' })
      else {
        const { verdict, by, comment } = body
        this.broken.set(id, { ...before, state: 'reviewed', review: { verdict, by, comment, at: instant(at) } })
      }
    }
  }

  #move(id: GrantId, amounts: readonly GrantAmount[], sign: 1n | -1n): void {
    const grant = this.grants.get(id)
    if (grant) this.grants.set(id, { ...grant, used: grant.used + Number(sign), spent: spentAfter(grant.spent, amounts, sign) })
  }

  #end(id: GrantId, end: Pick<StandingGrant, 'ended' | 'endedAt' | 'endedBy' | 'why'>): void {
    const grant = this.grants.get(id)
    if (grant) this.grants.set(id, { ...grant, ...end })
  }
}
