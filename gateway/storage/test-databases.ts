import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import type { EntrySealer } from '../ports/entry-sealer.ts'
import type { DatabaseKind, DatabaseOptions } from './database.ts'
import { testSealer } from './test-sealer.ts'

/** A fresh place for a test's database. */
export interface TestDatabase {
  kind: DatabaseKind
  /** For `openDatabase` and `openStorage`; may be opened again after it was closed. */
  options: DatabaseOptions & { sealer: EntrySealer }
  /** Removes it. Close what was opened on it before. */
  drop(): Promise<void>
}

/** An empty data directory for PGlite. */
export function freshPglite(): TestDatabase {
  const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-test-'))
  return {
    kind: 'pglite',
    options: { dataDir, sealer: testSealer({ dataDir }) },
    drop: () => {
      rmSync(dataDir, { recursive: true, force: true })
      return Promise.resolve()
    },
  }
}

const serverUrl = (): string => process.env.TEST_DATABASE_URL ?? 'postgres://postgres@127.0.0.1:5432/postgres'

/** One statement on the test server, over a connection of its own. */
export async function onTestServer(statement: string, values: unknown[] = []): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString: serverUrl(), connectionTimeoutMillis: 3_000 })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return await client.query(statement, values)
  } finally {
    await client.end()
  }
}

/**
 * An empty database on the PostgreSQL that `TEST_DATABASE_URL` names (the local one where it is not set). Undefined, with a warning that names the
 * suite, where none can be reached; under `CI=true` that is an error instead.
 */
export async function freshPostgres(suite: string): Promise<TestDatabase | undefined> {
  const name = `gatehouse_test_${randomBytes(6).toString('hex')}`
  try {
    await onTestServer(`create database ${name}`)
  } catch (error) {
    if (process.env.CI === 'true') throw error
    console.warn(`SKIPPED on PostgreSQL: ${suite}: no server at TEST_DATABASE_URL or 127.0.0.1:5432`)
    return undefined
  }
  const url = new URL(serverUrl())
  url.pathname = `/${name}`
  const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-test-'))
  return {
    kind: 'postgres',
    options: { databaseUrl: url.href, dataDir, sealer: testSealer({ databaseUrl: url.href, dataDir }) },
    async drop() {
      await onTestServer(`drop database if exists ${name} with (force)`)
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}
