import type { EntryBody } from '../core/entry.ts'
import { LIMITS } from '../limits.ts'
import type { Faults } from './faults.ts'

type Body<K extends EntryBody['kind']> = Extract<EntryBody, { kind: K }>

/** An entry with its place, as far as calls are concerned. */
export interface PlacedEntry {
  index: number
  process: string
  seq: number
  callId: string
  body: EntryBody
}

interface Held {
  index: number
  digest: string
  seats: number
}

interface Voted {
  index: number
  hold: string
  voter: string
  approves: boolean
  digest: string
}

interface CallState {
  first: number
  /** Somebody who may not vote on it, by why. */
  excluded: Map<string, string>
  decided: PlacedEntry | undefined
  /** Policy permitted it, or a grant let it pass. */
  let: boolean
  intents: { entry: PlacedEntry; body: Body<'intent'> }[]
  outcomes: { entry: PlacedEntry; intent: string }[]
  holds: Map<string, Held>
  votes: Voted[]
  broken: Set<string>
  /** `<hold> <state>` to index. */
  reached: Map<string, number>
  isResolved: boolean
  /** A long entry without its payload: what it says is not known. */
  isUnreadable: boolean
}

export interface CallTally {
  calls: number
  /** Intents without an outcome that nobody resolved. */
  inDoubt: { count: number; calls: string[] }
}

/** A call that ended as most do, of which nothing more has to be known. */
const ENDED = 'ended'

/**
 * The life of each call, by its entries. Between processes the log has no order, so that a call is judged when all of the log was read; of one process,
 * what comes first is first. What a call needs is kept while it is under way, and a name of it afterwards.
 */
export class CallCheck {
  readonly #faults: Faults
  readonly #calls = new Map<string, CallState | typeof ENDED>()

  constructor(faults: Faults) {
    this.#faults = faults
  }

  add(entry: PlacedEntry, readable: boolean): void {
    const state = this.#calls.get(entry.callId) ?? fresh(entry.index)
    if (state === ENDED) {
      if (['decision', 'intent', 'outcome', 'hold.opened'].includes(entry.body.kind))
        this.#faults.add('call', entry.index, `call \`${entry.callId}\` had its outcome before, and goes on with \`${entry.body.kind}\``)
      return
    }
    if (readable) take(state, entry)
    else state.isUnreadable = true
    const isEnded = isPlain(state) && !this.#judged(entry.callId, state)
    this.#calls.set(entry.callId, isEnded ? ENDED : state)
  }

  finish(): CallTally {
    const inDoubt: CallTally['inDoubt'] = { count: 0, calls: [] }
    for (const [id, state] of this.#calls) {
      if (state === ENDED || state.isUnreadable) continue
      this.#judged(id, state)
      if (state.isResolved || state.intents.length <= state.outcomes.length) continue
      inDoubt.count += 1
      if (inDoubt.calls.length < LIMITS.auditFaultsMax) inDoubt.calls.push(id)
    }
    return { calls: this.#calls.size, inDoubt }
  }

  /** Tells all faults of a call; whether there were any. */
  #judged(id: string, state: CallState): boolean {
    const before = this.#faults.count
    for (const [at, why] of [...faultsOfIntents(state), ...faultsOfOutcomes(state), ...faultsOfHolds(state)])
      this.#faults.add('call', at, `call \`${id}\`: ${why}`)
    return this.#faults.count > before
  }
}

const fresh = (first: number): CallState => ({
  first,
  excluded: new Map(),
  decided: undefined,
  let: false,
  intents: [],
  outcomes: [],
  holds: new Map(),
  votes: [],
  broken: new Set(),
  reached: new Map(),
  isResolved: false,
  isUnreadable: false,
})

const isPlain = ({ decided, intents, outcomes, holds, isUnreadable }: CallState): boolean =>
  decided !== undefined && intents.length === 1 && outcomes.length === 1 && holds.size === 0 && !isUnreadable

function take(state: CallState, entry: PlacedEntry): void {
  const { body, index } = entry
  switch (body.kind) {
    case 'decision': {
      const { subject, owner, actors } = body.request
      state.decided ??= entry
      if (body.decision.verdict.effect === 'permit') state.let = true
      for (const actor of actors) state.excluded.set(actor, 'an actor of it')
      state.excluded.set(owner, "the agent's owner")
      if (subject !== null) state.excluded.set(subject, 'its subject')
      return
    }
    case 'grant.used':
      state.let = true
      return
    case 'intent':
      state.intents.push({ entry, body })
      return
    case 'outcome':
      state.outcomes.push({ entry, intent: body.intent })
      return
    case 'resolved':
      state.isResolved = true
      return
    default:
      takeOfHold(state, body, index)
  }
}

function takeOfHold(state: CallState, body: EntryBody, index: number): void {
  switch (body.kind) {
    case 'hold.opened': {
      const { id, digest, requires } = body.hold
      state.holds.set(id, { index, digest, seats: requires.reduce((sum, { count }) => sum + count, 0) })
      return
    }
    case 'hold.changed':
      state.reached.set(`${body.hold} ${body.to}`, index)
      return
    case 'vote': {
      const { hold, voter, verdict, digest } = body
      state.votes.push({ index, hold, voter, approves: verdict === 'approve', digest })
      return
    }
    case 'grant.break_glass':
      state.broken.add(body.hold)
      return
    default:
  }
}

type Found = [index: number, why: string]

const follows = (later: PlacedEntry, earlier: PlacedEntry): boolean => later.process !== earlier.process || later.seq > earlier.seq

function faultsOfIntents({ intents, decided, let: isLet, holds, reached }: CallState): Found[] {
  const found: Found[] = []
  for (const [at, { entry, body }] of intents.entries()) {
    const { index } = entry
    const { consumes } = body
    if (at > 0) found.push([index, 'it has a second intent, and would have been executed twice'])
    if (!decided) found.push([index, 'it was executed without a decision'])
    else if (!follows(entry, decided)) found.push([index, 'its intent stands before its decision'])
    if (consumes === null && decided && !isLet)
      found.push([index, 'it was executed though policy did not permit it and nobody approved it'])
    if (consumes === null) continue
    if (!holds.has(consumes)) found.push([index, `its intent consumes hold \`${consumes}\`, which was never opened for it`])
    for (const state of ['approved', 'consumed'])
      if (!reached.has(`${consumes} ${state}`)) found.push([index, `its intent consumes hold \`${consumes}\`, which never became ${state}`])
  }
  return found
}

function faultsOfOutcomes({ intents, outcomes }: CallState): Found[] {
  const seen = new Set<string>()
  return outcomes.flatMap(({ entry, intent }): Found[] => {
    const { index } = entry
    const own = intents.find(({ body }) => body.intent === intent)
    if (!own) return [[index, 'it has an outcome without the intent of that']]
    if (!follows(entry, own.entry)) return [[index, 'its outcome stands before its intent']]
    if (seen.has(intent)) return [[index, 'it has a second outcome']]
    seen.add(intent)
    return []
  })
}

function faultsOfHolds({ holds, votes, broken, reached, excluded, intents }: CallState): Found[] {
  const found: Found[] = []
  for (const { index, hold, voter, digest } of votes) {
    const own = holds.get(hold)
    if (!own) found.push([index, `\`${voter}\` voted on hold \`${hold}\`, which was never opened for it`])
    else if (own.digest !== digest) found.push([index, `\`${voter}\` voted on another digest than that of hold \`${hold}\``])
    const why = excluded.get(voter)
    if (why !== undefined) found.push([index, `\`${voter}\` voted on it, who is ${why}`])
  }
  for (const [id, { seats }] of holds) {
    const approved = reached.get(`${id} approved`)
    const voters = new Set(votes.filter(({ hold, approves }) => hold === id && approves).map(({ voter }) => voter))
    if (approved !== undefined && !broken.has(id) && voters.size < seats)
      found.push([approved, `hold \`${id}\` was approved by ${voters.size} of the ${seats} that it asks for`])
    const consumed = reached.get(`${id} consumed`)
    if (consumed !== undefined && intents.filter(({ body }) => body.consumes === id).length !== 1)
      found.push([consumed, `hold \`${id}\` was consumed, but not by one intent`])
  }
  return found
}
