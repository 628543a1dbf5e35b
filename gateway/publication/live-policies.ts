import { GatewayError } from '../core/errors.ts'
import { LIMITS } from '../limits.ts'
import type { Bus } from '../ports/bus.ts'
import type { Decider } from '../ports/decider.ts'
import type { ActivePolicySet, PolicySets, PolicySetTexts } from '../ports/policy-sets.ts'
import type { Log } from '../ports/telemetry.ts'
import { unrecordedSet } from './kept-sets.ts'

export interface LivePoliciesOptions {
  sets: PolicySets
  /** What decides until another set is active. */
  decider: Decider
  /** Compiles texts apart from what is live. Throws CONFIG_INVALID, UNAVAILABLE. */
  compile(texts: PolicySetTexts): Promise<Decider>
  bus: Bus
  log: Log
}

/** Why this process decides on another set than the one that binds: its intents are refused until that ends. */
export interface Behind {
  policySet: string
  why: string
}

/**
 * The policy set that this process decides on. It is one whole decider at any time: who asks several questions of one decision takes `decider` once.
 * What binds is what the record says at commit, so being behind costs time and never lets an old permit through.
 */
export class LivePolicies {
  readonly #options: Omit<LivePoliciesOptions, 'decider'>
  readonly #listeners: ((active: ActivePolicySet) => void)[] = []
  #decider: Decider
  /** Made active by this process, and perhaps not taken over yet. */
  #compiled: Decider | undefined
  #behind: (Behind & { atMs: number }) | undefined
  #looking: Promise<void> | undefined
  /** The one look for everybody who asked during the present one, however many ask and however long they go on. */
  #next: Promise<void> | undefined
  /** Nobody could tell at the last look: said once, not twice a second. */
  #blind = false
  #closed = false
  #timer: NodeJS.Timeout | undefined
  #unsubscribe: (() => void) | undefined

  /** The first decider is kept nowhere else, so that it goes when it is replaced. */
  constructor({ decider, ...options }: LivePoliciesOptions) {
    this.#options = options
    this.#decider = decider
  }

  get decider(): Decider {
    return this.#decider
  }

  /** Told of the set that binds at every look, once this process decides on it. Must not throw. */
  onActive(listener: (active: ActivePolicySet) => void): void {
    this.#listeners.push(listener)
  }

  get behind(): Behind | undefined {
    return this.#behind
  }

  /** Follows what other processes activate: at their signal, and at the latest after `LIMITS.policyPollMs`. */
  start(): void {
    this.#unsubscribe = this.#options.bus.subscribe((signal) => {
      if (signal.kind === 'policies') this.#wake()
    })
    this.#timer = setInterval(() => this.#wake(), LIMITS.policyPollMs).unref()
    this.#wake()
  }

  /**
   * A set that this process compiled and made active: taken over unless another one binds already. Never throws: where the record is away just now, it
   * is taken over at the next look.
   */
  async took(decider: Decider): Promise<void> {
    this.#compiled = decider
    await this.refresh().catch((error: unknown) => this.#unknown(error))
    this.#options.bus.publish({ kind: 'policies' })
  }

  /**
   * Looks which set is active and takes it over; a call during a look looks once more, so what was committed before the call is seen after it. A set
   * that cannot be taken over is reported by `behind`. Throws UNAVAILABLE.
   */
  refresh(): Promise<void> {
    if (!this.#looking) return this.#begin()
    this.#next ??= this.#looking
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined
        return this.#closed ? undefined : this.#begin()
      })
    return this.#next
  }

  #begin(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined
    })
    return this.#looking
  }

  /** Follows no more; waits for a look under way. */
  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#timer)
    this.#unsubscribe?.()
    await this.#next?.catch(() => undefined)
    await this.#looking?.catch(() => undefined)
  }

  #wake(): void {
    if (this.#closed) return
    this.refresh().catch((error: unknown) => this.#unknown(error))
  }

  #unknown(error: unknown): void {
    if (this.#blind) return
    this.#blind = true
    this.#options.log.warn({ error }, 'nobody can tell which policy set is active')
  }

  async #look(): Promise<void> {
    const active = await this.#options.sets.active()
    this.#blind = false
    const { policySet } = active
    if (policySet === null) return
    if (policySet !== this.#decider.policySet && !(await this.#takeOver(policySet))) return
    this.#behind = undefined
    for (const listener of this.#listeners) listener(active)
  }

  async #takeOver(policySet: string): Promise<boolean> {
    const known = this.#behind
    if (known?.policySet === policySet && performance.now() - known.atMs < LIMITS.policyRetryMs) return false
    const why = await this.#tryToTake(policySet)
    if (why === undefined) {
      this.#options.log.info({ policySet }, 'another policy set is active')
      return true
    }
    this.#behind = { policySet, why, atMs: performance.now() }
    this.#options.log.error(
      { policySet, decidesOn: this.#decider.policySet, why },
      'this process cannot take over the active policy set: its calls are refused',
    )
    return false
  }

  /** Undefined where the set decides from here on, or why it does not. */
  async #tryToTake(policySet: string): Promise<string | undefined> {
    let decider = this.#compiled
    this.#compiled = undefined
    const unrecorded = await this.#unrecorded(policySet)
    if (unrecorded !== undefined) return unrecorded
    if (decider?.policySet !== policySet) {
      const stored = await this.#options.sets.set(policySet).catch(unlessAltered)
      if (!stored) return 'its texts are not kept'
      if (typeof stored === 'string') return stored
      try {
        decider = await this.#options.compile(stored)
      } catch (error) {
        return error instanceof Error ? error.message : String(error)
      }
    }
    if (decider.policySet !== policySet) return 'the operations of this process are others than those that it was checked against'
    this.#decider = decider
    return undefined
  }

  /** Undefined also where yet another set binds by now: that is for the next look. */
  async #unrecorded(policySet: string): Promise<string | undefined> {
    const recorded = await this.#options.sets.recorded()
    const why = recorded.policySet === policySet ? unrecordedSet(recorded) : undefined
    return why && `the database was altered: ${why}`
  }
}

function unlessAltered(error: unknown): string {
  if (error instanceof GatewayError && error.code === 'RECORD_ALTERED') return error.message
  throw error
}
