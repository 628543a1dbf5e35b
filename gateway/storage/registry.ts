import { type Instant, instant } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import type { Agent, AgentStatus, Person } from '../core/principal.ts'
import { LIMITS } from '../limits.ts'
import type { Bus } from '../ports/bus.ts'
import type { AgentEvent, AgentSeed, Registration, Registry } from '../ports/registry.ts'
import type { Log } from '../ports/telemetry.ts'
import { agentHistory, agentsChangedAfter, applySeeds, changeStatus, type KeptAgent, lastCalls, registerAgent } from './agents.ts'
import { isOutage, reading, unavailable } from './outage.ts'
import type { Db } from './tables.ts'
import type { Writer } from './writer.ts'

export interface RegistryOptions {
  db: Db
  writer: Writer
  bus: Bus
  seeds: readonly AgentSeed[]
  people: readonly Person[]
  log?: Log
}

/** A registry that reads its database until it is closed. */
export interface RunningRegistry extends Registry {
  close(): Promise<void>
}

/**
 * Registers configuration's agents, loads all, and keeps up: on every `agents` signal and every `LIMITS.pollMs`. Throws UNAVAILABLE where the
 * database is away at the start; later losses leave the last known agents, whose intents still commit only under their present epoch.
 */
export async function createRegistry(options: RegistryOptions): Promise<RunningRegistry> {
  const registry = new DatabaseRegistry(options)
  await registry.start()
  return registry
}

const byName = <T extends { name: string }>(a: T, b: T): number => (a.name < b.name ? -1 : 1)

class DatabaseRegistry implements RunningRegistry {
  readonly #agents = new Map<string, Agent>()
  readonly #registrations = new Map<string, Registration>()
  readonly #people: ReadonlyMap<string, Person>
  readonly #members = new Map<string, string[]>()
  #sorted: readonly Agent[] = []
  #change = 0
  #reading: Promise<void> | undefined
  #again = false
  #timer: NodeJS.Timeout | undefined
  #unsubscribe: (() => void) | undefined
  #closed = false

  constructor(readonly options: RegistryOptions) {
    this.#people = new Map(options.people.map((person) => [person.name, person]))
    for (const { name, groups } of [...options.people].sort(byName)) {
      for (const group of new Set(groups)) this.#members.set(group, [...(this.#members.get(group) ?? []), name])
    }
  }

  async start(): Promise<void> {
    try {
      await this.options.writer.transact((scope) => applySeeds(scope, this.options.seeds))
    } catch (error) {
      throw isOutage(error) ? unavailable(error) : error
    }
    await this.refresh()
    this.options.bus.publish({ kind: 'agents' })
    this.#unsubscribe = this.options.bus.subscribe((signal) => {
      if (signal.kind === 'agents') this.#wake()
    })
    this.#timer = setInterval(() => this.#wake(), LIMITS.pollMs).unref()
  }

  readonly agent = (name: string): Agent | undefined => this.#agents.get(name)
  readonly agents = (): readonly Agent[] => this.#sorted
  readonly registration = (agent: string): Registration | undefined => this.#registrations.get(agent)
  readonly person = (name: string): Person | undefined => this.#people.get(name)
  readonly people = (): readonly Person[] => this.options.people
  readonly members = (group: string): readonly string[] => this.#members.get(group) ?? []

  /** Reads what changed; a call during a read reads once more, so what was committed before the call is seen after it. */
  async refresh(): Promise<void> {
    if (this.#reading) {
      this.#again = true
      return this.#reading
    }
    this.#reading = (async () => {
      try {
        do {
          this.#again = false
          await reading(() => this.#read())
        } while (this.#again)
      } finally {
        this.#reading = undefined
      }
    })()
    return this.#reading
  }

  history(agent: string, first: number): Promise<readonly AgentEvent[]> {
    return reading(() => agentHistory(this.options.db, agent, Math.min(first, LIMITS.pageRowsMax)))
  }

  async lastCalls(agents: readonly string[]): Promise<ReadonlyMap<string, Instant>> {
    const found = await reading(() => lastCalls(this.options.db, agents.slice(0, LIMITS.pageRowsMax)))
    return new Map([...found].map(([name, at]) => [name, instant(at)]))
  }

  async register(seed: AgentSeed, registration: Registration, thumbprints: readonly string[]): Promise<Agent> {
    const agent = await this.options.writer
      .transact((scope) => registerAgent(scope, seed, registration, thumbprints))
      .catch((error: unknown) => {
        throw error instanceof GatewayError ? error : unavailable(error)
      })
    this.#changed({ agent, registration })
    return agent
  }

  async setStatus(name: string, status: AgentStatus, by: string, why?: string, from?: readonly AgentStatus[]): Promise<Agent> {
    const agent = await this.options.writer
      .transact((scope) => changeStatus(scope, { name, status, by, why, from }))
      .catch((error: unknown) => {
        throw unavailable(error)
      })
    if (!agent) throw new GatewayError('NOT_FOUND', `no agent \`${name}\` is registered`)
    if (agent.status === 'retired' && status !== 'retired')
      throw new GatewayError('NOT_FOUND', `agent \`${name}\` is retired, and its name stays taken: register another`)
    this.#changed({ agent })
    return agent
  }

  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#timer)
    this.#unsubscribe?.()
    await this.#reading?.catch(() => undefined)
  }

  #wake(): void {
    if (this.#closed) return
    this.refresh().catch((error: unknown) => this.options.log?.warn({ error }, 'the registry could not be read again'))
  }

  async #read(): Promise<void> {
    for (let full = true; full; ) {
      const { agents, change } = await agentsChangedAfter(this.options.db, this.#change, LIMITS.pageRowsMax)
      this.#take(agents)
      this.#change = change
      full = agents.length === LIMITS.pageRowsMax
    }
  }

  #changed(agent: Partial<KeptAgent> & Pick<KeptAgent, 'agent'>): void {
    this.#take([agent])
    this.options.bus.publish({ kind: 'agents' })
  }

  #take(agents: readonly (Partial<KeptAgent> & Pick<KeptAgent, 'agent'>)[]): void {
    if (agents.length === 0) return
    for (const { agent, registration } of agents) {
      if ((this.#agents.get(agent.name)?.epoch ?? 0) <= agent.epoch) this.#agents.set(agent.name, Object.freeze(agent))
      // Nothing in it ever changes: the first one stays, for what is derived from it.
      if (registration && !this.#registrations.has(agent.name)) this.#registrations.set(agent.name, Object.freeze(registration))
    }
    this.#sorted = [...this.#agents.values()].sort(byName)
  }
}
