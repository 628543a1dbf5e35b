import type { DatabaseSync, SQLOutputValue } from 'node:sqlite'

/** One request that reached a system, whatever became of it. */
export interface JournalEntry {
  /** Dense, from 1, also over restarts. */
  seq: number
  at: string
  method: string
  /** Path and query as they came. */
  path: string
  /** Lower-case names; the credential's value is replaced by `[credential]`. */
  headers: Record<string, string>
  credential: 'right' | 'wrong' | 'absent'
  /** The body as text; null where none came. */
  body: string | null
  /** Operation of the document, null where no operation has this path and method. */
  operation: string | null
  /** Status that was answered; null while the answer is outstanding or where the connection was cut. */
  status: number | null
}

export type NewJournalEntry = Omit<JournalEntry, 'seq' | 'status'>
export type JournalFilter = Partial<Pick<JournalEntry, 'operation' | 'method'>> & { afterSeq?: number }

const ENTRIES_MAX = 10_000

const fromRow = (row: Record<string, SQLOutputValue>): JournalEntry => ({
  seq: Number(row.seq),
  at: String(row.at),
  method: String(row.method),
  path: String(row.path),
  headers: JSON.parse(String(row.headers)) as Record<string, string>,
  credential: row.credential as JournalEntry['credential'],
  body: row.body === null ? null : String(row.body),
  operation: row.operation === null ? null : String(row.operation),
  status: row.status === null ? null : Number(row.status),
})

/**
 * What reached a system, in order of arrival, written before the request has any effect. It lies in the system's database, so it survives
 * whatever happens to the process; the newest 10,000 entries are kept.
 */
export class Journal {
  readonly #db: DatabaseSync
  readonly #listeners = new Set<(entry: JournalEntry) => void>()

  constructor(db: DatabaseSync) {
    this.#db = db
    db.exec(`CREATE TABLE IF NOT EXISTS journal (seq INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL,
      headers TEXT NOT NULL, credential TEXT NOT NULL, body TEXT, operation TEXT, status INTEGER)`)
  }

  /** Adds an arrival and wakes who waits for it. Returns its `seq`. */
  add(entry: NewJournalEntry): number {
    const { at, method, path, headers, credential, body, operation } = entry
    const { lastInsertRowid } = this.#db
      .prepare('INSERT INTO journal (at, method, path, headers, credential, body, operation) VALUES (?, ?, ?, ?, ?, ?, ?)')
      .run(at, method, path, JSON.stringify(headers), credential, body, operation)
    const seq = Number(lastInsertRowid)
    if (seq % 100 === 0) this.#db.prepare('DELETE FROM journal WHERE seq <= ?').run(seq - ENTRIES_MAX)
    for (const listener of this.#listeners) listener({ ...entry, seq, status: null })
    return seq
  }

  answered(seq: number, status: number): void {
    this.#db.prepare('UPDATE journal SET status = ? WHERE seq = ?').run(status, seq)
  }

  /** Oldest first. */
  entries(filter: JournalFilter = {}): readonly JournalEntry[] {
    return this.#db
      .prepare('SELECT * FROM journal WHERE seq > ? ORDER BY seq')
      .all(filter.afterSeq ?? 0)
      .map(fromRow)
      .filter((entry) => filter.operation === undefined || entry.operation === filter.operation)
      .filter((entry) => filter.method === undefined || entry.method === filter.method)
  }

  /** The highest `seq` so far: pass it as `afterSeq` to see only what comes later. */
  mark(): number {
    return Number(this.#db.prepare('SELECT coalesce(max(seq), 0) AS seq FROM journal').get()?.seq ?? 0)
  }

  /** Resolves with the next request of this operation that arrives from now on; rejects after `timeoutMs`. */
  next(operation: string, timeoutMs = 10_000): Promise<JournalEntry> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer)
        this.#listeners.delete(listener)
      }
      const timer = setTimeout(() => {
        end()
        reject(new Error(`no \`${operation}\` arrived within ${timeoutMs} ms`))
      }, timeoutMs)
      const listener = (entry: JournalEntry): void => {
        if (entry.operation !== operation) return
        end()
        resolve(entry)
      }
      this.#listeners.add(listener)
    })
  }
}
