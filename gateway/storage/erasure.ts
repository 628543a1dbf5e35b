import { type Selectable, sql } from 'kysely'
import type { CallState, Erasing } from '../core/call.ts'
import { instant } from '../core/clock.ts'
import { NOBODY_EXCLUDED } from '../core/exclusion.ts'
import type { CallId } from '../core/ids.ts'
import type { AccountOf } from '../core/account.ts'
import type { Erased, Erasure } from '../ports/erasure.ts'
import { eraseAccounts } from './accounts.ts'
import type { CallFacts, Db, HoldFacts, StandingGrantTable, Tx } from './tables.ts'
import type { Transactions, TransactionScope } from './transaction-scope.ts'

export const OPEN: ReadonlySet<CallState> = new Set(['held', 'approved', 'executing', 'in_doubt'])

interface Subject {
  id: CallId
  agent: string
  state: CallState
  facts: CallFacts
  erased: Erasing | null
}

/**
 * Destroys everything of these calls that is payload: the sealed part of their entries (key, salt and text in one), and what projections repeat of it.
 * Followers write from payloads, so they are kept from reading until this has committed; what they wrote before is seen. Locks are taken in the order of
 * all: grants before calls before accounts before holds.
 */
async function destroy(scope: TransactionScope, ids: readonly CallId[], { by, why, late }: Reason): Promise<Destroyed> {
  const { tx, atMs } = scope
  await tx.selectFrom('follower').select('name').orderBy('name').forUpdate().execute()
  await lockGivenGrants(tx, ids)
  const calls = await lockedCalls(tx, ids)
  const kept = await keptOf(tx, ids, calls, atMs)
  const going = calls.filter(({ id, erased }) => erased === null && !kept.has(id))
  const named = going.map(({ id }) => id)
  const counts = await unsealEntries(tx, named)
  for (const [id, count] of await unsealAccounts(scope, going, late)) counts.set(id, (counts.get(id) ?? 0) + count)
  await blankCalls(tx, going, { at: instant(atMs), by, why })
  await blankHolds(tx, named)
  await forgetWords(tx, named)
  const entries = [...counts.values()].reduce((sum, count) => sum + count, 0)
  return { calls: named, entries, kept: [...kept].map(([call, reason]) => ({ call, why: reason })), counts }
}

interface Reason {
  by: string
  why: string
  /** Whether agents may still tell of the calls. */
  late: boolean
}

interface Destroyed extends Erased {
  counts: ReadonlyMap<CallId, number>
}

/** The same with an entry for each call, under that call. */
async function eraseEach(scope: TransactionScope, ids: readonly CallId[], by: string, why: string): Promise<Erased> {
  const { counts, ...erased } = await destroy(scope, ids, { by, why, late: true })
  for (const id of erased.calls) scope.append(id, { kind: 'erased', calls: [id], by, why, entries: counts.get(id) ?? 0 })
  return erased
}

/** The same with one entry for all of them. */
export async function eraseTogether(scope: TransactionScope, ids: readonly CallId[], by: string, why: string): Promise<Erased> {
  const { calls, entries, kept } = await destroy(scope, ids, { by, why, late: false })
  if (calls.length > 0) scope.append(null, { kind: 'erased', calls, by, why, entries })
  return { calls, entries, kept }
}

const texts = (values: readonly string[]) => sql`${[...values]}::text[]`

export async function lockGivenGrants(tx: Tx, ids: readonly CallId[]): Promise<void> {
  await sql`select g.id from standing_grant g where g.hold_id in (select h.id from hold h where h.call_id = any(${texts(ids)}))
    order by g.id for update`.execute(tx)
}

export async function lockedCalls(tx: Tx, ids: readonly CallId[]): Promise<readonly Subject[]> {
  if (ids.length === 0) return []
  const rows = await tx
    .selectFrom('call')
    .select(['id', 'agent', 'state', 'facts', 'erased'])
    .where('id', 'in', [...ids])
    .orderBy('id')
    .forUpdate()
    .execute()
  return rows.map((row) => ({ ...row, id: row.id as CallId }))
}

/** Why which of these calls stay as they are: where something of the payload is still needed, or could not be destroyed whole. */
async function keptOf(tx: Tx, ids: readonly CallId[], calls: readonly Subject[], atMs: number): Promise<Map<CallId, string>> {
  const kept = new Map<CallId, string>()
  const known = new Set(calls.map(({ id }) => id))
  for (const id of ids) if (!known.has(id)) kept.set(id, 'there is no such call')
  for (const { id, state } of calls) if (OPEN.has(state)) kept.set(id, `it is ${state.replace('_', ' ')}: erase it once it has ended`)
  const { rows } = await sql<{ call: CallId; why: string }>`
    select e.call_id as call, 'it was recorded before payloads were kept apart, so that its entries cannot be changed' as why
    from entry e where e.call_id = any(${texts(ids)}) and e.kind = 'decision' and e.commitment is null`.execute(tx)
  for (const { call, why } of [...(await stillStanding(tx, ids, atMs)), ...rows]) if (!kept.has(call)) kept.set(call, why)
  return kept
}

/** What is not over though its call may be. */
export async function stillStanding(db: Db | Tx, ids: readonly CallId[], atMs: number): Promise<readonly { call: CallId; why: string }[]> {
  const { rows } = await sql<{ call: CallId; why: string }>`
    select h.call_id as call, 'its standing grant ' || g.id || ' is not over: revoke it first' as why
    from hold h join standing_grant g on g.hold_id = h.id
    where h.call_id = any(${texts(ids)}) and g.ended is null and g.until_ms > ${atMs}
    union all select h.call_id, 'somebody approved it alone, and that waits for its review'
    from hold h join break_glass b on b.hold_id = h.id where h.call_id = any(${texts(ids)}) and b.state <> 'reviewed'`.execute(db)
  return rows
}

/** How many entries of each call lost their payload. */
async function unsealEntries(tx: Tx, ids: readonly CallId[]): Promise<Map<CallId, number>> {
  const { rows } = await sql<{ id: CallId }>`update entry set sealed = null
    where call_id = any(${texts(ids)}) and sealed is not null returning call_id as id`.execute(tx)
  return new Map([...Map.groupBy(rows, ({ id }) => id)].map(([id, own]) => [id, own.length]))
}

/**
 * What agents told of the calls' traces, which repeats arguments and answers, goes with the first call of a trace. Counted with that call: how many entries lost
 * their payload.
 */
async function unsealAccounts(scope: TransactionScope, calls: readonly Subject[], late: boolean): Promise<readonly [CallId, number][]> {
  const ofTraces = new Map<string, { id: CallId; of: AccountOf }>()
  for (const { id, agent, facts } of calls) {
    const { traceId, subject } = facts
    const key = JSON.stringify([traceId, agent, subject])
    if (traceId !== null && !ofTraces.has(key)) ofTraces.set(key, { id, of: { traceId, agent, subject } })
  }
  const traces = [...ofTraces.values()]
  const erased = await eraseAccounts(
    scope,
    traces.map(({ of }) => of),
    late,
  )
  return traces.map(({ id, of }) => [id, erased.get(of) ?? 0])
}

/** The join key is a digest of the arguments: it stays only where an equal call still has to find this one. */
async function blankCalls(tx: Tx, calls: readonly Subject[], erased: Erasing): Promise<void> {
  const facts = calls.map(({ facts: { edit, ...rest } }) =>
    JSON.stringify({ ...rest, input: {}, rationale: null, ...(edit && { edit: { ...edit, original: {} } }) }),
  )
  await sql`update call c set facts = u.facts::json, result = null, erased = ${JSON.stringify(erased)}::json,
      result_kept = case c.result_kept when 'kept' then 'none' else c.result_kept end,
      join_key = case when c.open_key is not null then c.join_key end, edited_key = null
    from unnest(${texts(calls.map(({ id }) => id))}, ${texts(facts)}) as u (id, facts) where c.id = u.id`.execute(tx)
}

/** What holds, votes and grants repeat of arguments and comments. */
async function blankHolds(tx: Tx, ids: readonly CallId[]): Promise<void> {
  const { rows: holds } = await sql<{ id: string; facts: HoldFacts }>`
    select id, facts from hold where call_id = any(${texts(ids)}) order by id for update`.execute(tx)
  const held = holds.map(({ id }) => id)
  const bare = holds.map(({ facts }) =>
    JSON.stringify({ ...facts, nonce: '', excluded: NOBODY_EXCLUDED, ...(facts.gives && { gives: { ...facts.gives, arguments: [] } }) }),
  )
  await sql`update hold h set facts = u.facts::json from unnest(${texts(held)}, ${texts(bare)}) as u (id, facts) where h.id = u.id`.execute(
    tx,
  )
  await sql`update vote set comment = 'null' where hold_id = any(${texts(held)})`.execute(tx)
  const { rows: grants } = await sql<{ id: string; facts: Selectable<StandingGrantTable>['facts'] }>`
    select id, facts from standing_grant where hold_id = any(${texts(held)})`.execute(tx)
  const given = grants.map(({ facts }) => JSON.stringify({ ...facts, arguments: [] }))
  await sql`update standing_grant g set facts = u.facts::json
    from unnest(${texts(grants.map(({ id }) => id))}, ${texts(given)}) as u (id, facts) where g.id = u.id`.execute(tx)
}

/** Words that agents said, and keys of business objects: of these calls, and altogether where no other call has them. */
export async function forgetWords(tx: Tx, ids: readonly CallId[]): Promise<void> {
  const { rows } = await sql<{ value: number }>`delete from search_hit h using search_value v
    where h.call_id = any(${texts(ids)}) and v.id = h.value and v.facet in ('word', 'object') returning h.value`.execute(tx)
  const values = [...new Set(rows.map(({ value }) => value))]
  const { rows: lost } = await sql<{ id: number }>`select v.id from unnest(${values}::int4[]) as v (id)
    where not exists (select from search_hit h where h.value = v.id)`.execute(tx)
  const gone = lost.map(({ id }) => id)
  await sql`delete from search_word where value = any(${gone}::int4[])`.execute(tx)
  await sql`delete from search_value where id = any(${gone}::int4[])`.execute(tx)
}

/** Erasure by the contract of `Erasure`. */
export const erasureOn = (writer: Pick<Transactions, 'transact'>): Erasure => ({
  erase: (calls, by, why) => writer.transact((scope) => eraseEach(scope, [...new Set(calls)], by, why)),
})
