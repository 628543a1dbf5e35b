import { setImmediate as yieldToCalls } from 'node:timers/promises'
import { type Instant, instant } from '../core/clock.ts'
import { changeOf, saidBy } from '../core/decision-change.ts'
import type { Entry, EntryBody } from '../core/entry.ts'
import { GatewayError } from '../core/errors.ts'
import type { CallId, OperationId } from '../core/ids.ts'
import { isJsonObject, type JsonObject } from '../core/json.ts'
import type { Agent } from '../core/principal.ts'
import { LIMITS } from '../limits.ts'
import type { Operator, SimulationRequest } from '../ports/operator.ts'
import type { PolicySetTexts } from '../ports/policy-sets.ts'
import type { RecordedCall, Redecided, Simulation, SimulatedChange } from '../ports/simulator.ts'
import type { OperatorDeps } from './deps.ts'
import { textsOf } from './policy-changes.ts'
import { faultyDraft } from './policy-drafts.ts'
import { requireReader } from './roles.ts'

type DecisionEntry = Extract<EntryBody, { kind: 'decision' }>

/**
 * Decides the recorded calls of the range again on a draft, newest first, apart from what decides. A release of a hold is no call of its own. Bounded in
 * calls and time; where a bound ends it, the answer says so. Throws BAD_INPUT with every fault of the draft, FORBIDDEN, LIMITED, UNAVAILABLE.
 */
export async function simulatePolicies(deps: OperatorDeps, by: Operator, asked: SimulationRequest): Promise<Simulation> {
  requireReader(by, 'simulating policies')
  const most = asked.first ?? LIMITS.simulatedCallsMax
  if (!Number.isSafeInteger(most) || most < 1 || most > LIMITS.simulatedCallsMax)
    throw new GatewayError('BAD_INPUT', `\`first\` is not between 1 and ${LIMITS.simulatedCallsMax}`)
  const draft = textsOf(deps, asked.draft)
  const against = asked.against ? textsOf(deps, asked.against) : null
  const began = deps.clock.now()
  const tally = new Tally(asked.since)
  const reading = await Promise.all([draft, ...(against ? [against] : [])].map((texts) => deps.simulator.readingFindings(texts))).catch(
    faultyDraft,
  )
  const searched = new Set(reading.flatMap((operations) => [...operations]))
  const sets = new PastTexts(deps)
  const pages = new Pages(deps, asked.since)
  for (;;) {
    const left = most - tally.calls
    const page = left > 0 ? await pages.next(Math.min(left, LIMITS.simulatedCallsPerJobMax)) : []
    if (page.length === 0) return tally.result(left > 0 || !(await pages.more()) ? null : 'calls')
    const calls = await recorded(deps, tally.withoutErased(page), searched)
    const known = await sets.of(calls)
    tally.add(calls, await deps.simulator.redecide({ draft, against, calls, sets: known }).catch(faultyDraft))
    if (deps.clock.now() - began > LIMITS.simulatedMsMax && (await pages.more())) return tally.result('time')
  }
}

interface Found {
  entry: Entry
  callId: CallId
  body: DecisionEntry
}

/** First decisions of calls, newest first. */
class Pages {
  readonly #deps: OperatorDeps
  readonly #since: Instant
  #position: { at: Instant; process: string; seq: number } | null = null
  #ahead: Found[] = []
  #ended = false

  constructor(deps: OperatorDeps, since: Instant) {
    this.#deps = deps
    this.#since = since
  }

  async next(first: number): Promise<readonly Found[]> {
    while (this.#ahead.length < first && !this.#ended) await this.#read()
    return this.#ahead.splice(0, first)
  }

  /** Whether there are older ones. */
  async more(): Promise<boolean> {
    while (this.#ahead.length === 0 && !this.#ended) await this.#read()
    return this.#ahead.length > 0
  }

  async #read(): Promise<void> {
    const entries = await this.#deps.store.decisionsBefore(this.#since, this.#position, LIMITS.pageRowsMax)
    const last = entries.at(-1)
    if (last) this.#position = { at: last.at, process: last.process, seq: last.seq }
    this.#ended = entries.length < LIMITS.pageRowsMax
    for (const entry of entries) {
      const { callId, body } = entry
      if (callId !== null && body.kind === 'decision' && body.release === null) this.#ahead.push({ entry, callId, body })
    }
    // Calls of agents come first.
    await yieldToCalls()
  }
}

/** Texts of the sets that decided the calls. */
class PastTexts {
  readonly #deps: OperatorDeps
  readonly #known = new Map<string, PolicySetTexts>()
  readonly #asked = new Set<string>()

  constructor(deps: OperatorDeps) {
    this.#deps = deps
  }

  async of(calls: readonly RecordedCall[]): Promise<ReadonlyMap<string, PolicySetTexts>> {
    for (const { policySet } of calls) {
      if (this.#asked.has(policySet) || this.#asked.size >= LIMITS.simulatedSetsMax) continue
      this.#asked.add(policySet)
      const set = await this.#deps.policySets.set(policySet)
      if (set) this.#known.set(policySet, { files: set.files, facts: set.facts })
    }
    return this.#known
  }
}

async function recorded(deps: OperatorDeps, page: readonly Found[], searched: ReadonlySet<OperationId>): Promise<RecordedCall[]> {
  const calls: RecordedCall[] = []
  let scans = 0
  for (const { entry, callId, body } of page) {
    const { request, decision } = body
    const { evidence, verdict } = decision
    const context = isJsonObject(evidence.request.context) ? evidence.request.context : {}
    const search = searched.has(request.operation) && context.findings === undefined
    if (search && ++scans % LIMITS.simulatedScansPerTurnMax === 0) await yieldToCalls()
    calls.push({
      callId,
      at: instant(entry.at),
      door: request.door,
      operation: request.operation,
      operationVersion: request.operationVersion,
      input: request.input,
      asserted: request.asserted,
      agent: agentThen(deps.registry.agent(request.agent), body),
      agentAsToday: deps.registry.agent(request.agent)?.epoch !== request.agentEpoch,
      subject: request.subject,
      person: request.subject === null ? undefined : deps.registry.person(request.subject),
      said: saidBy(verdict),
      policySet: evidence.policySet,
      context,
      lookups: evidence.lookups ?? [],
      findings: search ? deps.findings(request.input) : undefined,
    })
  }
  return calls
}

/** The agent of that time: of the same epoch it is the one of today, and otherwise what the evidence has is put over it. */
function agentThen(agent: Agent | undefined, { request, decision }: DecisionEntry): Agent | undefined {
  if (!agent || agent.epoch === request.agentEpoch) return agent
  const { entities } = decision.evidence.request
  const own = (Array.isArray(entities) ? entities : [])
    .filter(isJsonObject)
    .find(({ uid }) => isJsonObject(uid) && uid.type === 'Gatehouse::Agent' && uid.id === agent.name)
  const attributes: JsonObject = isJsonObject(own?.attrs) ? own.attrs : {}
  const { autonomy, clearance, region, team } = attributes
  return {
    ...agent,
    owner: request.owner,
    ...(typeof autonomy === 'number' ? { autonomy } : {}),
    ...(Array.isArray(clearance) ? { clearance: clearance.filter((one) => typeof one === 'string') } : {}),
    ...(typeof region === 'string' ? { region } : {}),
    ...(typeof team === 'string' ? { team } : {}),
  }
}

interface Counted {
  calls: number
  same: number
  undecided: number
  changes: Map<string, SimulatedChange & { examples: CallId[] }>
}

class Tally {
  calls = 0
  readonly #since: Instant
  #oldest: Instant | null = null
  #asToday = 0
  readonly #operations = new Map<OperationId, Counted>()
  readonly #undecided = new Map<string, { calls: number; examples: CallId[] }>()

  constructor(since: Instant) {
    this.#since = since
  }

  add(calls: readonly RecordedCall[], answers: readonly Redecided[]): void {
    for (const [i, call] of calls.entries()) {
      const answer = answers[i]
      if (answer) this.#count(call, answer)
    }
  }

  /** Nobody can decide again on arguments that were erased: these are counted as such. */
  withoutErased(page: readonly Found[]): readonly Found[] {
    for (const { entry, callId, body } of page.filter(isErased))
      this.#leave(callId, this.#enter(body.request.operation, entry.at), 'its payload was erased')
    return page.filter((found) => !isErased(found))
  }

  result(stopped: Simulation['stopped']): Simulation {
    const operations = [...this.#operations].map(([operation, { changes, ...counts }]) => ({
      operation,
      ...counts,
      changes: [...changes.values()].sort((a, b) => b.calls - a.calls),
    }))
    return {
      since: this.#since,
      oldest: this.#oldest,
      calls: this.calls,
      stopped,
      asToday: this.#asToday,
      operations: operations.sort((a, b) => (a.operation < b.operation ? -1 : 1)),
      undecided: [...this.#undecided].map(([why, counted]) => ({ why, ...counted })).sort((a, b) => b.calls - a.calls),
    }
  }

  #count(call: RecordedCall, answer: Redecided): void {
    const own = this.#enter(call.operation, call.at)
    if (answer.kind === 'undecided') {
      this.#leave(call.callId, own, answer.why)
      return
    }
    if (call.agentAsToday || call.subject !== null) this.#asToday += 1
    const { before, after } = answer
    const change = changeOf(before, after)
    if (!change) {
      own.same += 1
      return
    }
    const key = JSON.stringify([before, after])
    const known = own.changes.get(key) ?? { change, before, after, calls: 0, examples: [] }
    own.changes.set(key, known)
    another(known, call.callId)
  }

  #enter(operation: OperationId, at: Instant): Counted {
    const own = this.#operations.get(operation) ?? { calls: 0, same: 0, undecided: 0, changes: new Map() }
    this.#operations.set(operation, own)
    own.calls += 1
    this.calls += 1
    if (this.#oldest === null || at < this.#oldest) this.#oldest = at
    return own
  }

  #leave(callId: CallId, own: Counted, why: string): void {
    own.undecided += 1
    const known = this.#undecided.get(why) ?? { calls: 0, examples: [] }
    this.#undecided.set(why, known)
    another(known, callId)
  }
}

const isErased = ({ entry }: Found): boolean => entry.erased === true

function another(counted: { calls: number; examples: CallId[] }, callId: CallId): void {
  counted.calls += 1
  if (counted.examples.length < LIMITS.simulatedExamplesMax) counted.examples.push(callId)
}
