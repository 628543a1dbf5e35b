import type { Call } from '../core/call.ts'
import { GatewayError } from '../core/errors.ts'
import type { StandingTerms } from '../core/grant.ts'
import type { Hold } from '../core/hold.ts'
import { bindingDigest } from './hold.ts'
import { endOf, lastDecision, subjectOf } from './resume.ts'
import type { Parts } from './stages.ts'

/** What a person wants to come with a hold's approval; null for nothing beyond the one call. */
export interface StandingProposal {
  gives: StandingTerms | null
  by: string
  comment: string | null
}

type Proposing = Pick<Parts, 'organisation' | 'nonce' | 'newHoldId' | 'store' | 'recorder' | 'registry' | 'catalogue' | 'clock'>

/**
 * Puts a hold in the place of an open one that differs in what its approval gives: other digest, no votes, the same deadline and escalations. Answers with the
 * new hold; undefined where the old one changed meanwhile. Throws HOLD_NOT_OPEN where agent or operation are no longer those of the call, UNAVAILABLE.
 */
export async function proposeStanding(parts: Proposing, call: Call, hold: Hold, proposal: StandingProposal): Promise<Hold | undefined> {
  const last = lastDecision(await parts.store.entries(call.id))
  const subject = subjectOf(parts, call, last?.request.asserted ?? {}, null)
  if (typeof subject === 'string') throw new GatewayError('HOLD_NOT_OPEN', `hold \`${hold.id}\` cannot be changed: ${subject}`)
  const { gives: _before, ...rest } = hold
  const nonce = parts.nonce()
  const replacement: Hold = { ...rest, ...(proposal.gives ? { gives: proposal.gives } : {}), id: parts.newHoldId(), nonce, digest: '' }
  const digest = bindingDigest(parts.organisation, subject, last?.decision.evidence.lookups ?? [], replacement, hold.approvalVersions)
  const { by, comment, gives } = proposal
  const done = await parts.recorder.changeHold({
    ...endOf(call, hold, {
      to: 'superseded',
      callState: 'held',
      why: gives ? 'a standing grant was proposed with it' : 'the standing grant was taken out',
      replacement: { ...replacement, digest },
    }),
    ...{ by, from: 'open', digest: hold.digest, proposes: { comment, gives } },
  })
  return done ? { ...replacement, digest } : undefined
}
