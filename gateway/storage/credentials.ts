import { LIMITS } from '../limits.ts'
import type { CredentialRow, CredentialStore } from '../ports/credential-store.ts'
import { reading, unavailable } from './outage.ts'
import type { Db, Tx } from './tables.ts'
import type { Writer } from './writer.ts'

const COLUMNS = ['connector', 'name as credential', 'version', 'kind', 'sealed', 'set_at_ms as setAtMs'] as const

/** One sealed credential, or undefined. */
export const readCredential = (db: Db, connector: string, credential: string): Promise<CredentialRow | undefined> =>
  db.selectFrom('credential').select(COLUMNS).where('connector', '=', connector).where('name', '=', credential).executeTakeFirst()

/** At most `first` sealed credentials, by connector, then name. */
export const listCredentials = (db: Db, first: number): Promise<readonly CredentialRow[]> =>
  db.selectFrom('credential').select(COLUMNS).orderBy('connector').orderBy('name').limit(first).execute()

/** Compare-and-swap on the version. False where it is not the stored one plus one. */
export async function swapCredential(tx: Tx, row: CredentialRow): Promise<boolean> {
  const { connector, credential, version, kind, sealed, setAtMs } = row
  if (version === 1) {
    const { numInsertedOrUpdatedRows } = await tx
      .insertInto('credential')
      .values({ connector, name: credential, version, kind, sealed, set_at_ms: setAtMs })
      .onConflict((oc) => oc.doNothing())
      .executeTakeFirstOrThrow()
    return numInsertedOrUpdatedRows === 1n
  }
  const { numUpdatedRows } = await tx
    .updateTable('credential')
    .set({ version, kind, sealed, set_at_ms: setAtMs })
    .where('connector', '=', connector)
    .where('name', '=', credential)
    .where('version', '=', version - 1)
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 1n
}

/** The vault's rows, by the contract of `CredentialStore`. */
export function credentialStoreOn(db: Db, writer: Writer): CredentialStore {
  return {
    read: (connector, credential) => reading(() => readCredential(db, connector, credential)),
    list: () => reading(() => listCredentials(db, LIMITS.pageRowsMax)),
    async write(row, by) {
      const { connector, credential, version } = row
      try {
        return await writer.transact(async ({ tx, append }) => {
          if (!(await swapCredential(tx, row))) return false
          append(null, { kind: 'credential.set', connector, credential, version, by })
          return true
        })
      } catch (error) {
        throw unavailable(error)
      }
    },
  }
}
