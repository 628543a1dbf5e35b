import type { Kysely } from 'kysely'
import { Migrator } from 'kysely/migration'
import * as record from './migrations/0001-record.ts'
import * as registry from './migrations/0002-registry.ts'
import * as facts from './migrations/0003-facts.ts'
import * as policySets from './migrations/0004-policy-sets.ts'
import * as escalations from './migrations/0005-escalations.ts'
import * as edits from './migrations/0006-edits.ts'
import * as notices from './migrations/0007-notices.ts'
import * as grants from './migrations/0008-grants.ts'
import * as callSearch from './migrations/0009-call-search.ts'
import * as followers from './migrations/0010-followers.ts'
import * as callFigures from './migrations/0011-call-figures.ts'
import * as agentsAndDrift from './migrations/0013-agents-and-drift.ts'
import * as proposalTests from './migrations/0014-proposal-tests.ts'
import * as holdFigures from './migrations/0015-hold-figures.ts'
import * as payloads from './migrations/0016-payloads.ts'
import * as log from './migrations/0017-log.ts'
import * as wholePolicySets from './migrations/0020-whole-policy-sets.ts'
import * as erasure from './migrations/0021-erasure.ts'
import * as retention from './migrations/0022-retention.ts'
import * as recordSearch from './migrations/0025-record-search.ts'
import * as witnesses from './migrations/0026-witnesses.ts'
import * as accounts from './migrations/0027-accounts.ts'
import * as playbooks from './migrations/0029-playbooks.ts'
import * as logFloor from './migrations/0031-log-floor.ts'
import * as roomOfRemovedEntries from './migrations/0032-room-of-removed-entries.ts'
import type { Tables } from './tables.ts'

/** In order, append-only: a migration that was released is never edited. */
const MIGRATIONS = {
  '0001-record': record,
  '0002-registry': registry,
  '0003-facts': facts,
  '0004-policy-sets': policySets,
  '0005-escalations': escalations,
  '0006-edits': edits,
  '0007-notices': notices,
  '0008-grants': grants,
  '0009-call-search': callSearch,
  '0010-followers': followers,
  '0011-call-figures': callFigures,
  '0013-agents-and-drift': agentsAndDrift,
  '0014-proposal-tests': proposalTests,
  '0015-hold-figures': holdFigures,
  '0016-payloads': payloads,
  '0017-log': log,
  '0020-whole-policy-sets': wholePolicySets,
  '0021-erasure': erasure,
  '0022-retention': retention,
  '0025-record-search': recordSearch,
  '0026-witnesses': witnesses,
  '0027-accounts': accounts,
  '0029-playbooks': playbooks,
  '0031-log-floor': logFloor,
  '0032-room-of-removed-entries': roomOfRemovedEntries,
}

/**
 * Brings the schema up to date, each step once, whoever else starts at the same time: under an advisory lock on PostgreSQL; on PGlite the
 * lock file already keeps others out. Throws what the database threw.
 */
export async function migrate(db: Kysely<Tables>): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve(MIGRATIONS) } })
  const { error } = await migrator.migrateToLatest()
  if (error !== undefined) throw error
}
