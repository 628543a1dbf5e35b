import type { KeyObject } from 'node:crypto'
import type { Clock } from '../core/clock.ts'
import type { BreakGlassRule } from '../core/break-glass.ts'
import type { ApprovalDefinition } from '../core/hold.ts'
import type { CallId, HoldId } from '../core/ids.ts'
import type { Catalogue } from '../core/operation.ts'
import type { Bus } from '../ports/bus.ts'
import type { CallStore } from '../ports/call-store.ts'
import type { Connector } from '../ports/connector.ts'
import type { Decider } from '../ports/decider.ts'
import type { Detector } from '../ports/detector.ts'
import type { Grants } from '../ports/grants.ts'
import type { PlaybookRules } from '../ports/playbooks.ts'
import type { Recorder } from '../ports/recorder.ts'
import type { Registry } from '../ports/registry.ts'
import type { Telemetry } from '../ports/telemetry.ts'
import type { TokenVerifier } from '../ports/token-verifier.ts'
import type { Vault } from '../ports/vault.ts'
import type { Slots } from './slots.ts'
import type { Validators } from './validate.ts'

/** Borders between stages, in the order of one call. Tests end the process at each of them. */
export const STAGES = [
  'authenticated',
  'validated',
  'gathered',
  'decided',
  'recorded',
  'leased',
  'sending',
  'answered',
  'filtered',
  'recording-outcome',
  'outcome-recorded',
] as const
export type Stage = (typeof STAGES)[number]

export interface Limits {
  callsPerMinute: number
  concurrentCalls: number
  openHolds: number
}

/** Everything that the line from request to outcome is made of. Wired once, by the composition root. */
export interface Parts {
  organisation: string
  clock: Clock
  newCallId(): CallId
  newHoldId(): HoldId
  /** 16 random bytes as hex. */
  nonce(): string
  verifier: TokenVerifier
  registry: Registry
  catalogue: Catalogue
  connectors: ReadonlyMap<string, Connector>
  /** Connector name to credential name; a connector without credential has none. */
  credentials: ReadonlyMap<string, string>
  /** Read anew for every question: another policy set replaces it whole. What asks several questions about one decision takes it once. */
  readonly decider: Decider
  /** Takes over the policy set that is active now. Throws UNAVAILABLE. */
  refreshPolicies(): Promise<void>
  validators: Validators
  playbooks: PlaybookRules
  approvals: ReadonlyMap<string, ApprovalDefinition>
  /** Whether any of them gives standing grants: else nobody looks for one. */
  standing: boolean
  breakGlass: BreakGlassRule | null
  grants: Grants
  recorder: Recorder
  store: CallStore
  vault: Vault
  bus: Bus
  telemetry: Telemetry
  limits: Limits
  detectors: readonly Detector[]
  /** Lookups under way, by agent. */
  lookupSlots: Slots
  /** Names of counters are digests under this key: whoever reads the database learns no argument from them. */
  factKey: KeyObject
  /** How long labels stick, in milliseconds. */
  labelWindowMs: number
  /** Called at every border between stages. */
  onStage(stage: Stage): void
}
