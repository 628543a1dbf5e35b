import type { Finding, PolicyCoverage } from '../../../gateway/ports/policy-drafts.ts'
import type { PolicySource } from '../../../gateway/ports/policy-source.ts'
import { CedarEngine } from '../cedar.ts'
import { compilePolicies } from '../compile.ts'
import { approvalFindings } from './approvals.ts'
import { ConditionProbe } from './condition-probe.ts'
import { constantConditions } from './constant-conditions.ts'
import { coveredPolicies } from './covered-policies.ts'
import type { Examined, KnownOrganisation } from './finding.ts'
import { knownPrincipals } from './known-principals.ts'
import { unreached, untested } from './reach.ts'
import { unknownNames } from './unknown-names.ts'

export interface FindingsInput {
  source: PolicySource
  organisation: KnownOrganisation
  /** From a run of the policy tests; absent where there was none, and then no permit is called untested. */
  coverage?: readonly PolicyCoverage[]
}

/**
 * What is wrong with policies that are valid: see `FindingRule`. Sorted by place. Bounded: where a limit is reached, nothing is claimed that was not
 * looked at. Every condition is evaluated by the engine, on values that stand for all others. Throws CONFIG_INVALID where the policies are faulty.
 */
export function findingsIn({ source, organisation, coverage }: FindingsInput): readonly Finding[] {
  const engine = new CedarEngine()
  const compiled = compilePolicies(source, engine)
  const tested = coverage && new Map(coverage.map((one) => [one.policy, one]))
  const examined: Examined = { source, compiled, engine, organisation, ...(tested && { coverage: tested }) }
  const names = unknownNames(examined)
  const principals = knownPrincipals(examined)
  const probe = new ConditionProbe(examined)
  // Whom nobody has is the cause of matching nobody.
  const misnamed = new Set(names.map(({ policy }) => policy))
  return [
    ...names,
    ...principals.findings.filter(({ policy }) => !misnamed.has(policy)),
    ...constantConditions(examined, probe),
    ...coveredPolicies(examined, probe),
    ...approvalFindings(examined, principals),
    ...unreached(examined, principals.useless),
    ...untested(examined),
  ].sort((a, b) => a.place.localeCompare(b.place, 'en', { numeric: true }))
}
