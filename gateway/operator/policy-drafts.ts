import { GatewayError } from '../core/errors.ts'
import type { JsonObject } from '../core/json.ts'
import type { OperationId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import type { DraftTexts, Operator, PolicyCheck, PolicyDifference } from '../ports/operator.ts'
import type { PolicySetTexts } from '../ports/policy-sets.ts'
import type { PolicyTests } from '../ports/policy-source.ts'
import type { OperatorDeps } from './deps.ts'
import { testsOf, textsOf } from './policy-changes.ts'
import { requireReader } from './roles.ts'

/** All that `check` says of a draft, its faults included: who writes it asks for them. Nothing is kept. Throws FORBIDDEN, LIMITED, UNAVAILABLE. */
export async function checkPolicies(
  deps: OperatorDeps,
  by: Operator,
  draft: DraftTexts,
  tests: readonly PolicyTests[],
): Promise<PolicyCheck> {
  requireReader(by, 'checking policies')
  try {
    const inspected = await deps.drafts.inspect(textsOf(deps, draft), testsOf(tests))
    return { faults: [], inspected }
  } catch (error) {
    if (!(error instanceof GatewayError) || (error.code !== 'BAD_INPUT' && error.code !== 'CONFIG_INVALID')) throw error
    const faults = error.faults.length > 0 ? error.faults : [{ pointer: '', message: error.message }]
    return { faults: faults.slice(0, LIMITS.policyRemarksMax), inspected: null }
  }
}

/**
 * Requests that a draft decides otherwise than other texts, or than the active set. Nothing is kept. Throws BAD_INPUT with every fault of the texts,
 * FORBIDDEN, LIMITED, UNAVAILABLE.
 */
export async function diffPolicies(
  deps: OperatorDeps,
  by: Operator,
  draft: DraftTexts,
  against: DraftTexts | undefined,
): Promise<PolicyDifference> {
  requireReader(by, 'comparing policies')
  const after = textsOf(deps, draft)
  const before = against ? textsOf(deps, against) : await activeTexts(deps)
  const agents = deps.registry.agents().filter(({ status }) => status !== 'retired')
  const diff = await deps.drafts.diff(before, after, agents).catch(faultyDraft)
  const doubtful = new Set(diff.changes.filter(({ example }) => !takes(deps, example.operation, example.input)))
  return { ...diff, doubtful }
}

/** The tests that the active set was published with, or those of the policy files where it came from files. Throws FORBIDDEN. */
export async function policyTests(deps: OperatorDeps, by: Operator): Promise<readonly PolicyTests[]> {
  requireReader(by, 'looking at policy tests')
  const { policySet } = await deps.policySets.active()
  return (policySet === null ? undefined : await deps.policySets.setTests(policySet)) ?? deps.policyTestFiles()
}

async function activeTexts(deps: OperatorDeps): Promise<PolicySetTexts> {
  const { policySet } = await deps.policySets.active()
  const set = policySet === null ? undefined : await deps.policySets.set(policySet)
  if (!set) throw new GatewayError('UNAVAILABLE', 'no policy set is active yet')
  return { files: set.files, facts: set.facts }
}

/** Whether arguments are valid for an operation: others never come to a decision. */
function takes(deps: OperatorDeps, name: string, input: JsonObject): boolean {
  const operation = deps.catalogue().operations.get(name as OperationId)
  if (!operation) return false
  try {
    deps.prepare(operation, input)
    return true
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'BAD_INPUT') return false
    throw error
  }
}

/** Faulty texts are the asker's input here, not the gateway's configuration. */
export function faultyDraft(error: unknown): never {
  if (!(error instanceof GatewayError) || error.code !== 'CONFIG_INVALID') throw error
  throw new GatewayError('BAD_INPUT', `the draft is refused: ${error.message}`, { faults: error.faults })
}
