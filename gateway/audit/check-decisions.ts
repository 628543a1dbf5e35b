import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { type DecidedAgain, Redecider } from '../../policies/engine/redecider.ts'
import type { Decision } from '../core/decision.ts'
import type { EntryBody } from '../core/entry.ts'
import { atPointer, type JsonValue } from '../core/json.ts'
import { LIMITS } from '../limits.ts'
import type { Faults } from './faults.ts'

/** Of decisions, dry ones among them. */
export interface DecisionTally {
  same: number
  /** Denials for something that policy was not asked. */
  unasked: number
  /** Payload erased or left out. */
  withoutPayload: number
  /** The policy set is not enclosed. */
  withoutPolicySet: number
  differ: number
  /** The engine that decided again. */
  engine: string | null
  /** Engines that decided then. */
  engines: string[]
}

/** The text that a policy set is named after; undefined where there is none. */
export type SetReader = (hash: string) => Promise<string | undefined>

/** Decides decisions again, one after the other, each by the policy set that decided it. */
export class DecisionCheck {
  readonly tally: DecisionTally = { same: 0, unasked: 0, withoutPayload: 0, withoutPolicySet: 0, differ: 0, engine: null, engines: [] }
  readonly #read: SetReader
  readonly #faults: Faults
  readonly #sets = new LRUCache<string, { redecider: Redecider | null }>({ max: LIMITS.auditSetsAtOnceMax })
  readonly #faulty = new Set<string>()
  readonly #allowMissing: boolean

  /** `allowMissing`: a decision whose set is not there is counted, and is no fault. */
  constructor(read: SetReader, faults: Faults, allowMissing = false) {
    this.#read = read
    this.#allowMissing = allowMissing
    this.#faults = faults
  }

  /** Whether the entry has a decision. `complete`: its payload is in it. */
  async check(index: number, body: EntryBody, complete: boolean): Promise<void> {
    if (body.kind !== 'decision' && body.kind !== 'explained') return
    const named = complete ? body.decision.evidence.policySet : atPointer(body.decision as unknown as JsonValue, '/evidence/policySet')
    const redecider = typeof named === 'string' ? await this.#set(index, named) : null
    if (!complete) {
      this.tally.withoutPayload += 1
      return
    }
    const { decision } = body
    const { engine } = decision.evidence
    if (!this.tally.engines.includes(engine) && this.tally.engines.length < LIMITS.auditFaultsMax) this.tally.engines.push(engine)
    if (!redecider) {
      this.tally.withoutPolicySet += 1
      return
    }
    this.tally.engine = redecider.version
    const again = this.#again(redecider, decision)
    if (again.kind === 'same') this.tally.same += 1
    else if (again.kind === 'unasked') this.tally.unasked += 1
    else {
      this.tally.differ += 1
      const by = engine === redecider.version ? '' : ` (by ${redecider.version}, then ${engine})`
      this.#faults.add('decision', index, `${again.why}${by}`)
    }
  }

  #again(redecider: Redecider, decision: Decision): DecidedAgain {
    try {
      return redecider.again(decision)
    } catch (error) {
      return { kind: 'differs', again: null, why: `it cannot be decided again: ${error instanceof Error ? error.message : String(error)}` }
    }
  }

  async #set(index: number, hash: string): Promise<Redecider | null> {
    const known = this.#sets.get(hash)
    if (known) return known.redecider
    const redecider = await this.#load(index, hash)
    this.#sets.set(hash, { redecider })
    return redecider
  }

  async #load(index: number, hash: string): Promise<Redecider | null> {
    const whole = /^[0-9a-f]{64}$/.test(hash) ? await this.#read(hash) : undefined
    if (whole === undefined) return this.#allowMissing ? null : this.#fault(index, hash, 'is not enclosed')
    if (createHash('sha256').update(whole).digest('hex') !== hash)
      return this.#fault(index, hash, 'is not the text that its name is SHA-256 over')
    try {
      return new Redecider(whole)
    } catch (error) {
      return this.#fault(index, hash, `cannot be read: ${error instanceof Error ? error.message : String(error)}`)
    }
  }

  #fault(index: number, hash: string, why: string): null {
    if (!this.#faulty.has(hash)) this.#faults.add('policy-set', index, `policy set \`${hash}\` ${why}`)
    if (this.#faulty.size < LIMITS.auditProcessesMax) this.#faulty.add(hash)
    return null
  }
}
