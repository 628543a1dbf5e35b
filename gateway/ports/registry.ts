import type { Agent, AgentStatus, Person } from '../core/principal.ts'

export type AgentSeed = Omit<Agent, 'status' | 'epoch'> & { status?: AgentStatus }

/**
 * Agents and people. Reads are from memory and at most `LIMITS.pollMs` behind other replicas; what must bind at once (a suspension) binds when
 * intents commit, since they carry the agent's epoch.
 */
export interface Registry {
  agent(name: string): Agent | undefined
  agents(): readonly Agent[]
  person(name: string): Person | undefined
  people(): readonly Person[]
  /** Members of a group, sorted. */
  members(group: string): readonly string[]
  /** Reads the registry again now. */
  refresh(): Promise<void>
  /**
   * Changes an agent's status and raises its epoch, durably, with its entry. Resolves once committed. Throws NOT_FOUND.
   * A retired name stays taken (no re-binding).
   */
  setStatus(name: string, status: AgentStatus, by: string, why?: string): Promise<Agent>
}
