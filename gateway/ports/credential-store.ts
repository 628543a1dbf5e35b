/** A sealed credential as stored; `sealed` is opaque text that only the vault opens. */
export interface CredentialRow {
  connector: string
  credential: string
  /** From 1, one higher with every change. */
  version: number
  kind: string
  sealed: string
  setAtMs: number
}

/** Where the vault keeps its rows. Throws UNAVAILABLE when the database is away. */
export interface CredentialStore {
  read(connector: string, credential: string): Promise<CredentialRow | undefined>
  /**
   * Writes the row and its `credential.set` entry in one transaction, durable once resolved. False, with nothing written,
   * where `version` is not the stored version plus one (1 for a new row): someone was faster.
   */
  write(row: CredentialRow, by: string): Promise<boolean>
  /** At most `LIMITS.pageRowsMax` rows, by connector, then name. */
  list(): Promise<readonly CredentialRow[]>
}
