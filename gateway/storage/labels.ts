import { sql } from 'kysely'
import type { Instant } from '../core/clock.ts'
import { LIMITS } from '../limits.ts'
import type { RunStart, Sticking } from '../ports/recorder.ts'
import { type Db, withoutNul } from './tables.ts'
import type { TransactionScope } from './transaction-scope.ts'

const subjectText = (subject: string | null): string => JSON.stringify(subject)

/** Stands for what agent and subject read outside of every minted run: no such run's id. */
export const OUTSIDE = '*'

interface Carried {
  agent: string
  subject: string
  /** Empty for agent and subject, whatever run is named. */
  run: string
  label: string
  /** The run that the call named, minted or not. */
  named: string
}

const idOf = ({ agent, subject, run, label }: Carried): string => JSON.stringify([agent, subject, run, label])

/** What one unit asks for: agent and subject themselves, and the run that it names where that is minted, else what stands for no run. */
const carriedBy = ({ agent, subject, run, labels }: Sticking): Carried[] => {
  const named = run === null ? '' : withoutNul(run)
  return [...new Set(['', OUTSIDE, named])].flatMap((of) =>
    [...new Set(labels)].map((label) => ({ agent, subject: subjectText(subject), run: of, label, named })),
  )
}

/**
 * Writes labels, all in one statement and in one order, so that replicas never wait for each other in a circle. A time is written later than now by what a
 * label may go without being written again, and never goes back. Each unit gets an entry with what it brought or made last longer.
 */
export async function stickAll(scope: TransactionScope, units: readonly Sticking[]): Promise<void> {
  const { tx, atMs, append } = scope
  const wanted = [...new Map(units.flatMap(carriedBy).map((carried) => [`${idOf(carried)} ${carried.named}`, carried])).values()]
  if (wanted.length === 0) return
  const column = (name: keyof Carried): string[] => wanted.map((carried) => carried[name])
  const { rows } = await sql<Carried>`
    insert into label as l (agent, subject, run, label, last_at_ms)
    select distinct agent, subject, run, label, ${Math.ceil(atMs) + LIMITS.labelRefreshMs}::int8
    from unnest(${column('agent')}::text[], ${column('subject')}::text[], ${column('run')}::text[], ${column('label')}::text[],
      ${column('named')}::text[]) as w (agent, subject, run, label, named)
    where run = '' or (run <> ${OUTSIDE}) = exists (
      select 1 from minted_run m where m.id = w.named and m.agent = w.agent and m.subject = w.subject)
    order by agent, subject, run, label
    on conflict (agent, subject, run, label) do update set last_at_ms = excluded.last_at_ms where l.last_at_ms < excluded.last_at_ms
    returning agent, subject, run, label`.execute(tx)
  const written = new Set(rows.map(idOf))
  for (const unit of units) {
    const mine = carriedBy(unit).filter((carried) => written.delete(idOf(carried)))
    if (mine.length === 0) continue
    const { agent, subject, run, callId } = unit
    const minted = mine.some((carried) => carried.run !== '' && carried.run !== OUTSIDE)
    append(callId, {
      kind: 'labelled',
      agent,
      subject,
      run: minted ? run : null,
      labels: [...new Set(mine.map(({ label }) => label))].sort(),
    })
  }
}

/** Mints a run, with its entry. */
export async function startRun({ tx, append, atMs }: TransactionScope, { run, agent, subject, by }: RunStart): Promise<void> {
  await tx
    .insertInto('minted_run')
    .values({ id: run, agent, subject: subjectText(subject), started_by: by, started_ms: Math.floor(atMs) })
    .execute()
  append(null, { kind: 'run.started', run, agent, subject, by })
}

/** By the contract of `CallStore.labels`. */
export async function labelsOf(
  db: Db,
  agent: string,
  subject: string | null,
  run: string | null,
  since: Instant,
): Promise<{ labels: readonly string[]; minted: boolean }> {
  const who = subjectText(subject)
  const { rows } = await sql<{ label: string | null; minted: boolean }>`
    with named as (select id, started_ms from minted_run where id = ${run === null ? null : withoutNul(run)}::text and agent = ${agent} and subject = ${who})
    select distinct l.label, exists (select 1 from named) as minted
    from (values (1)) as one left join label l on l.agent = ${agent} and l.subject = ${who} and l.last_at_ms >= ${Math.floor(since)}
      and (l.run = coalesce((select id from named), '')
        or (l.run = ${OUTSIDE} and l.last_at_ms - ${LIMITS.labelRefreshMs} > (select started_ms from named)))
    order by l.label`.execute(db)
  return { labels: rows.flatMap(({ label }) => label ?? []), minted: rows.some(({ minted }) => minted) }
}
