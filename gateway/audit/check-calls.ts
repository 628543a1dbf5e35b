import { LIMITS } from '../limits.ts'
import { type CallFact, factOf, factsThat, involvedIn, type Place, type PlacedEntry } from './call-facts.ts'
import type { Faults } from './faults.ts'
import { GatheredFacts } from './gathered-facts.ts'
import { isPlain, judgeCall } from './judge-call.ts'

export interface CallTally {
  calls: number
  /** Intents without an outcome that nobody resolved. */
  inDoubt: { count: number; calls: string[] }
  /** Votes by whether the record has the groups that voters were in. */
  votes: { checked: number; unchecked: number }
}

/** Of lines that are marked as erased. */
export interface ErasureTally {
  /** The log says who erased their call. */
  told: number
  /** In a part of the log, which need not have that. */
  unchecked: number
}

/**
 * The life of each call, by its entries, and whether what is marked as erased was erased. A call is judged when all of the log was read; what one has to
 * know of it until then is bounded in memory (`GatheredFacts`).
 */
export class CallCheck {
  readonly #faults: Faults
  readonly #part: 'whole' | 'calls' | 'range'
  readonly #gathered: GatheredFacts
  /** Lines of no call that are marked as erased (accounts, explanations), after which no erasure has come yet; the first of them by index. */
  #loose: { count: number; first: number[] } = { count: 0, first: [] }
  #told = 0
  /** Lines that are marked as erased, and how many payloads the log says were. */
  #marked = 0
  #destroyed = 0

  /** `part`: of a range of time only erasures are looked at, since it begins and ends within calls. */
  constructor(faults: Faults, part: 'whole' | 'calls' | 'range', gathered: GatheredFacts = new GatheredFacts()) {
    this.#faults = faults
    this.#gathered = gathered
    this.#part = part
  }

  /** `complete`: the entry's payload is in it, or it has none. `readable`: it says what it is about. */
  async add(call: string | null, entry: PlacedEntry, { complete, readable }: { complete: boolean; readable: boolean }): Promise<void> {
    const { body, ...place } = entry
    if (body.kind === 'erased') {
      this.#told += this.#loose.count
      this.#loose = { count: 0, first: [] }
      this.#destroyed += body.entries
      for (const id of body.calls) await this.#gathered.add(id, { is: 'erased', ...place, by: body.by })
    }
    if (call === null || this.#part === 'range') return
    const fact: CallFact | undefined = readable ? factOf(entry, complete) : { is: 'unreadable', ...place }
    if (fact) await this.#gathered.add(call, fact)
    if (fact?.is === 'intent' || fact?.is === 'outcome') this.#settle(call, fact)
  }

  /** A line that is marked as erased. */
  async bare(call: string | null, place: Place): Promise<void> {
    this.#marked += 1
    if (call === null) {
      this.#loose.count += 1
      if (this.#loose.first.length < LIMITS.auditFaultsMax) this.#loose.first.push(place.index)
    } else await this.#gathered.add(call, { is: 'bare', ...place })
  }

  async finish(): Promise<{ calls: CallTally | null; erased: ErasureTally }> {
    const calls: CallTally = { calls: 0, inDoubt: { count: 0, calls: [] }, votes: { checked: 0, unchecked: 0 } }
    const erased: ErasureTally = { told: this.#told, unchecked: 0 }
    if (this.#part !== 'whole') erased.unchecked += this.#loose.count
    else {
      for (const index of this.#loose.first)
        this.#faults.add('erased', index, 'it is marked as erased, and no entry of the log after it says that anything was')
      if (this.#marked > this.#destroyed)
        this.#faults.add(
          'erased',
          null,
          `${this.#marked} entries are marked as erased, and the log says that ${this.#destroyed} lost their payload`,
        )
    }
    for await (const [id, facts] of this.#gathered.calls()) {
      this.#countErased(id, facts, erased)
      if (facts.some(({ is }) => is !== 'bare' && is !== 'erased')) this.#count(id, facts, calls)
    }
    return { calls: this.#part === 'range' ? null : calls, erased }
  }

  close(): Promise<void> {
    return this.#gathered.close()
  }

  /** Most calls end at once, and need no more than their name from then on. */
  #settle(call: string, { index, process, seq, at }: CallFact): void {
    const facts = this.#gathered.of(call)
    if (!isPlain(facts) || judgeCall(facts).found.length > 0) return
    this.#gathered.replace(call, [
      ...facts.filter(({ is }) => is === 'bare'),
      { is: 'ended', index, process, seq, at, involved: involvedIn(facts) },
    ])
  }

  #count(id: string, facts: readonly CallFact[], tally: CallTally): void {
    tally.calls += 1
    if (facts.length >= LIMITS.auditFactsPerCallMax)
      this.#faults.add('call', facts[0]?.index ?? null, `call \`${id}\` has more than ${LIMITS.auditFactsPerCallMax} entries`)
    const { found, inDoubt, votes } = judgeCall(facts.slice(0, LIMITS.auditFactsPerCallMax))
    for (const [at, why] of found) this.#faults.add('call', at, `call \`${id}\`: ${why}`)
    tally.votes.checked += votes.checked
    tally.votes.unchecked += votes.unchecked
    if (!inDoubt) return
    tally.inDoubt.count += 1
    if (tally.inDoubt.calls.length < LIMITS.auditFaultsMax) tally.inDoubt.calls.push(id)
  }

  #countErased(id: string, facts: readonly CallFact[], tally: ErasureTally): void {
    const bare = facts.filter(({ is }) => is === 'bare')
    const involved = involvedIn(facts)
    for (const { index, by } of factsThat(facts, 'erased'))
      if (involved.includes(by)) this.#faults.add('erased', index, `\`${by}\` erased call \`${id}\`, and had a part in it`)
    if (facts.some(({ is }) => is === 'erased')) tally.told += bare.length
    else if (this.#part !== 'whole') tally.unchecked += bare.length
    else
      for (const { index } of bare)
        this.#faults.add('erased', index, `it is marked as erased, and no entry of the log says that call \`${id}\` was`)
  }
}
