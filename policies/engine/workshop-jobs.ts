import type { PolicySource } from '../../gateway/ports/policy-source.ts'
import { createDecider } from './decider.ts'
import { type PolicyTestFile, type PolicyTestResult, runPolicyTests } from './policy-tests.ts'

/** A policy set that a start would take. */
export interface Checked {
  /** SHA-256 hex over the policies' texts, their ids and the schema: the decider's own name for it. */
  policySet: string
  policies: number
}

/**
 * What the workshop can do. A job is one plain value to another, as both cross between threads by structured clone (Maps and Sets may, functions
 * may not), and may be asynchronous. What it throws as a GatewayError is thrown to whoever asked.
 */
export const JOBS = {
  /** What a start or a swap would do with the policies. Throws CONFIG_INVALID with every fault at its place. */
  check({ source }: { source: PolicySource }): Checked {
    const decider = createDecider(source)
    return { policySet: decider.policySet, policies: decider.policies().length }
  },

  /** Runs policy tests. Throws CONFIG_INVALID where the policies themselves are faulty. */
  test({ source, files }: { source: PolicySource; files: readonly PolicyTestFile[] }): PolicyTestResult {
    return runPolicyTests(source, files)
  },
}

export type Jobs = typeof JOBS
