import { type RawBuilder, sql } from 'kysely'
import { instant } from '../core/clock.ts'
import type { EntryKind } from '../core/entry.ts'
import { LIMITS } from '../limits.ts'
import type { EntriesPage, EntryFilter, EntryPlace } from '../ports/record-search.ts'
import { bareEntry, type EntryRow } from './entries.ts'
import { type Db, withoutNul } from './tables.ts'

/** Kinds that every call has. The others have an index by kind, which costs calls nothing. */
const OF_EVERY_CALL: readonly EntryKind[] = ['decision', 'intent', 'outcome', 'labelled']
/** As the index says it. */
const seldom = sql<boolean>`kind not in ('decision', 'intent', 'outcome', 'labelled')`
const person = sql`entry_person(body)`
const byPerson = sql<boolean>`kind not in ('decision', 'intent', 'outcome', 'labelled', 'notice.sent', 'notice.given_up')`

interface Step {
  process: string
  seq: number
  at_ms: number
  fits: boolean
}

function conditions({ kinds, by, call, process, since, until }: EntryFilter): RawBuilder<boolean>[] {
  return [
    ...(kinds === undefined ? [] : [sql<boolean>`kind = any(${[...kinds]}::text[])`]),
    ...(by === undefined ? [] : [sql<boolean>`${byPerson} and ${person} = ${withoutNul(by)}`]),
    ...(call === undefined ? [] : [sql<boolean>`call_id = ${call}`]),
    ...(process === undefined ? [] : [sql<boolean>`process = ${withoutNul(process)}`]),
    ...(since === undefined ? [] : [sql<boolean>`at_ms >= ${since}`]),
    ...(until === undefined ? [] : [sql<boolean>`at_ms < ${until}`]),
  ]
}

/** Where to look, each with an index: together they have every entry that fits. */
function walksOf({ kinds, by, call }: EntryFilter): readonly RawBuilder<unknown>[] {
  const entries = (where: RawBuilder<boolean>) => sql`(select * from entry where ${where}) e`
  // A call has few entries: `offset` keeps the planner from walking all there are in the order of time.
  if (call !== undefined) return [sql`(select * from entry where call_id = ${call} offset 0) e`]
  if (by !== undefined) return [entries(sql`${byPerson} and ${person} = ${withoutNul(by)}`)]
  if (kinds?.every((kind) => !OF_EVERY_CALL.includes(kind))) return kinds.map((kind) => entries(sql`${seldom} and kind = ${kind}`))
  return [sql`entry e`]
}

const both = (tests: readonly RawBuilder<boolean>[]): RawBuilder<boolean> =>
  tests.length === 0 ? sql`true` : sql`${sql.join(tests, sql` and `)}`

/** The next entries along the walks, whether they fit or not. */
async function step(db: Db, filter: EntryFilter, after: EntryPlace | undefined, first: number): Promise<readonly Step[]> {
  const { since, until } = filter
  const range = both([
    ...(since === undefined ? [] : [sql<boolean>`at_ms >= ${since}`]),
    ...(until === undefined ? [] : [sql<boolean>`at_ms < ${until}`]),
    ...(after === undefined ? [] : [sql<boolean>`(at_ms, process, seq) < (${after.at}, ${after.process}, ${after.seq})`]),
  ])
  const newest = sql`order by at_ms desc, process desc, seq desc limit ${first}`
  const fits = both(conditions(filter))
  const walks = walksOf(filter).map((walk) => sql`(select process, seq, at_ms, (${fits}) as fits from ${walk} where ${range} ${newest})`)
  if (walks.length === 0) return []
  const { rows } = await sql<Step>`select * from (${sql.join(walks, sql` union all `)}) w ${newest}`.execute(db)
  return rows
}

async function rowsAt(db: Db, places: readonly Step[]): Promise<readonly EntryRow[]> {
  if (places.length === 0) return []
  const { rows } = await sql<EntryRow>`
    select e.process, e.seq, e.at_ms, e.call_id, e.body, e.commitment, e.sealed
    from unnest(${places.map(({ process }) => process)}::text[], ${places.map(({ seq }) => seq)}::int8[]) as p (process, seq)
    join entry e on e.process = p.process and e.seq = p.seq
    order by e.at_ms desc, e.process desc, e.seq desc`.execute(db)
  return rows
}

/** Entries that match, newest first, without payloads. `first` is bounded by the caller. */
export async function entriesPage(
  db: Db,
  filter: EntryFilter,
  { first, after }: { first: number; after?: EntryPlace },
  scanRowsMax: number = LIMITS.entryScanRowsMax,
): Promise<EntriesPage> {
  const found: Step[] = []
  let rest = scanRowsMax
  for (let place = after; ; ) {
    const size = Math.min(Math.max(first + 1, 256), rest)
    const passed = await step(db, filter, place, size)
    found.push(...passed.filter(({ fits }) => fits))
    const last = passed.at(-1)
    const ended = !last || passed.length < size
    if (last) place = { at: instant(last.at_ms), process: last.process, seq: last.seq }
    rest -= size
    if (found.length <= first && !ended && rest > 0) continue
    const rows = (await rowsAt(db, found.slice(0, first))).map(bareEntry)
    if (found.length > first) return { rows, more: true }
    return ended || !place ? { rows, more: false } : { rows, more: true, lookedTo: place }
  }
}
