import type { Call } from '../core/call.ts'
import type { Clock } from '../core/clock.ts'
import type { CallId, ProposalId } from '../core/ids.ts'
import type { JsonObject } from '../core/json.ts'
import type { Catalogue, Operation } from '../core/operation.ts'
import type { Bus } from '../ports/bus.ts'
import type { CallStore } from '../ports/call-store.ts'
import type { Decider } from '../ports/decider.ts'
import type { PolicySets } from '../ports/policy-sets.ts'
import type { Publisher } from '../ports/publisher.ts'
import type { Recorder } from '../ports/recorder.ts'
import type { Registry } from '../ports/registry.ts'
import type { Log, Telemetry } from '../ports/telemetry.ts'
import type { Vault } from '../ports/vault.ts'

/** Makes development tokens. Only a development issuer has one. */
export interface DevelopmentTokens {
  mintAgent(agent: string, subject: string | undefined): Promise<string>
  mintPerson(name: string): Promise<string>
}

/** Everything that people's use cases need, wired once by the composition root. */
export interface OperatorDeps {
  store: CallStore
  recorder: Recorder
  registry: Registry
  /** Read anew for every question: a new policy set replaces the decider. */
  decider(): Decider
  catalogue(): Catalogue
  policySets: PolicySets
  publisher: Publisher
  newProposalId(): ProposalId
  vault: Vault
  /** Null where the issuer is not a development issuer. */
  developmentTokens: DevelopmentTokens | null
  clock: Clock
  bus: Bus
  log: Log
  count: Telemetry['count']
  /** The canonical form of an input that is valid for the operation. Throws BAD_INPUT. */
  prepare(operation: Operation, input: JsonObject): JsonObject
  /** The key under which equal calls join. */
  joinKeyOf(call: Call): string
  /** Told after an approval is durable, so that a hold with `on_approval: execute` is released. Must not throw. */
  afterApproval(callId: CallId): void
}
