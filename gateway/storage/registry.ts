import { GatewayError } from '../core/errors.ts'
import type { Agent, Person } from '../core/principal.ts'
import { LIMITS } from '../limits.ts'
import type { Bus } from '../ports/bus.ts'
import type { AgentSeed, Registry } from '../ports/registry.ts'
import type { Log } from '../ports/telemetry.ts'
import { agentsChangedAfter, applySeeds, changeStatus } from './agents.ts'
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
      await this.options.writer.transact(({ tx, append }) => applySeeds(tx, append, this.options.seeds))
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

  async setStatus(name: string, status: Agent['status'], by: string, why?: string): Promise<Agent> {
    const agent = await this.options.writer
      .transact(({ tx, append }) => changeStatus(tx, append, { name, status, by, why }))
      .catch((error: unknown) => {
        throw unavailable(error)
      })
    if (!agent) throw new GatewayError('NOT_FOUND', `no agent \`${name}\` is registered`)
    if (agent.status !== status)
      throw new GatewayError('NOT_FOUND', `agent \`${name}\` is retired, and its name stays taken: register another`)
    this.#take([agent])
    this.options.bus.publish({ kind: 'agents' })
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

  #take(agents: readonly Agent[]): void {
    if (agents.length === 0) return
    for (const agent of agents) {
      if ((this.#agents.get(agent.name)?.epoch ?? 0) <= agent.epoch) this.#agents.set(agent.name, Object.freeze(agent))
    }
    this.#sorted = [...this.#agents.values()].sort(byName)
  }
}
