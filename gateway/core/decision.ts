import { isJsonObject, type JsonObject } from './json.ts'

/** A `@hold` forbid that matched. `policyHash` is SHA-256 hex of the policy's text. */
export interface MatchedHold {
  policyId: string
  policyHash: string
  /** Name in `approvals.yaml`. */
  approval: string
  /** For people. */
  reason?: string
  /** For the agent. */
  advice?: string
}

export type DenyReason = 'no_permit' | 'forbidden' | 'policy_error'

/** What policy says. `policies` are the determining ids, sorted. A closed union: the compiler finds the forgotten case. */
export type Verdict =
  | { effect: 'permit'; policies: readonly string[] }
  | { effect: 'hold'; policies: readonly string[]; holds: readonly MatchedHold[] }
  | { effect: 'deny'; policies: readonly string[]; reason: DenyReason; advice?: string; errors?: readonly string[] }

/** What became of one lookup: the chosen fields and their digest (SHA-256 hex over JCS), or why there are none. */
export interface LookedUp {
  readonly fact: string
  readonly operation: string
  readonly fields: JsonObject | null
  readonly digest: string | null
  readonly error: string | null
}

/** All that is needed to decide again later: it goes into the decision entry as it is. */
export interface DecisionEvidence {
  /** SHA-256 hex over the sorted policy texts and the schema. */
  policySet: string
  engine: string
  /** The request as it was put to the engine: principals, action, resource, context; canonical. */
  request: JsonObject
  /** Lookups that were needed for the question, sorted by fact. */
  lookups?: readonly LookedUp[]
  /** `@shadow` forbids that would have matched. */
  shadow: readonly string[]
}

export interface Decision {
  verdict: Verdict
  evidence: DecisionEvidence
}

/** What a call is about, by the business key of its operation. */
export interface BusinessObject {
  /** As the manifest has it, without the connector's namespace. */
  type: string
  key: string
}

/** The business object that policy was asked about; null where the call is about none. */
export function objectAsked({ request }: DecisionEvidence): BusinessObject | null {
  const { resource } = request
  if (!isJsonObject(resource) || typeof resource.type !== 'string' || typeof resource.id !== 'string') return null
  if (resource.type.startsWith('Gatehouse::')) return null
  return { type: resource.type.slice(resource.type.lastIndexOf(':') + 1), key: resource.id }
}

export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`)
}
