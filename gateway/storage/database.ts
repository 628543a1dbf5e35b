import { join } from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import { createPgConfig } from '@electric-sql/pglite/node-postgres'
import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { GatewayError } from '../core/errors.ts'
import { LIMITS } from '../limits.ts'
import type { Log } from '../ports/telemetry.ts'
import { lockDataDirectory } from './data-lock.ts'
import { migrate } from './migrate.ts'
import type { Db, Tables } from './tables.ts'

export type DatabaseKind = 'pglite' | 'postgres'

export interface Database {
  db: Db
  /** The pool under `db`, for the one statement that is prepared by name. */
  pool: pg.Pool
  kind: DatabaseKind
  /** Ends the pool, the embedded database and its lock. Calling it twice is harmless. */
  close(): Promise<void>
}

export interface DatabaseOptions {
  /** `postgres://...`; absent: the embedded PGlite in `<dataDir>/pglite`. */
  databaseUrl?: string
  dataDir: string
  log?: Log
}

const INT8 = 20

/** pg hands int8 back as text, since it may pass 2^53; ours are counters that never do. */
const types: pg.CustomTypesConfig = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') => (oid === INT8 ? Number : pg.types.getTypeParser(oid, format ?? 'text')),
}

/**
 * Every query of ours is meant to walk an index. A plan is cached while tables are still empty, and PGlite never gathers statistics by
 * itself, so the planner is told not to fall for full scans that look cheap today. A commit that does not wait for the disk is lost in a crash of the server,
 * and a call with it that was executed: where the server's default is not to wait, ours is.
 */
const SESSION =
  'set enable_seqscan = off; set enable_hashjoin = off; set enable_mergejoin = off; set jit = off; set plan_cache_mode = force_generic_plan; ' +
  "select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'"

/**
 * Ends connections on which nobody answers any more (a server that moved, a network that swallows). pg gives up the query alone, and the next one would wait
 * behind it until the system notices. What silenced one connection silenced the idle ones, too: they are ended with it.
 */
class Silence {
  readonly #idle = new Set<pg.ClientBase>()

  watch(pool: pg.Pool): void {
    pool.on('acquire', (client) => this.#idle.delete(client))
    pool.on('release', (_error, client) => this.#idle.add(client))
    pool.on('remove', (client) => this.#idle.delete(client))
  }

  /** Has the client end where a query of it is given up. */
  listen(client: pg.ClientBase): void {
    const query: (...of: unknown[]) => unknown = client.query.bind(client)
    const heard = (...of: unknown[]): unknown => {
      const answer = query(...of)
      if (answer instanceof Promise) answer.catch((error: unknown) => isReadTimeout(error) && this.#end(client))
      return answer
    }
    Object.assign(client, { query: heard })
  }

  #end(silent: pg.ClientBase): void {
    const error = new Error('the server is silent')
    // What the pool hears of an idle connection has it removed.
    for (const client of this.#idle) client.emit('error', error)
    if (silent instanceof pg.Client) void silent.end().catch(() => undefined)
  }
}

const isReadTimeout = (error: unknown): boolean => error instanceof Error && error.message === 'Query read timeout'

function poolOf(config: pg.PoolConfig, log: Log | undefined): pg.Pool {
  const lost = (error: unknown): void => log?.warn({ error }, 'a database connection was lost')
  const silence = new Silence()
  const pool = new pg.Pool({
    ...config,
    types,
    // Awaited before a connection is handed out: none is ever used without its settings.
    async onConnect(client) {
      // A connection in use that breaks fails its query; without listeners, here and for idle ones, it would end the process as well.
      client.on('error', lost)
      silence.listen(client)
      await client.query(SESSION)
    },
  })
  silence.watch(pool)
  pool.on('error', () => undefined)
  return pool
}

const kyselyOn = (pool: pg.Pool): Db => new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) })

async function openPostgres(databaseUrl: string, log: Log | undefined): Promise<Database> {
  const pool = poolOf(
    {
      connectionString: databaseUrl,
      max: LIMITS.databaseConnectionsMax,
      keepAlive: true,
      connectionTimeoutMillis: LIMITS.recordWaitMsMax,
      statement_timeout: LIMITS.recordWaitMsMax,
      query_timeout: 2 * LIMITS.recordWaitMsMax,
      application_name: 'gatehouse',
    },
    log,
  )
  const db = kyselyOn(pool)
  let closed: Promise<void> | undefined
  const close = (): Promise<void> => (closed ??= db.destroy())
  try {
    await migrate(db)
  } catch (error) {
    await close()
    throw new GatewayError('UNAVAILABLE', 'the database cannot be opened: check `DATABASE_URL` and that PostgreSQL accepts connections', {
      cause: error,
    })
  }
  return { db, pool, kind: 'postgres', close }
}

async function openPglite(dataDir: string, log: Log | undefined): Promise<Database> {
  const unlock = lockDataDirectory(dataDir)
  let lite: PGlite | undefined
  let db: Db | undefined
  let closed: Promise<void> | undefined
  const close = (): Promise<void> =>
    (closed ??= (async () => {
      await db?.destroy()
      await lite?.close()
      unlock()
    })())
  try {
    lite = await PGlite.create(join(dataDir, 'pglite'))
    // One session: a query beside an open transaction would be part of it, so everything goes through one connection.
    const pool = poolOf({ ...createPgConfig(lite), max: 1 } as pg.PoolConfig, log)
    db = kyselyOn(pool)
    await migrate(db)
    return { db, pool, kind: 'pglite', close }
  } catch (error) {
    await close().catch(() => unlock())
    throw new GatewayError('UNAVAILABLE', `the embedded database in \`${dataDir}\` cannot be opened: the log has the cause`, {
      cause: error,
    })
  }
}

/**
 * Opens PostgreSQL, or PGlite in the data directory, with its schema up to date: one Kysely over one pool. Throws UNAVAILABLE where it cannot be
 * opened and DATA_LOCKED where a live process has the data directory. PGlite survives a killed process, not a power cut.
 */
export function openDatabase(options: DatabaseOptions): Promise<Database> {
  return options.databaseUrl === undefined ? openPglite(options.dataDir, options.log) : openPostgres(options.databaseUrl, options.log)
}
