import type { PolicyCoverage } from '../../../gateway/ports/policy-drafts.ts'
import type { ApprovalDefinition } from '../../../gateway/core/hold.ts'
import type { Agent } from '../../../gateway/core/principal.ts'
import type { PolicySource } from '../../../gateway/ports/policy-source.ts'
import type { CedarEngine } from '../cedar.ts'
import type { Compiled } from '../compile.ts'
import type { LoadedPolicy } from '../load-policies.ts'

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
