import type { Inspected } from '../../gateway/ports/policy-drafts.ts'
import type { PolicySource, PolicyTests } from '../../gateway/ports/policy-source.ts'
import { createDecider } from './decider.ts'
import type { KnownOrganisation } from './findings/finding.ts'
import { findingsIn } from './findings/findings.ts'
import { runPolicyTests } from './policy-tests.ts'

export interface InspectInput {
  source: PolicySource
  tests: readonly PolicyTests[]
  organisation: KnownOrganisation
}

/** What a start would make of the policies, how their tests end, and what is wrong with them though they are valid. Throws CONFIG_INVALID. */
export function inspect({ source, tests, organisation }: InspectInput): Inspected & { whole: string } {
  const decider = createDecider(source)
  const tested = runPolicyTests(source, tests)
  const findings = findingsIn({ source, organisation, coverage: tested.coverage })
  return { policySet: decider.policySet, whole: decider.wholeText(), policies: decider.policies(), tested, findings }
}
