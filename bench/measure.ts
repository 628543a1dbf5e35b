import type { Contender, DatabaseKind, Field } from './contenders.ts'
import type { Load, LoadResult } from './load.ts'
import type { ProfileSummary } from './profile.ts'
import type { Usage } from './servers/answers.ts'
import { median, spread } from './statistics.ts'

/** How much of everything. All bounded by counts, so a run ends. */
export interface Plan {
  warmUpCalls: number
  rounds: number
  callsPerRound: number
  connections: number
  /** Calls a second of the open loop. */
  rate: number
  openCalls: number
  rssCalls: number
  rssSamples: number
  profileCalls: number
}

export const FULL: Plan = {
  warmUpCalls: 12_000,
  rounds: 5,
  callsPerRound: 4_000,
  connections: 32,
  rate: 300,
  openCalls: 3_000,
  rssCalls: 100_000,
  rssSamples: 20,
  profileCalls: 15_000,
}
export const QUICK: Plan = {
  ...FULL,
  warmUpCalls: 2_000,
  rounds: 3,
  callsPerRound: 2_000,
  openCalls: 900,
  rssCalls: 0,
  profileCalls: 5_000,
}

export interface Row {
  id: string
  title: string
  failures: number
  /** Medians over the rounds. */
  callsPerSecond: number
  callsPerCoreSecond: number
  /** Half the range of the rounds' calls per core-second, as a part of their median. */
  spread: number
  /** At the fixed rate. */
  p50Ms: number
  p99Ms: number
  addedP50Ms: number | null
  addedP99Ms: number | null
  rssMiB: number
  /** Calls per core-second over those of the peer, round by round: the median. */
  ofPeer: { peer: string; ratio: number; spread: number; aim: number } | null
}

export interface Memory {
  database: DatabaseKind
  samples: readonly { calls: number; rssMiB: number }[]
}

const WAIT_MS_MAX = 600_000

/** Drives the field. Contenders take turns in every round, so that what the machine does beside hits all of them. */
export class Measurement {
  #next = 0
  readonly #perSecond = new Map<string, number[]>()
  readonly #perCoreSecond = new Map<string, number[]>()
  readonly #open = new Map<string, LoadResult[]>()
  readonly #failures = new Map<string, number>()

  constructor(
    readonly field: Field,
    readonly plan: Plan,
    readonly say: (line: string) => void,
  ) {}

  async rows(contenders: readonly Contender[]): Promise<Row[]> {
    for (const contender of contenders) await this.#closedLoop(contender, this.plan.warmUpCalls)
    for (let round = 1; round <= this.plan.rounds; round++) {
      this.say(`closed loop, round ${round} of ${this.plan.rounds}`)
      for (const contender of contenders) await this.#round(contender)
    }
    for (const contender of contenders) {
      this.say(`${this.plan.rate} calls/s: ${contender.id}`)
      await this.#openLoop(contender)
    }
    const rows: Row[] = []
    for (const contender of contenders) rows.push(await this.#row(contender))
    return rows
  }

  /** Resident memory of a gateway over many calls, in equal parts through all doors. */
  async memory(database: DatabaseKind): Promise<Memory> {
    const of = (kind: string) => this.field.contenders.find(({ id }) => id === `${database}-${kind}`)
    const doors = ['read', 'write', 'write-fresh', 'graphql', 'mcp'].flatMap((kind) => of(kind) ?? [])
    const each = Math.ceil(this.plan.rssCalls / this.plan.rssSamples)
    const samples: { calls: number; rssMiB: number }[] = []
    for (let sample = 1; sample <= this.plan.rssSamples; sample++) {
      for (const door of doors) await this.#closedLoop(door, Math.ceil(each / doors.length))
      const server = this.field.gateways.get(database)
      if (!server) throw new Error(`no gateway on ${database}`)
      const { rssMiB } = await server.ask<Usage>({ ask: 'usage' }, WAIT_MS_MAX)
      samples.push({ calls: sample * each, rssMiB })
      this.say(`memory on ${database}: ${rssMiB.toFixed(0)} MiB after ${sample * each} calls`)
    }
    return { database, samples }
  }

  async profile(contender: Contender): Promise<ProfileSummary> {
    await contender.server.ask({ ask: 'profile-start' }, WAIT_MS_MAX)
    await this.#closedLoop(contender, this.plan.profileCalls)
    return await contender.server.ask<ProfileSummary>({ ask: 'profile-stop' }, WAIT_MS_MAX)
  }

  async #round(contender: Contender): Promise<void> {
    const usage = (): Promise<Usage> => contender.server.ask<Usage>({ ask: 'usage' }, WAIT_MS_MAX)
    const before = await usage()
    const { calls, seconds } = await this.#closedLoop(contender, this.plan.callsPerRound)
    const after = await usage()
    push(this.#perSecond, contender.id, calls / seconds)
    push(this.#perCoreSecond, contender.id, (calls * 1_000) / (after.cpuMs - before.cpuMs))
  }

  #closedLoop(contender: Contender, calls: number): Promise<LoadResult> {
    return this.#load(contender, { mode: 'closed', connections: Math.min(this.plan.connections, calls) }, calls)
  }

  async #openLoop(contender: Contender): Promise<void> {
    push(this.#open, contender.id, await this.#load(contender, { mode: 'open', rate: this.plan.rate }, this.plan.openCalls))
  }

  async #load({ id, target }: Contender, order: Load['order'], calls: number): Promise<LoadResult> {
    const load: Load = { target, order, calls, from: this.#next }
    this.#next += calls
    const result = await this.field.load.ask<LoadResult>(load, WAIT_MS_MAX)
    this.#failures.set(id, (this.#failures.get(id) ?? 0) + result.failures)
    return result
  }

  async #row({ id, title, target, server, peer }: Contender): Promise<Row> {
    const own = this.#perCoreSecond.get(id) ?? []
    const theirs = peer ? this.#perCoreSecond.get(peer.id) : undefined
    const ratios = theirs ? own.map((value, round) => value / (theirs[round] ?? Number.NaN)) : []
    const [open] = this.#open.get(id) ?? []
    const [direct] = this.#open.get(target.kind.startsWith('write') ? 'direct-write' : 'direct-read') ?? []
    const added = (of: 'p50Ms' | 'p99Ms'): number | null => (open && direct && !id.startsWith('direct-') ? open[of] - direct[of] : null)
    return {
      id,
      title,
      failures: this.#failures.get(id) ?? 0,
      callsPerSecond: median(this.#perSecond.get(id) ?? []),
      callsPerCoreSecond: median(own),
      spread: spread(own),
      p50Ms: open?.p50Ms ?? Number.NaN,
      p99Ms: open?.p99Ms ?? Number.NaN,
      addedP50Ms: added('p50Ms'),
      addedP99Ms: added('p99Ms'),
      rssMiB: (await server.ask<Usage>({ ask: 'usage' }, WAIT_MS_MAX)).rssMiB,
      ofPeer: peer && theirs ? { peer: peer.id, ratio: median(ratios), spread: spread(ratios), aim: peer.aim } : null,
    }
  }
}

function push<T>(lists: Map<string, T[]>, id: string, value: T): void {
  const list = lists.get(id) ?? []
  list.push(value)
  lists.set(id, list)
}
