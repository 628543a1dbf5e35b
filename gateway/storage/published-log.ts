import { sql } from 'kysely'
import { instant } from '../core/clock.ts'
import { LIMITS } from '../limits.ts'
import type { Cosignature, CosignedCheckpoint, LoggedCheckpoint, PublishedLog } from '../ports/log.ts'
import { databaseNowMs } from './calls.ts'
import { reading } from './outage.ts'
import type { Db } from './tables.ts'

/** In one statement: a checkpoint and the cosignatures of it are published together. */
async function publishedCheckpoint(db: Db): Promise<CosignedCheckpoint | undefined> {
  const rows = await db
    .selectFrom('log_published as p')
    .leftJoin('log_cosignature as c', 'c.size', 'p.size')
    .select(['p.size', 'p.checkpoint', 'p.at_ms', 'c.witness', 'c.line', 'c.at_ms as cosigned_ms'])
    .orderBy('c.witness')
    .execute()
  const [{ size, checkpoint, at_ms }] = rows as [(typeof rows)[number]]
  if (checkpoint === null || at_ms === null) return undefined
  const cosigned = rows.flatMap(({ witness, line, cosigned_ms: at }) =>
    witness === null || line === null || at === null ? [] : [{ witness, line, at: instant(at) }],
  )
  return { size, note: checkpoint + cosigned.map(({ line }) => `${line}\n`).join(''), at: instant(at_ms), cosignatures: cosigned }
}

async function newestCosignatures(db: Db): Promise<ReadonlyMap<string, Cosignature>> {
  const rows = await db.selectFrom('log_cosignature').selectAll().execute()
  return new Map(rows.map(({ witness, size, line, at_ms }) => [witness, { witness, size, line, at: instant(at_ms) }]))
}

async function leased(db: Db, owner: string): Promise<boolean> {
  const { rows } = await sql`update log_published set owner = ${owner}, until_ms = ${databaseNowMs} + ${LIMITS.witnessLeaseMs}
    where owner is null or owner = ${owner} or until_ms <= ${databaseNowMs}
      or exists (select 1 from process p where p.id = owner and p.lapsed_at_ms is not null)
    returning 1`.execute(db)
  return rows.length > 0
}

const published = (
  db: Db,
  owner: string,
  { size, note, at }: LoggedCheckpoint,
  cosignatures: readonly Omit<Cosignature, 'size'>[],
): Promise<boolean> =>
  db.transaction().execute(async (tx) => {
    const { numUpdatedRows } = await tx
      .updateTable('log_published')
      .set({ size, checkpoint: note, at_ms: at })
      .where('owner', '=', owner)
      .where('size', '<=', size)
      .executeTakeFirstOrThrow()
    if (numUpdatedRows !== 1n) return false
    for (const { witness, line, at: cosignedAt } of cosignatures)
      await tx
        .insertInto('log_cosignature')
        .values({ witness, size, line, at_ms: cosignedAt })
        .onConflict((c) => c.column('witness').doUpdateSet({ size, line, at_ms: cosignedAt }))
        .execute()
    return true
  })

/** Of each key the time of the first entry of the log that it has not cosigned; null where it cosigned all. */
async function uncosignedSince(db: Db, witnesses: readonly string[]): Promise<ReadonlyMap<string, number | null>> {
  const { rows } = await sql<{ witness: string; at: number | null }>`select w.witness, (
      select e.at_ms from log_leaf l join entry e on e.process = l.process and e.seq = l.seq
      where l.index >= coalesce(c.size, 0) order by l.index limit 1) as at
    from unnest(${witnesses}::text[]) w(witness) left join log_cosignature c on c.witness = w.witness`.execute(db)
  return new Map(rows.map(({ witness, at }) => [witness, at]))
}

/** What is published of the log, by the contract of `PublishedLog`. */
export const publishedLogOn = (db: Db): PublishedLog => ({
  checkpoint: () => reading(() => publishedCheckpoint(db)),
  cosignatures: () => reading(() => newestCosignatures(db)),
  lease: (owner) => leased(db, owner),
  release: async (owner) => {
    await db.updateTable('log_published').set({ owner: null }).where('owner', '=', owner).execute()
  },
  publish: (owner, checkpoint, cosignatures) => published(db, owner, checkpoint, cosignatures),
  uncosignedSince: (witnesses) => reading(() => uncosignedSince(db, witnesses)),
})
