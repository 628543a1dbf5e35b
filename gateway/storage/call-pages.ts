import { type RawBuilder, sql } from 'kysely'
import type { Call, CallState } from '../core/call.ts'
import { GatewayError } from '../core/errors.ts'
import { type CallId, newCallId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import type { CallFilter, CallsPage, PageRequest } from '../ports/call-store.ts'
import { CALL_COLUMNS, callFromRow, type CallRow } from './calls.ts'
import { findHits, findOwned, findTerm, type Found } from './search-values.ts'
import { searchTerms } from './search-words.ts'
import { type Db, withoutNul } from './tables.ts'

/** Ids between two others, both left out, newest first, at most so many. */
type Walk = (range: Range, first: number) => RawBuilder<{ id: string }>

interface Range {
  from: string
  before: string
}

/** One thing that is asked of a call. */
interface Clause {
  /** Of `c`. */
  test: RawBuilder<boolean>
  /** Together they pass every call that fits, each in the order of ids; absent where no index does. */
  walks?: readonly Walk[]
}

const inRange = (id: RawBuilder<string>, { from, before }: Range, first: number): RawBuilder<unknown> =>
  sql`${id} > ${from} and ${id} < ${before} order by ${id} desc limit ${first}`

const callsWhere =
  (condition: RawBuilder<boolean>): Walk =>
  (range, first) =>
    sql`select id from call where ${condition} and ${inRange(sql`id`, range, first)}`

const hitsOf =
  (value: number): Walk =>
  (range, first) =>
    sql`select call_id as id from search_hit where value = ${value} and ${inRange(sql`call_id`, range, first)}`

const executing: Walk = (range, first) => sql`select call_id as id from execution where ${inRange(sql`call_id`, range, first)}`

const everything = callsWhere(sql`true`)

/** A column that an index has before the id. */
function column(name: 'agent' | 'subject' | 'connector' | 'operation' | 'run', value: string): Clause {
  const is = sql<boolean>`${sql.ref(name)} = ${withoutNul(value)}`
  return { test: sql`c.${is}`, walks: [callsWhere(is)] }
}

const test = (condition: RawBuilder<boolean>): Clause => ({ test: condition })

function stateClause(states: readonly CallState[]): Clause {
  const inStates = sql<boolean>`c.state = any(${[...states]}::text[])`
  if (states.includes('completed')) return test(inStates)
  const walks = [...new Set(states)].map((state) => (state === 'executing' ? executing : callsWhere(sql`rare_state = ${state}`)))
  return { test: inStates, walks }
}

const deniedWalk = callsWhere(sql`rare_state = 'denied'`)

const DECIDED: Readonly<Record<NonNullable<CallFilter['decision']>, Clause>> = {
  permit: test(sql`c.hold_id is null and c.deny_reason is null`),
  hold: { test: sql`c.hold_id is not null`, walks: [callsWhere(sql`hold_id is not null`)] },
  deny: { test: sql`c.hold_id is null and c.deny_reason is not null`, walks: [deniedWalk] },
}

/** Calls that have one of these values. */
function hitClause(values: readonly number[]): Clause {
  return {
    test: sql`exists (select 1 from search_hit h where h.value = any(${[...values]}::int4[]) and h.call_id = c.id)`,
    walks: values.map(hitsOf),
  }
}

const COLUMN_FACETS = ['agent', 'subject', 'operation'] as const

/** A word of a text, by all that it may mean. */
function termClause(found: readonly Found[]): Clause {
  const clauses = COLUMN_FACETS.flatMap((facet) => found.filter((one) => one.facet === facet).map(({ value }) => column(facet, value)))
  const hits = found.filter(({ facet }) => !COLUMN_FACETS.some((column) => column === facet)).map(({ id }) => id)
  if (hits.length > 0) clauses.push(hitClause(hits))
  if (clauses.length === 0) return { test: sql`false`, walks: [] }
  return {
    test: sql`(${sql.join(
      clauses.map(({ test }) => test),
      sql` or `,
    )})`,
    walks: clauses.flatMap(({ walks = [] }) => walks),
  }
}

/** What columns say. */
function columnClauses(filter: CallFilter): Clause[] {
  const { agent, subject, connector, operation, run, state, decision, denyReason, door, since, until } = filter
  const clauses: Clause[] = []
  if (agent !== undefined) clauses.push(column('agent', agent))
  if (subject !== undefined) clauses.push(column('subject', subject))
  if (connector !== undefined) clauses.push(column('connector', connector))
  if (operation !== undefined) clauses.push(column('operation', operation))
  if (run !== undefined) clauses.push(column('run', run))
  if (state !== undefined) clauses.push(stateClause(state))
  if (decision !== undefined) clauses.push(DECIDED[decision])
  if (denyReason !== undefined) clauses.push({ test: sql`c.deny_reason = ${denyReason}`, walks: [deniedWalk] })
  if (door !== undefined) clauses.push(test(sql`c.door = ${door}`))
  if (since !== undefined) clauses.push(test(sql`c.created_at_ms >= ${since}`))
  if (until !== undefined) clauses.push(test(sql`c.created_at_ms < ${until}`))
  return clauses
}

/** What was written beside the calls by following the log. Throws BAD_INPUT for a term that too many values begin with. */
async function searchClauses(db: Db, filter: CallFilter): Promise<Clause[]> {
  const { owner, policy, approver, label, object, text } = filter
  const clauses: Clause[] = []
  if (owner !== undefined) {
    const agents = await findOwned(db, owner)
    const walks = agents.map((agent) => callsWhere(sql`agent = ${agent}`))
    clauses.push({ test: sql`c.facts->>'owner' = ${withoutNul(owner)}`, walks })
  }
  for (const [facet, value] of [
    ['policy', policy],
    ['voter', approver],
    ['label', label],
    ['object', object],
  ] as const) {
    if (value !== undefined) clauses.push(hitClause(await findHits(db, facet, withoutNul(value))))
  }
  const terms = text === undefined ? [] : searchTerms(text)
  if (terms.length > LIMITS.searchTermsMax) throw new GatewayError('BAD_INPUT', `a text has at most ${LIMITS.searchTermsMax} words`)
  for (const term of terms) clauses.push(termClause(await findTerm(db, term)))
  return clauses
}

const LEAST = 'call_'
const MOST = 'call_~'

/** No call of that time or later has a smaller id. */
export const earliestId = (ms: number): CallId => newCallId(Math.max(0, Math.trunc(ms)), new Uint8Array(16))

/** Ids sort by the time they were made at, so they bound the walk; the slack is for a call created just after its id. */
function rangeOf({ since, until }: CallFilter, after: CallId | undefined): Range {
  const latest = until === undefined ? MOST : earliestId(until + LIMITS.clockSkewMsMax)
  return {
    from: since === undefined ? LEAST : earliestId(since - LIMITS.clockSkewMsMax),
    before: after === undefined || after > latest ? latest : after,
  }
}

const PROBED = 256

/** The walks that pass the fewest calls near the beginning of the range: what each of them has passed after a few hundred tells how often it stops. */
async function sparsest(db: Db, clauses: readonly Clause[], range: Range): Promise<readonly Walk[]> {
  const able = clauses.flatMap(({ walks }) => (walks ? [walks] : []))
  const [only, another] = able
  if (!only || !another) return only ?? [everything]
  const reached = able.map((walks) => {
    const each = Math.max(1, Math.floor(PROBED / Math.max(1, walks.length)))
    const ends = walks.map((walk) => sql`(select id from (${walk(range, each)}) w offset ${each - 1})`)
    return ends.length === 0 ? sql`null` : sql`greatest(${sql.join(ends)})`
  })
  const { rows } = await sql<{ ends: readonly (string | null)[] }>`select array[${sql.join(reached)}]::text[] as ends`.execute(db)
  const ends = rows[0]?.ends ?? []
  let best = 0
  for (const [at, end] of ends.entries()) if ((end ?? '') < (ends[best] ?? '')) best = at
  return able[best] ?? [everything]
}

/** Takes steps along the walks. `horizon`: what is older was not passed yet by all of them; null at the end of the range. */
async function step(db: Db, walks: readonly Walk[], range: Range, first: number): Promise<{ ids: string[]; horizon: string | null }> {
  if (walks.length === 0) return { ids: [], horizon: null }
  const each = Math.max(1, Math.floor(first / walks.length))
  const { rows } = await sql<{ walk: number; id: string }>`${sql.join(
    walks.map((walk, at) => sql`select ${at}::int4 as walk, id from (${walk(range, each)}) w`),
    sql` union all `,
  )}`.execute(db)
  const passed = walks.map(() => ({ count: 0, last: MOST }))
  for (const { walk, id } of rows) {
    const of = passed[walk]
    if (!of) continue
    of.count += 1
    if (id < of.last) of.last = id
  }
  const cut = passed.filter(({ count }) => count >= each).map(({ last }) => last)
  const horizon = cut.length === 0 ? null : cut.reduce((a, b) => (a > b ? a : b))
  const ids = new Set(rows.map(({ id }) => id).filter((id) => horizon === null || id >= horizon))
  return { ids: [...ids], horizon }
}

async function fitting(db: Db, ids: readonly string[], clauses: readonly Clause[], first: number): Promise<readonly CallRow[]> {
  if (ids.length === 0) return []
  const columns = sql.join(CALL_COLUMNS.map((name) => sql.ref(`c.${name}`)))
  const tests = clauses.map(({ test }) => sql`and ${test}`)
  const { rows } = await sql<CallRow>`
    select ${columns} from unnest(${[...ids]}::text[]) as u (id) join call c on c.id = u.id where true ${sql.join(tests, sql` `)}
    order by c.id desc limit ${first}`.execute(db)
  return rows
}

/** Those of these calls that match, newest first. Throws BAD_INPUT as `CallStore.calls` does. */
export async function callsFitting(db: Db, filter: CallFilter, ids: readonly string[]): Promise<readonly Call[]> {
  const clauses = [...columnClauses(filter), ...(await searchClauses(db, filter))]
  return (await fitting(db, ids, clauses, ids.length)).map(callFromRow)
}

/** Calls that match, newest first. `first` is bounded by the caller. Throws BAD_INPUT as `CallStore.calls` does. */
export async function callsPage(
  db: Db,
  filter: CallFilter,
  { first, after }: PageRequest<CallId>,
  scanRowsMax: number = LIMITS.callScanRowsMax,
): Promise<CallsPage> {
  const clauses = [...columnClauses(filter), ...(await searchClauses(db, filter))]
  const range = rangeOf(filter, after)
  const walks = await sparsest(db, clauses, range)
  const found: CallRow[] = []
  let rest = scanRowsMax
  for (let size = clauses.length > 1 ? PROBED : first + 1; ; size *= 4) {
    const { ids, horizon } = await step(db, walks, range, Math.min(size, rest))
    found.push(...(await fitting(db, ids, clauses, first + 1 - found.length)))
    if (found.length > first) return { rows: found.slice(0, first).map(callFromRow), more: true }
    const rows = found.map(callFromRow)
    if (horizon === null) return { rows, more: false }
    rest -= size
    if (rest <= 0) return { rows, more: true, lookedTo: horizon as CallId }
    range.before = horizon
  }
}
