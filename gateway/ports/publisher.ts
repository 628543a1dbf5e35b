import type { Fault } from '../core/errors.ts'
import type { PolicyText } from './decider.ts'
import type { ActivationResult, NewActivation, PolicySetTexts } from './policy-sets.ts'
import type { PolicyTests } from './policy-source.ts'

/** Texts that hold: what they come to, and what the checks remark on without refusing it. */
export interface Examined {
  policySet: string
  /** See `Decider.wholeText`. */
  whole: string
  policies: readonly PolicyText[]
  remarks: readonly string[]
}

/** `unfit`: the texts no longer come to the set that they came to when they were proposed. */
export type PublishResult = ActivationResult | { kind: 'unfit'; why: string }

/** How this process stands to the set that binds. */
export interface PublicationStatus {
  /** The set that binds on every replica; null where the record cannot say. */
  active: string | null
  /** The set that this process decides on. */
  decidesOn: string
  /** Why it is another one: calls are refused until it no longer is. */
  behind: string | null
  /** Faults of edited policy files that were therefore not taken over. */
  fileFaults: readonly Fault[]
}

/** Compiles, checks and publishes policy texts beside what decides. */
export interface Publisher {
  /**
   * Compiles texts against today's operations, runs the tests and the checks; nothing of it touches what decides. Throws CONFIG_INVALID with every fault
   * at its place, failed tests among them, and LIMITED, UNAVAILABLE.
   */
  examine(texts: PolicySetTexts, tests: readonly PolicyTests[]): Promise<Examined>
  /** Makes a kept set the one that binds, and decides on it. Throws UNAVAILABLE. */
  publish(activation: Omit<NewActivation, 'series'>): Promise<PublishResult>
  status(): Promise<PublicationStatus>
}
