import { type Selectable, sql } from 'kysely'
import { instant } from '../core/clock.ts'
import { type Drift, type FoundDrift, summaryOf } from '../core/drift.ts'
import type { OperationId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import type { DriftStore } from '../ports/drift-store.ts'
import { reading, unavailable } from './outage.ts'
import { type ConnectorDriftTable, type Db, withoutNul } from './tables.ts'
import type { TransactionScope } from './transaction-scope.ts'
import type { Writer } from './writer.ts'

const fromRow = (row: Selectable<ConnectorDriftTable>): FoundDrift => ({
  subject: row.subject,
  operation: row.operation as OperationId | null,
  change: row.change,
  reviewedVersion: row.reviewed_version,
  seenVersion: row.seen_version,
  reviewed: row.reviewed,
  seen: row.seen,
  since: instant(row.since_ms),
})

const rowsOf = (db: Db, connector: string) =>
  db.selectFrom('connector_drift').selectAll().where('connector', '=', connector).orderBy('subject').limit(LIMITS.driftsPerConnectorMax)

const isSame = (a: Drift, b: Drift): boolean =>
  a.change === b.change && a.reviewedVersion === b.reviewedVersion && a.seenVersion === b.seenVersion

async function remove({ tx }: TransactionScope, connector: string, subjects: readonly string[]): Promise<void> {
  if (subjects.length === 0) return
  await tx
    .deleteFrom('connector_drift')
    .where('connector', '=', connector)
    .where('subject', 'in', [...subjects])
    .execute()
}

async function insert({ tx, atMs }: TransactionScope, connector: string, drift: readonly Drift[]): Promise<void> {
  if (drift.length === 0) return
  await tx
    .insertInto('connector_drift')
    .values(
      drift.map(({ subject, operation, change, reviewedVersion, seenVersion, reviewed, seen }) => ({
        connector,
        subject,
        operation,
        change,
        reviewed_version: reviewedVersion,
        seen_version: seenVersion,
        reviewed: JSON.stringify(reviewed),
        seen: JSON.stringify(seen),
        since_ms: atMs,
      })),
    )
    .execute()
}

/** Distinct by the name that the database keeps, in order, at most so many. */
function kept(drift: readonly Drift[]): ReadonlyMap<string, Drift> {
  const bySubject = new Map<string, Drift>()
  for (const each of drift) {
    const subject = withoutNul(each.subject)
    if (!bySubject.has(subject) && bySubject.size < LIMITS.driftsPerConnectorMax) bySubject.set(subject, { ...each, subject })
  }
  return bySubject
}

async function take(scope: TransactionScope, connector: string, drift: readonly Drift[]): Promise<readonly Drift[]> {
  const { tx, append } = scope
  // Two processes that find the same at one moment write it once.
  await sql`select pg_advisory_xact_lock(hashtext('connector_drift'), hashtext(${connector}))`.execute(tx)
  const before = new Map((await rowsOf(tx, connector).execute()).map((row) => [row.subject, fromRow(row)]))
  const now = kept(drift)
  const fresh = [...now.values()].filter((each) => {
    const known = before.get(each.subject)
    return !known || !isSame(known, each)
  })
  const gone = [...before.keys()].filter((subject) => !now.has(subject))
  await remove(scope, connector, [...gone, ...fresh.map(({ subject }) => subject)])
  await insert(scope, connector, fresh)
  if (fresh.length > 0) append(null, { kind: 'connector.drift_found', connector, drift: fresh.map(summaryOf) })
  if (gone.length > 0) append(null, { kind: 'connector.drift_gone', connector, subjects: gone })
  return fresh
}

/** Drifts, by the contract of `DriftStore`. */
export function driftStoreOn(db: Db, writer: Pick<Writer, 'transact'>): DriftStore {
  const transact = <T>(work: (scope: TransactionScope) => Promise<T>): Promise<T> =>
    writer.transact(work).catch((error: unknown) => {
      throw unavailable(error)
    })
  const store: DriftStore = {
    of: (connector) => reading(async () => (await rowsOf(db, connector).execute()).map(fromRow)),
    count: (connector) =>
      reading(async () => {
        const row = await db
          .selectFrom('connector_drift')
          .select((eb) => eb.fn.countAll<number>().as('count'))
          .where('connector', '=', connector)
          .executeTakeFirstOrThrow()
        return row.count
      }),
    async found(connector, drift) {
      // Most comparisons find nothing where nothing stands: they write nothing.
      if (drift.length === 0 && (await store.count(connector)) === 0) return []
      return await transact((scope) => take(scope, connector, drift))
    },
    async reviewed(connector, versions) {
      const settled = (rows: readonly Selectable<ConnectorDriftTable>[]): string[] =>
        rows.filter((row) => row.reviewed_version !== (versions.get(row.subject) ?? null)).map(({ subject }) => subject)
      if (settled(await reading(() => rowsOf(db, connector).execute())).length === 0) return []
      return await transact(async (scope) => {
        const subjects = settled(await rowsOf(scope.tx, connector).forUpdate().execute())
        await remove(scope, connector, subjects)
        if (subjects.length > 0) scope.append(null, { kind: 'connector.drift_reviewed', connector, subjects })
        return subjects
      })
    },
  }
  return store
}
