import { type Selectable, sql } from 'kysely'
import { instant } from '../core/clock.ts'
import type { Playbook } from '../core/playbook.ts'
import type { PlaybookStore, ServedPlaybook } from '../ports/playbook-store.ts'
import { reading, unavailable } from './outage.ts'
import type { Db, PlaybookTable } from './tables.ts'
import type { TransactionScope } from './transaction-scope.ts'
import type { Writer } from './writer.ts'

const fromRow = ({ name, version, digest, body, since_ms }: Selectable<PlaybookTable>): ServedPlaybook => ({
  ...body,
  name,
  version,
  digest,
  since: instant(since_ms),
})

const keyOf = ({ name, version }: Pick<Playbook, 'name' | 'version'>): string => `${name} ${version}`

async function serve({ tx, atMs, append }: TransactionScope, playbooks: readonly Playbook[]): Promise<readonly ServedPlaybook[]> {
  // Processes that start together look one after another.
  await sql`select pg_advisory_xact_lock(hashtext('playbook'))`.execute(tx)
  const names = [...new Set(playbooks.map(({ name }) => name))]
  const before = (await tx.selectFrom('playbook').selectAll().where('name', 'in', names).execute()).map(fromRow)
  const known = new Map(before.map((served) => [keyOf(served), served]))
  const changed = playbooks.flatMap((playbook) => {
    const served = known.get(keyOf(playbook))
    return served && served.digest !== playbook.digest ? [served] : []
  })
  const fresh = playbooks.filter((playbook) => !known.has(keyOf(playbook)))
  if (changed.length > 0 || fresh.length === 0) return changed
  await tx
    .insertInto('playbook')
    .values(fresh.map(({ name, version, digest, ...body }) => ({ name, version, digest, body: JSON.stringify(body), since_ms: atMs })))
    .execute()
  for (const { name, version, digest, schema } of fresh) append(null, { kind: 'playbook.served', playbook: name, version, digest, schema })
  return []
}

/** Versions of playbooks, by the contract of `PlaybookStore`. */
export function playbookStoreOn(db: Db, writer: Pick<Writer, 'transact'>): PlaybookStore {
  return {
    async serve(playbooks) {
      if (playbooks.length === 0) return []
      return await writer
        .transact((scope) => serve(scope, playbooks))
        .catch((error: unknown) => {
          throw unavailable(error)
        })
    },
    served: (name, version) =>
      reading(async () => {
        const row = await db.selectFrom('playbook').selectAll().where('name', '=', name).where('version', '=', version).executeTakeFirst()
        return row && fromRow(row)
      }),
  }
}
