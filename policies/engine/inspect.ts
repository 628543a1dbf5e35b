import type { PolicyText } from '../../gateway/ports/decider.ts'
import type { PolicySource } from '../../gateway/ports/policy-source.ts'
import { createDecider } from './decider.ts'
import type { Finding, KnownOrganisation } from './findings/finding.ts'
import { findingsIn } from './findings/findings.ts'
import { type PolicyTestFile, type PolicyTestResult, runPolicyTests } from './policy-tests.ts'

export interface InspectInput {
  source: PolicySource
  tests: readonly PolicyTestFile[]
  organisation: KnownOrganisation
}

/** Everything that can be said of policies before they are in force. */
export interface Inspected {
  /** The decider's own name for the set. */
  policySet: string
  policies: readonly PolicyText[]
  tested: PolicyTestResult
  findings: readonly Finding[]
}

/** What a start would make of the policies, how their tests end, and what is wrong with them though they are valid. Throws CONFIG_INVALID. */
export function inspect({ source, tests, organisation }: InspectInput): Inspected {
  const decider = createDecider(source)
  const tested = runPolicyTests(source, tests)
  const findings = findingsIn({ source, organisation, coverage: tested.coverage })
  return { policySet: decider.policySet, policies: decider.policies(), tested, findings }
}
