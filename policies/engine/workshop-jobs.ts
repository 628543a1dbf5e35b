import type { Finding, Inspected, PolicyDiff, PolicyTestResult } from '../../gateway/ports/policy-drafts.ts'
import { type Fault, GatewayError } from '../../gateway/core/errors.ts'
import type { OperationId } from '../../gateway/core/ids.ts'
import type { JsonObject } from '../../gateway/core/json.ts'
import type { NearMiss, PolicyText } from '../../gateway/ports/decider.ts'
import type { PolicySource, PolicyTests } from '../../gateway/ports/policy-source.ts'
import type { Redecided } from '../../gateway/ports/simulator.ts'
import { createDecider } from './decider.ts'
import { type DiffOptions, diffPolicies } from './diff.ts'
import { inspect, type InspectInput } from './inspect.ts'
import { readingFindings, redecide, type SimulateOptions } from './simulate.ts'
import { runPolicyTests } from './policy-tests.ts'

/** A policy set that a start would take. */
export interface Checked {
  /** SHA-256 hex over the policies' texts, their ids and the schema: the decider's own name for it. */
  policySet: string
  policies: number
}

/** A policy set with its policies as people read them. */
export interface Examined {
  policySet: string
  /** See `Decider.wholeText`. */
  whole: string
  policies: readonly PolicyText[]
  /** What refuses nothing, `place: words`. */
  remarks: readonly string[]
}

/** A request as a decision's evidence has it, with the texts that decided. */
export interface RecordedRequest {
  source: PolicySource
  policySet: string
  operation: OperationId
  request: JsonObject
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

  /**
   * What texts come to that somebody proposes, how their tests end, and what the findings remark on. Throws CONFIG_INVALID with every fault at its place;
   * a failed test is one, in its file, and so is a finding that is an error.
   */
  examine(input: InspectInput): Examined {
    const { policySet, whole, policies, tested, findings } = inspect(input)
    const failures = tested.failed.map(({ file, name, message }) => ({ pointer: file, message: `test \`${name}\`: ${message}` }))
    refuse(failures, 'policy tests fail')
    const said = (severity: Finding['severity']): Fault[] =>
      findings.filter((finding) => finding.severity === severity).map(({ place, message }) => ({ pointer: place, message }))
    refuse(said('error'), 'policies cannot work')
    const remarks = said('warning').map(({ pointer, message }) => `${pointer}: ${message}`)
    return { policySet, whole, policies, remarks }
  },

  /** See `inspect`. */
  inspect(input: InspectInput): Inspected {
    return inspect(input)
  },

  /** The near misses of a recorded request; null where the texts no longer come to the set that decided, since operations have changed. */
  nearMisses({ source, policySet, operation, request }: RecordedRequest): readonly NearMiss[] | null {
    const decider = createDecider(source)
    return decider.policySet === policySet ? decider.nearMisses(operation, request) : null
  },

  /** Runs policy tests. Throws CONFIG_INVALID where the policies themselves are faulty. */
  test({ source, files }: { source: PolicySource; files: readonly PolicyTests[] }): PolicyTestResult {
    return runPolicyTests(source, files)
  },

  /** Requests that two policy sets decide differently. Throws CONFIG_INVALID where one of them is faulty. */
  diff(options: DiffOptions): PolicyDiff {
    return diffPolicies(options)
  },

  /** See `Simulator.readingFindings`. */
  readingFindings({ source }: { source: PolicySource }): ReadonlySet<OperationId> {
    return readingFindings(source)
  },

  /** See `Simulator.redecide`. */
  redecide(options: SimulateOptions): Redecided[] {
    return redecide(options)
  },
}

export type Jobs = typeof JOBS

function refuse(faults: readonly Fault[], what: string): void {
  const [first] = faults
  if (first) throw new GatewayError('CONFIG_INVALID', `${faults.length} ${what}: ${first.pointer}: ${first.message}`, { faults })
}
