import { sql } from 'kysely'
import { type Account, type AccountOf, charsOf, droppedTogether, withoutRepeats } from '../core/account.ts'
import type { EntryBody } from '../core/entry.ts'
import { LIMITS } from '../limits.ts'
import type { Telling, TellingResult } from '../ports/recorder.ts'
import { type EntryRow, type EntrySource, entryFromRow } from './entries.ts'
import type { AccountPlace, Tx } from './tables.ts'
import type { TransactionScope } from './transaction-scope.ts'

/** The subject's JSON text: one to one, `null` for none. */
const keyOf = ({ traceId, agent, subject }: AccountOf) => ({ trace_id: traceId, agent, subject: JSON.stringify(subject) })

const orderOf = (of: AccountOf): string => JSON.stringify(keyOf(of))

/** The account's row, locked; made where there is none. */
async function lockAccount({ tx, atMs }: TransactionScope, of: AccountOf) {
  const key = keyOf(of)
  await tx
    .insertInto('account')
    .values({ ...key, told_ms: atMs })
    .onConflict((conflict) => conflict.columns(['trace_id', 'agent', 'subject']).doNothing())
    .execute()
  return await tx
    .selectFrom('account')
    .select(['spans', 'chars', 'entries', 'closed'])
    .where('trace_id', '=', key.trace_id)
    .where('agent', '=', key.agent)
    .where('subject', '=', key.subject)
    .forUpdate()
    .executeTakeFirstOrThrow()
}

/** Adds what fits to one account, with its entry. */
async function tell(scope: TransactionScope, { told, dropped, masked, ...of }: Telling): Promise<TellingResult> {
  const { tx, atMs, entries: appended, seq, process } = scope
  const { spans, chars, entries, closed } = await lockAccount(scope, of)
  if (closed) return { kept: 0, why: 'the account of this trace was erased' }
  const fitting: (typeof told)[number][] = []
  let room = LIMITS.accountCharsPerTraceMax - chars
  for (const span of told.slice(0, Math.max(0, LIMITS.accountSpansPerTraceMax - spans))) {
    room -= charsOf(span)
    if (room < 0) break
    fitting.push(span)
  }
  const full = `an account has at most ${LIMITS.accountSpansPerTraceMax} spans and ${LIMITS.accountCharsPerTraceMax} characters a trace`
  if (fitting.length === 0 || entries.length >= LIMITS.accountEntriesPerTraceMax) return { kept: 0, why: full }
  const left = told.length - fitting.length
  const place = { process, seq: seq + appended.length }
  scope.append(null, {
    kind: 'account',
    ...of,
    count: fitting.length,
    dropped: { ...dropped, spans: dropped.spans + left },
    masked,
    told: fitting,
  })
  const added = fitting.reduce((sum, span) => sum + charsOf(span), 0)
  const { trace_id, agent, subject } = keyOf(of)
  await tx
    .updateTable('account')
    .set({
      spans: spans + fitting.length,
      chars: chars + added,
      entries: JSON.stringify([...entries, place]),
      told_ms: atMs,
    })
    .where('trace_id', '=', trace_id)
    .where('agent', '=', agent)
    .where('subject', '=', subject)
    .execute()
  return { kept: fitting.length, ...(left > 0 && { why: full }) }
}

/** Adds to accounts, in one order of their keys, so that replicas never wait for each other in a circle. What was told comes back in the order given. */
export async function tellAll(scope: TransactionScope, units: readonly Telling[]): Promise<ReadonlyMap<Telling, TellingResult>> {
  const results = new Map<Telling, TellingResult>()
  const inOrder = units.map((unit) => ({ unit, order: orderOf(unit) })).sort((a, b) => (a.order < b.order ? -1 : 1))
  for (const { unit } of inOrder) results.set(unit, await tell(scope, unit))
  return results
}

type AccountBody = Extract<EntryBody, { kind: 'account' }>

/** What an agent told of a trace for a subject; undefined where it told nothing that is kept. */
export async function accountOf(source: EntrySource, of: AccountOf): Promise<Account | undefined> {
  const { trace_id, agent, subject } = keyOf(of)
  const row = await source.db
    .selectFrom('account')
    .select(['entries', 'closed'])
    .where('trace_id', '=', trace_id)
    .where('agent', '=', agent)
    .where('subject', '=', subject)
    .executeTakeFirst()
  if (!row || (row.entries.length === 0 && !row.closed)) return undefined
  const entries = (await rowsAt(source, row.entries)).map((found) => entryFromRow(source.sealer, found))
  const bodies = entries.map(({ body }) => body as AccountBody)
  const told = new Map(bodies.flatMap((body) => body.told.map((span) => [span.id, span] as const)).reverse())
  return {
    spans: withoutRepeats([...told.values()]),
    dropped: droppedTogether(bodies.map(({ dropped }) => dropped)),
    masked: [...new Set(bodies.flatMap(({ masked }) => masked))].sort(),
    erased: row.closed || entries.length < row.entries.length || entries.some(({ erased }) => erased),
  }
}

async function rowsAt({ db }: EntrySource, places: readonly AccountPlace[]): Promise<readonly EntryRow[]> {
  const { rows } = await sql<EntryRow>`
    select e.process, e.seq, e.at_ms, e.call_id, e.body, e.commitment, e.sealed
    from unnest(${places.map(({ process }) => process)}::text[], ${places.map(({ seq }) => seq)}::int8[]) as p (process, seq)
    join entry e on e.process = p.process and e.seq = p.seq
    order by e.at_ms, e.process, e.seq`.execute(db)
  return rows
}

/**
 * Destroys what was told of these traces, and takes nothing more of them: a later question to a model repeats what was said before. `always` closes accounts too
 * that nothing was told of yet. Returns how many entries of each account lost their payload, by its trace.
 */
export async function eraseAccounts(
  scope: TransactionScope,
  accounts: readonly AccountOf[],
  always: boolean,
): Promise<ReadonlyMap<AccountOf, number>> {
  const { tx, atMs } = scope
  const counts = new Map<AccountOf, number>()
  const inOrder = accounts.map((of) => ({ of, order: orderOf(of) })).sort((a, b) => (a.order < b.order ? -1 : 1))
  for (const { of } of inOrder) {
    const key = keyOf(of)
    if (always) await lockAccount(scope, of)
    const row = await tx
      .updateTable('account')
      .set({ closed: true, told_ms: atMs })
      .where('trace_id', '=', key.trace_id)
      .where('agent', '=', key.agent)
      .where('subject', '=', key.subject)
      .where('closed', '=', false)
      .returning('entries')
      .executeTakeFirst()
    counts.set(of, row ? await unseal(tx, row.entries) : 0)
  }
  return counts
}

async function unseal(tx: Tx, places: readonly AccountPlace[]): Promise<number> {
  const { numAffectedRows } = await sql`update entry e set sealed = null
    from unnest(${places.map(({ process }) => process)}::text[], ${places.map(({ seq }) => seq)}::int8[]) as p (process, seq)
    where e.process = p.process and e.seq = p.seq and e.sealed is not null`.execute(tx)
  return Number(numAffectedRows ?? 0n)
}

/** Forgets where accounts stand whose entries retention has passed. */
export async function forgetAccounts(tx: Tx, beforeMs: number): Promise<void> {
  await sql`delete from account where (trace_id, agent, subject) in (
    select trace_id, agent, subject from account where told_ms < ${beforeMs} order by told_ms limit ${LIMITS.maintenanceRowsMax})`.execute(
    tx,
  )
}
