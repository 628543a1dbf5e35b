import { describe, expect, test } from 'vitest'
import type { Call } from '../core/call.ts'
import { type BusinessObject, objectAsked } from '../core/decision.ts'
import type { Entry } from '../core/entry.ts'
import type { CallId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import type { CallFilter } from '../ports/call-store.ts'
import type { NewCall } from '../ports/recorder.ts'
import { callsPage } from './call-pages.ts'
import { searchFollower } from './search-index.ts'
import { searchTerms, searchWords } from './search-words.ts'
import { approve, type TestStore } from './test-store.ts'
import { denied, finished, held, permitted } from './test-units.ts'

/** Random numbers that are the same in every run. */
function randomOf(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** What is known of a call without asking the store. */
interface Told {
  call: Call
  decision: 'permit' | 'hold' | 'deny'
  object: BusinessObject | null
  voters: readonly string[]
  labels: readonly string[]
}

const AGENTS = ['invoice-clerk', 'helper', 'other']
const OPERATIONS = ['releasePayment', 'getVendor', 'orders']
const SAID = ['The invoice is due today', 'a reminder, overdue since May', 'kein Grund', '']
const LABELS = ['untrusted', 'pii']

/** A call that differs from others in everything that one can ask for. */
function varied(at: TestStore, random: (below: number) => number): NewCall {
  const { clock } = at
  const pick = <T>(of: readonly T[]): T => of[random(of.length)] as T
  const sample = {
    agent: pick(AGENTS.slice(1)),
    operation: pick(OPERATIONS),
    subject: pick(['paul', 'maria', null]),
    run: pick(['r1', null]),
    input: { iban: 'DE89370400440532013000', note: 'zzsecretpayload' },
  }
  const unit = pick([denied, held, permitted, permitted, permitted])(clock, sample)
  const owner = pick(['ann', 'olga'])
  const rationale = pick(SAID) || null
  const policies = [pick(['clerk-reads', 'finance-pays', 'hold-large-payments'])]
  const resource = pick([
    { type: 'Erp::Vendor', id: `V-10${random(4)}` },
    { type: 'Erp::Invoice', id: `V-10${random(4)}` },
    { type: 'Gatehouse::Connector', id: 'erp' },
  ])
  const { decision } = unit
  return {
    ...unit,
    call: { ...unit.call, owner, rationale, policies, door: pick(['http', 'mcp', 'graphql']) },
    request: { ...unit.request, owner, asserted: rationale === null ? {} : { rationale } },
    decision: { ...decision, verdict: { ...decision.verdict, policies }, evidence: { ...decision.evidence, request: { resource } } },
  }
}

/** Records a call and goes on with it in a random way. */
async function record(at: TestStore, random: (below: number) => number): Promise<Told> {
  const { recorder, clock } = at
  clock.nowMs += random(40_000)
  const unit = varied(at, random)
  await recorder.admit(unit)
  const told = { decision: unit.decision.verdict.effect, object: objectAsked(unit.decision.evidence) }
  const { call } = unit
  let labels: string[] = []
  let voters: string[] = []
  if (unit.hold && random(2) === 0) {
    await approve(at, { ...unit, hold: unit.hold })
    voters = ['bob']
  }
  if (unit.intent && random(4) > 0) {
    const kind = (['completed', 'failed', 'in_doubt'] as const)[random(3)] ?? 'completed'
    await recorder.finish(finished(call.id, unit.intent, kind))
    if (random(3) === 0) {
      labels = [LABELS[random(2)] ?? '']
      await recorder.note(call.id, { kind: 'labelled', agent: call.agent, subject: call.subject, run: null, labels })
    }
  }
  const stored = await at.storage.calls.call(call.id)
  if (!stored) throw new Error(`call ${call.id} is not there`)
  return { ...told, call: stored, voters, labels }
}

/** Follows the log from its beginning, as a follower that is new does. */
async function follow({ storage }: TestStore): Promise<void> {
  const index = searchFollower()
  for (let position: Parameters<typeof storage.calls.entriesAfter>[0] = null; ; ) {
    const page: readonly Entry[] = await storage.calls.entriesAfter(position, 100)
    await storage.database.db.transaction().execute((tx) => index.take(tx, page))
    const last = page.at(-1)
    if (!last) return
    position = { at: last.at, process: last.process, seq: last.seq }
  }
}

const saysAll = ({ call, object }: Told, text: string): boolean => {
  const words = [call.operation, call.agent, call.subject, ...call.policies, object?.key, call.rationale].flatMap((part) =>
    searchWords(part ?? ''),
  )
  return searchTerms(text).every((term) => words.some((word) => word.startsWith(term)))
}

/** The filter by its definition. */
function fits(told: Told, filter: CallFilter): boolean {
  const { call, decision, object, voters, labels } = told
  const { state, since, until, policy, approver, label, text } = filter
  const plain = (['agent', 'subject', 'owner', 'connector', 'operation', 'denyReason', 'door', 'run'] as const).every(
    (name) => filter[name] === undefined || filter[name] === call[name],
  )
  return (
    plain &&
    (state === undefined || state.includes(call.state)) &&
    (filter.decision === undefined || filter.decision === decision) &&
    (since === undefined || call.createdAt >= since) &&
    (until === undefined || call.createdAt < until) &&
    (policy === undefined || call.policies.includes(policy)) &&
    (approver === undefined || voters.includes(approver)) &&
    (label === undefined || labels.includes(label)) &&
    (filter.object === undefined || filter.object === object?.key || filter.object === `${object?.type}:${object?.key}`) &&
    (text === undefined || saysAll(told, text))
  )
}

function randomFilter(all: readonly Told[], random: (below: number) => number): CallFilter {
  const one = all[random(all.length)]
  if (!one) return {}
  const { call, decision, object, voters, labels } = one
  const whole: Required<{ [K in keyof CallFilter]: CallFilter[K] | undefined }> = {
    agent: call.agent,
    subject: call.subject ?? undefined,
    owner: call.owner,
    connector: call.connector,
    operation: call.operation,
    state: [call.state, 'executing'],
    decision,
    denyReason: call.denyReason ?? undefined,
    door: call.door,
    since: call.createdAt,
    until: call.createdAt,
    run: call.run ?? undefined,
    policy: call.policies[0],
    approver: voters[0],
    label: labels[0],
    object: object ? (random(2) === 0 ? object.key : `${object.type}:${object.key}`) : undefined,
    text: ['pay', 'invoice', 'clerk V-10', 'erp', 'vendor due', 'Maria', 'overdue may', 'hold-large'][random(8)],
  }
  const kept = Object.entries(whole).filter(([, value]) => value !== undefined && random(5) === 0)
  return Object.fromEntries(kept) as CallFilter
}

/** What people ask of the log of calls, against the same by definition. */
export function callSearchConformance(at: () => TestStore): void {
  const idsOf = async (filter: CallFilter, first: number): Promise<CallId[]> => {
    const found: CallId[] = []
    for (let after: CallId | undefined; ; ) {
      const page = await at().storage.calls.calls(filter, { first, ...(after === undefined ? {} : { after }) })
      found.push(...page.rows.map(({ id }) => id))
      after = page.lookedTo ?? page.rows.at(-1)?.id
      if (!page.more) return found
    }
  }
  const scene = async (calls: number, seed: number) => {
    const random = randomOf(seed)
    const all: Told[] = []
    for (let i = 0; i < calls; i++) all.push(await record(at(), random))
    await follow(at())
    return { all: all.toReversed(), random }
  }

  describe('the log of calls', () => {
    test('random filters find what their definition says, in pages of any size', async () => {
      const { all, random } = await scene(120, 7)
      let hits = 0
      for (let i = 0; i < 150; i++) {
        const filter = randomFilter(all, random)
        const wanted = all.filter((told) => fits(told, filter)).map(({ call }) => call.id)
        expect(await idsOf(filter, 1 + random(20)), JSON.stringify(filter)).toEqual(wanted)
        hits += wanted.length
      }
      expect(hits).toBeGreaterThan(200)
    })

    test('each filter alone, with what it leaves out', async () => {
      const { all } = await scene(80, 11)
      const filters: CallFilter[] = [
        { owner: 'olga' },
        { decision: 'permit' },
        { decision: 'hold' },
        { decision: 'deny' },
        { denyReason: 'forbidden' },
        { policy: 'finance-pays' },
        { approver: 'bob' },
        { label: 'pii' },
        { object: 'V-101' },
        { object: 'Vendor:V-101' },
        { text: 'release' },
        { text: 'releasepayment' },
        { text: 'crm.releasePayment' },
        { text: 'REMINDER, overdue' },
        { text: 'v-101' },
        { text: 'maria clerk' },
      ]
      for (const filter of filters) {
        const wanted = all.filter((told) => fits(told, filter)).map(({ call }) => call.id)
        expect(wanted.length, JSON.stringify(filter)).toBeGreaterThan(0)
        expect(wanted.length, JSON.stringify(filter)).toBeLessThan(all.length)
        expect(await idsOf(filter, 7), JSON.stringify(filter)).toEqual(wanted)
      }
    })

    test('arguments are found by no text, and what nobody has finds nothing', async () => {
      await scene(20, 3)
      for (const text of ['zzsecretpayload', 'DE89370400440532013000', 'iban', 'note', 'nobody-says-this'])
        expect(await idsOf({ text }, 5)).toEqual([])
      for (const filter of [{ policy: 'none' }, { approver: 'none' }, { label: 'none' }, { object: 'none' }, { owner: 'none' }])
        expect(await idsOf(filter, 5)).toEqual([])
    })

    test('pages stay in place while calls arrive', async () => {
      const { all, random } = await scene(40, 5)
      const wanted = all.filter(({ call }) => call.agent === 'helper').map(({ call }) => call.id)
      const found: CallId[] = []
      for (let after: CallId | undefined; ; ) {
        const page = await at().storage.calls.calls({ agent: 'helper' }, { first: 3, ...(after === undefined ? {} : { after }) })
        found.push(...page.rows.map(({ id }) => id))
        after = page.rows.at(-1)?.id
        at().clock.nowMs += 40_000
        await record(at(), random)
        if (!page.more) break
      }
      expect(found).toEqual(wanted)
    })

    test('following the log again changes nothing', async () => {
      await scene(15, 9)
      const { db } = at().storage.database
      const all = () =>
        Promise.all((['search_value', 'search_word', 'search_hit'] as const).map((table) => db.selectFrom(table).selectAll().execute()))
      const before = await all()
      await follow(at())
      expect(await all()).toEqual(before)
    })

    test('what fits rarely comes in short pages that say how far they looked', async () => {
      const { all } = await scene(60, 13)
      const filter: CallFilter = { door: 'mcp', denyReason: 'forbidden' }
      const wanted = all.filter((told) => fits(told, filter)).map(({ call }) => call.id)
      expect(wanted.length).toBeGreaterThan(0)
      const found: CallId[] = []
      let short = 0
      for (let after: CallId | undefined; ; ) {
        const page = await callsPage(at().storage.database.db, filter, { first: 50, ...(after === undefined ? {} : { after }) }, 4)
        found.push(...page.rows.map(({ id }) => id))
        if (!page.more) break
        expect(page.lookedTo).toBeDefined()
        after = page.lookedTo
        short += 1
      }
      expect(found).toEqual(wanted)
      expect(short).toBeGreaterThan(1)
    })

    test('a text that too much begins with is refused, and says what to do', async () => {
      const { recorder, clock } = at()
      for (let i = 0; i <= LIMITS.searchValuesPerTermMax; i++) {
        const unit = permitted(clock)
        const evidence = { ...unit.decision.evidence, request: { resource: { type: 'Erp::Invoice', id: `INV-${1000 + i}` } } }
        await recorder.admit({ ...unit, decision: { ...unit.decision, evidence } })
      }
      await follow(at())
      await expect(idsOf({ text: 'inv-1' }, 5)).rejects.toThrow('too much begins with `inv-1`')
      expect(await idsOf({ text: 'inv-1000' }, 5)).toHaveLength(1)
      await expect(idsOf({ text: 'a b c d e f g h i' }, 5)).rejects.toThrow('at most 8 words')
    })
  })
}
