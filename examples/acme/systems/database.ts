import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { Problem } from './problem.ts'

export type Row = Record<string, unknown>

/**
 * Opens a system's database and, where it is new, fills it: tables and seed in one transaction, so that a start that dies half-way leaves nothing.
 * `version` is raised when tables change; a file of another version is refused with an Error.
 */
export function openDatabase(path: string, version: number, fill: (db: DatabaseSync) => void): DatabaseSync {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const db = new DatabaseSync(path)
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 2000')
  const found = Number(db.prepare('PRAGMA user_version').get()?.user_version ?? 0)
  if (found === version) return db
  if (found !== 0) {
    db.close()
    throw new Error(`database \`${path}\` is of version ${found}, this system needs ${version}: remove the file to start afresh`)
  }
  atomically(db, () => {
    fill(db)
    db.exec(`PRAGMA user_version = ${version}`)
  })
  return db
}

/** Runs `work` in one transaction; what it throws rolls everything back. */
export function atomically<T>(db: DatabaseSync, work: () => T): T {
  db.exec('BEGIN IMMEDIATE')
  try {
    const result = work()
    db.exec('COMMIT')
    return result
  } catch (error) {
    db.exec('ROLLBACK')
    throw error
  }
}

/** Inserts an object as a row; column names are the object's keys. */
export function insert(db: DatabaseSync, table: string, row: Readonly<Record<string, SQLInputValue>>): void {
  const names = Object.keys(row)
  db.prepare(`INSERT INTO ${table} (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`).run(...Object.values(row))
}

/** Reads one row by id. Throws Problem 404 naming `what`. */
export function need(db: DatabaseSync, table: string, id: string, what: string): Row {
  const row = db.prepare(`SELECT * FROM ${table} WHERE id = ?`).get(id)
  if (!row) throw new Problem(404, 'not_found', `no ${what} \`${id}\``)
  return { ...row }
}

/** A condition of a listing; skipped where its value is undefined or an empty list. */
export interface Condition {
  sql: string
  value: SQLInputValue | readonly string[] | undefined
}

const given = ({ value }: Condition): boolean => value !== undefined && !(Array.isArray(value) && value.length === 0)

/**
 * One page of a table in order of id. The cursor is opaque and stays good while rows come and go. Throws Problem 400 for a cursor that this
 * system never gave.
 */
export function page(
  db: DatabaseSync,
  table: string,
  conditions: readonly Condition[],
  at: { cursor: string | undefined; limit: number | undefined },
): { items: Row[]; nextCursor: string | null } {
  const limit = at.limit ?? 25
  const used = conditions.filter(given)
  const where = used.map(({ sql, value }) => (Array.isArray(value) ? `${sql} IN (${value.map(() => '?').join(', ')})` : sql))
  const values = used.flatMap(({ value }) => value as SQLInputValue | SQLInputValue[])
  if (at.cursor !== undefined) {
    where.push('id > ?')
    values.push(afterOf(at.cursor))
  }
  const sql = `SELECT * FROM ${table} ${where.length > 0 ? `WHERE ${where.join(' AND ')}` : ''} ORDER BY id LIMIT ${limit + 1}`
  const rows = db
    .prepare(sql)
    .all(...values)
    .map((row) => ({ ...row }))
  const items = rows.slice(0, limit)
  const last = items.at(-1)?.id
  return { items, nextCursor: rows.length > limit ? Buffer.from(`after:${last}`).toString('base64url') : null }
}

function afterOf(cursor: string): string {
  const text = Buffer.from(cursor, 'base64url').toString('utf8')
  if (!text.startsWith('after:')) throw new Problem(400, 'invalid_cursor', 'the cursor is not one of ours')
  return text.slice('after:'.length)
}
