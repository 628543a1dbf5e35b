import { instant } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import type { Hold } from '../core/hold.ts'
import { ruleFigures, type VoterFigures, voterFigures } from '../core/rule-figures.ts'
import { LIMITS } from '../limits.ts'
import type { FiguresOfRule, Operator } from '../ports/operator.ts'
import type { OperatorDeps } from './deps.ts'
import { findHold, noHold } from './holds.ts'
import { requireReader, requireRole } from './roles.ts'

const DAY_MS = 86_400_000

function sinceOf(deps: OperatorDeps, days: number) {
  if (!Number.isInteger(days) || days < 1 || days > LIMITS.figuresDaysMax)
    throw new GatewayError('BAD_INPUT', `\`days\` must be from 1 to ${LIMITS.figuresDaysMax}`)
  return instant(deps.clock.now() - days * DAY_MS)
}

async function figuresOf(deps: OperatorDeps, policyId: string, agent: string | undefined, days: number): Promise<FiguresOfRule> {
  const decisions = await deps.store.ruleDecisions(policyId, agent, sinceOf(deps, days), LIMITS.figuresDecisionsMax)
  return { policyId, agent: agent ?? null, days, cut: decisions.length === LIMITS.figuresDecisionsMax, ...ruleFigures(decisions) }
}

/** How people decided on a policy's holds: the last ones, at most `LIMITS.figuresDecisionsMax`, of so many days. Throws FORBIDDEN, BAD_INPUT. */
export async function holdFigures(
  deps: OperatorDeps,
  by: Operator,
  policyId: string,
  agent: string | undefined,
  days: number,
): Promise<FiguresOfRule> {
  requireReader(by, 'reading figures of a rule')
  return figuresOf(deps, policyId, agent, days)
}

/** The same for each policy that a hold is by, for everyone who may see the hold. Throws NOT_FOUND. */
export async function figuresOfHold(deps: OperatorDeps, by: Operator, hold: Hold): Promise<readonly FiguresOfRule[]> {
  if (!(await findHold(deps, by, hold.id))) throw noHold(hold.id)
  const policies = [...new Set(hold.matched.map(({ policyId }) => policyId))]
  return Promise.all(policies.map((policyId) => figuresOf(deps, policyId, undefined, LIMITS.figuresDaysMax)))
}

/** Who decides how much and how fast, by the last votes, at most `LIMITS.figuresVotesMax`, of so many days. Throws FORBIDDEN, BAD_INPUT. */
export async function figuresOfVoters(deps: OperatorDeps, by: Operator, days: number): Promise<readonly VoterFigures[]> {
  requireRole(by, 'reading figures of people', 'security', 'auditor')
  return voterFigures(await deps.store.timedVotes(sinceOf(deps, days), LIMITS.figuresVotesMax), LIMITS.quickVoteMs)
}
