import type { ApprovalDefinition } from '../../../gateway/core/hold.ts'
import type { Agent } from '../../../gateway/core/principal.ts'
import type { PolicySource } from '../../../gateway/ports/policy-source.ts'
import type { CedarEngine } from '../cedar.ts'
import type { Compiled } from '../compile.ts'
import type { LoadedPolicy } from '../load-policies.ts'
import type { PolicyCoverage } from '../policy-tests.ts'

/**
 * What a check can find in policies that are no faults: they would be decided by, and do less than they say.
 * - `unknown-name`: a role, group, agent, person or connector that nobody has or is
 * - `no-operation`: no operation is in the scope
 * - `never-matches`: some conditions never hold together, or for nobody who is known
 * - `constant-condition`: a part of a condition that is always true or always false
 * - `covered`: another policy makes this one without effect
 * - `unsatisfiable-hold`: nobody could approve
 * - `edit-leaves-nobody`: a member who edits the arguments leaves too few to approve
 * - `unused-approval`: no policy asks for the approval
 * - `unreachable-operation`: no permit lets anybody call it
 * - `untested-permit`: no policy test ends in it
 */
export type FindingRule =
  | 'unknown-name'
  | 'no-operation'
  | 'never-matches'
  | 'constant-condition'
  | 'covered'
  | 'unsatisfiable-hold'
  | 'edit-leaves-nobody'
  | 'unused-approval'
  | 'unreachable-operation'
  | 'untested-permit'

export interface Finding {
  /** `path:line:column`, both from 1. */
  place: string
  /** An error is a control that cannot work, whoever is registered tomorrow. */
  severity: 'error' | 'warning'
  rule: FindingRule
  /** Id of the policy; null for approvals and operations. */
  policy: string | null
  /** Starts lower case; cause and remedy. */
  message: string
}

export type KnownAgent = Pick<Agent, 'name' | 'owner' | 'team' | 'region' | 'roles' | 'clearance' | 'autonomy'>

/** What findings need to know beside the policies. */
export interface KnownOrganisation {
  agents: readonly KnownAgent[]
  approvals: readonly { definition: ApprovalDefinition; place: string }[]
  /** Place of each connector's manifest. */
  connectors: ReadonlyMap<string, string>
}

/** Everything that one search looks at. */
export interface Examined {
  source: PolicySource
  compiled: Compiled
  engine: CedarEngine
  organisation: KnownOrganisation
  /** By policy id; absent where no tests were run. */
  coverage?: ReadonlyMap<string, PolicyCoverage>
}

/** `path:line:column` of a place in a policy's text, an offset in UTF-16 units. */
export const placeIn = (policy: LoadedPolicy, offset: number): string => policy.place(Buffer.byteLength(policy.text.slice(0, offset)))

/** `a`, `b` and 3 more. */
export function listed(names: readonly string[], most = 8): string {
  const shown = names.slice(0, most).map((name) => `\`${name}\``)
  return names.length > most ? `${shown.join(', ')} and ${names.length - most} more` : shown.join(', ')
}
