import type { Call } from '../core/call.ts'
import { GatewayError } from '../core/errors.ts'
import { constraintsOn, type Grant, leavesOf, type StandingGrant, standingFaults } from '../core/grant.ts'
import { groupsOf, type Hold } from '../core/hold.ts'
import type { GrantId, HoldId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import type { Page, PageRequest } from '../ports/call-store.ts'
import type { GrantFilter } from '../ports/grants.ts'
import type { Operator, StandingAsked } from '../ports/operator.ts'
import type { OperatorDeps } from './deps.ts'
import { admit, approveHold } from './holds.ts'
import { comment, hasRole, isReader, requirePerson } from './roles.ts'

/** Grants, newest first: all for reading roles, for everyone else those that they gave or could give. */
export async function listGrants(
  deps: OperatorDeps,
  by: Operator,
  filter: GrantFilter,
  page: PageRequest<GrantId>,
): Promise<Page<StandingGrant>> {
  if (isReader(by)) return deps.grants.grants(filter, page)
  const rows: StandingGrant[] = []
  let from: PageRequest<GrantId> = { ...page, first: LIMITS.pageRowsMax }
  for (let looks = 0; looks < LIMITS.grantPagesMax; looks++) {
    const found = await deps.grants.grants(filter, from)
    rows.push(...found.rows.filter((grant) => isGiver(by, grant)))
    const last = found.rows.at(-1)
    if (!found.more || !last || rows.length > page.first) return { rows: rows.slice(0, page.first), more: rows.length > page.first }
    from = { ...from, after: last.id }
  }
  return { rows, more: false }
}

/** One grant, for reading roles, its givers and who could give it; undefined for everybody else. */
export async function findGrant(deps: OperatorDeps, by: Operator, id: GrantId): Promise<StandingGrant | undefined> {
  const grant = await deps.grants.grant(id)
  return grant && (isReader(by) || isGiver(by, grant)) ? grant : undefined
}

/** The grant under which a call went on; undefined where none did. Whoever may see the call may know. */
export const grantOfCall = (deps: OperatorDeps, _by: Operator, call: Call): Promise<StandingGrant | undefined> =>
  deps.grants.usedBy(call.id)

/** The grant that a hold's approval gave. Whoever may see the hold may know. */
export const grantGiven = (deps: OperatorDeps, _by: Operator, hold: Hold): Promise<StandingGrant | undefined> =>
  deps.grants.givenWith(hold.id)

const isGiver = (by: Operator, grant: Pick<Grant, 'givers' | 'requires'>): boolean =>
  grant.givers.includes(by.name) || grant.requires.flatMap(groupsOf).some((group) => by.groups.includes(group))

/**
 * Approves an open hold together with a standing grant for further calls: a hold that says so takes its place, every vote before is void, and this person's is
 * the first for it. Its grant begins when everybody whom the hold needs has approved. Throws BAD_INPUT with every fault of the terms, HOLD_NOT_OPEN,
 * NOT_ELIGIBLE, NOT_FOUND, LIMITED.
 */
export async function giveStanding(
  deps: OperatorDeps,
  by: Operator,
  id: HoldId,
  digest: string,
  asked: StandingAsked,
  words: string | undefined,
): Promise<Hold> {
  requirePerson(by, 'giving a standing grant')
  const { hold, call } = await admit(deps, by, id, 'approve', words, { digest }, true)
  if (hold.standing === null) throw new GatewayError('NOT_ELIGIBLE', 'the approval of this hold gives no standing grants')
  if (leavesOf(call.input).length > LIMITS.grantArgumentsMax)
    throw new GatewayError('BAD_INPUT', `a call of more than ${LIMITS.grantArgumentsMax} arguments is approved one by one`)
  const { loosened, ...rest } = asked
  if (loosened.some(({ allows }) => allows.kind === 'one_of' && allows.values.length > LIMITS.grantValuesPerArgumentMax))
    throw new GatewayError('BAD_INPUT', `an argument lists more than ${LIMITS.grantValuesPerArgumentMax} values`)
  const gives = { ...rest, arguments: constraintsOn(call.input, loosened), by: by.name }
  const faults = standingFaults(gives, loosened, hold.standing, call.input, deps.clock.now())
  if (faults.length > 0)
    throw new GatewayError('BAD_INPUT', `such a grant cannot be given: ${faults.join('; ')}`, {
      faults: faults.map((message) => ({ pointer: '', message })),
    })
  const live = await deps.grants.countLive({ agent: call.agent, subject: call.subject, operation: call.operation })
  if (live >= LIMITS.grantsLivePerOperationMax)
    throw new GatewayError('LIMITED', `this agent has ${live} grants for the operation already: revoke some, or change the policy`)
  const replacement = await replace(deps, hold, call, { gives, by: by.name, comment: comment(words, 'comment') ?? null })
  return approveHold(deps, by, replacement.id, words, { digest: replacement.digest })
}

/** Has an open hold ask for its one call alone again: votes for the grant are void. Throws as `giveStanding` does. */
export async function withdrawStanding(
  deps: OperatorDeps,
  by: Operator,
  id: HoldId,
  digest: string,
  words: string | undefined,
): Promise<Hold> {
  const { hold, call } = await admit(deps, by, id, 'approve', words, { digest }, true)
  if (!hold.gives) throw new GatewayError('BAD_INPUT', 'nobody proposed a standing grant with this hold')
  return replace(deps, hold, call, { gives: null, by: by.name, comment: comment(words, 'comment') ?? null })
}

async function replace(
  deps: OperatorDeps,
  hold: Hold,
  call: Call,
  proposal: Parameters<OperatorDeps['proposeStanding']>[2],
): Promise<Hold> {
  const before = (await deps.store.entries(call.id)).filter(({ body }) => body.kind === 'grant.proposed').length
  if (before >= LIMITS.standingProposalsPerCallMax)
    throw new GatewayError('LIMITED', `grants were proposed ${before} times with this call: approve or reject it`)
  const replacement = await deps.proposeStanding(call, hold, proposal)
  if (!replacement) throw new GatewayError('HOLD_NOT_OPEN', `hold \`${hold.id}\` changed meanwhile: look at it again`)
  deps.bus.publish({ kind: 'call', id: call.id })
  return replacement
}

/**
 * Ends a grant, at every replica from the moment of COMMIT: a call that has not begun by then does not pass under it. For the role `security`, its givers and
 * members of the groups that could give it. Throws NOT_FOUND, FORBIDDEN, BAD_INPUT (no reason), GRANT_ENDED.
 */
export async function revokeGrant(deps: OperatorDeps, by: Operator, id: GrantId, words: string): Promise<StandingGrant> {
  requirePerson(by, 'revoking a grant')
  const grant = await findGrant(deps, by, id)
  if (!grant) throw new GatewayError('NOT_FOUND', `no grant \`${id}\``)
  const person = deps.registry.person(by.name)
  if (!hasRole(by, 'security') && !(person && isGiver({ ...by, groups: person.groups }, grant)))
    throw new GatewayError('FORBIDDEN', 'revoking a grant needs the role `security`, or a group that could have given it')
  const why = comment(words, 'reason')
  if (why === undefined) throw new GatewayError('BAD_INPUT', 'the reason is missing: say why the grant ends')
  if (!(await deps.grants.end(id, by.name, why))) throw new GatewayError('GRANT_ENDED', `grant \`${id}\` has ended already`)
  return (await deps.grants.grant(id)) ?? grant
}
