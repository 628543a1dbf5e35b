import type { Instant } from '../core/clock.ts'
import type { JsonObject } from '../core/json.ts'
import type { Agent, AgentStatus, Person } from '../core/principal.ts'

export type AgentSeed = Omit<Agent, 'status' | 'epoch'> & { status?: AgentStatus }

/** Who registered an agent, `configuration` where nobody did, and the public keys (RFC 7517) that it was registered with. */
export interface Registration {
  by: string
  keys: readonly JsonObject[]
}

/** One change of an agent. `status` is the one afterwards; null where a change of before this was kept did not say. */
export interface AgentEvent {
  epoch: number
  at: Instant
  by: string
  status: AgentStatus | null
  change: string
  why: string | null
}

/**
 * Agents and people. Reads are from memory and at most `LIMITS.pollMs` behind other replicas; what must bind at once (a suspension) binds when
 * intents commit, since they carry the agent's epoch.
 */
export interface Registry {
  agent(name: string): Agent | undefined
  agents(): readonly Agent[]
  /** The same value for as long as it does not change. */
  registration(agent: string): Registration | undefined
  person(name: string): Person | undefined
  people(): readonly Person[]
  /** Members of a group, sorted. */
  members(group: string): readonly string[]
  /** Reads the registry again now. */
  refresh(): Promise<void>
  /** The changes of an agent, newest first, at most `first` and `LIMITS.pageRowsMax`. Throws UNAVAILABLE. */
  history(agent: string, first: number): Promise<readonly AgentEvent[]>
  /** When these agents made their newest call, at most `LIMITS.pageRowsMax` of them; who never did is missing. Throws UNAVAILABLE. */
  lastCalls(agents: readonly string[]): Promise<ReadonlyMap<string, Instant>>
  /** Registers a proposed agent, durably, with its entry. `thumbprints` name its keys there. Throws NAME_TAKEN. */
  register(seed: AgentSeed, registration: Registration, thumbprints: readonly string[]): Promise<Agent>
  /**
   * Changes an agent's status and raises its epoch, durably, with its entry. Resolves once committed; where it has none of the statuses `from`, nothing
   * changes, and the agent comes back as it is. Throws NOT_FOUND. A retired name stays taken (no re-binding).
   */
  setStatus(name: string, status: AgentStatus, by: string, why?: string, from?: readonly AgentStatus[]): Promise<Agent>
}
