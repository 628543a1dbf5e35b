import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach } from 'vitest'
import { accountConformance } from './account.conformance.ts'
import { admissionConformance } from './admission.conformance.ts'
import { callSearchConformance } from './call-search.conformance.ts'
import { callFigureConformance } from './call-figure.conformance.ts'
import { counterSeriesConformance } from './counter-series.conformance.ts'
import { counterConformance } from './counter.conformance.ts'
import { driftConformance } from './drift.conformance.ts'
import { playbookConformance } from './playbook.conformance.ts'
import { erasureConformance } from './erasure.conformance.ts'
import { escalationConformance } from './escalation.conformance.ts'
import { followerConformance } from './follower.conformance.ts'
import { grantConformance } from './grant.conformance.ts'
import { holdFiguresConformance } from './hold-figures.conformance.ts'
import { logConformance } from './log.conformance.ts'
import { holdConformance } from './hold.conformance.ts'
import { policySetConformance } from './policy-set.conformance.ts'
import { publishedLogConformance } from './published-log.conformance.ts'
import { labelConformance } from './label.conformance.ts'
import { noticeConformance } from './notice.conformance.ts'
import { readConformance } from './read.conformance.ts'
import { recordSearchConformance } from './record-search.conformance.ts'
import { registryConformance } from './registry.conformance.ts'
import { retentionConformance } from './retention.conformance.ts'
import type { TestDatabase } from './test-databases.ts'
import { closeTestStore, emptyCalls, openTestStore, type TestStore } from './test-store.ts'

/** What every database promises under Recorder, CallStore, Registry, CredentialStore and PolicySets. */
export function storeConformance(open: () => Promise<TestDatabase>): void {
  let database: TestDatabase
  let store: TestStore
  beforeAll(async () => {
    database = await open()
    store = await openTestStore(database)
  })
  afterAll(async () => {
    await closeTestStore(store)
    await database.drop()
  })
  beforeEach(async () => {
    await emptyCalls(store)
    store.signals.length = 0
  })
  const at = (): TestStore => store
  const reopen = async (): Promise<void> => {
    const { db } = store.storage.database
    await sql`truncate agent, agent_history`.execute(db)
    await sql`update agent_change set counter = 0`.execute(db)
    await closeTestStore(store)
    store = await openTestStore(database)
  }
  admissionConformance(at)
  counterConformance(at)
  counterSeriesConformance(at)
  holdConformance(at)
  grantConformance(at)
  holdFiguresConformance(at)
  escalationConformance(at, reopen)
  noticeConformance(at)
  labelConformance(at)
  readConformance(at)
  callSearchConformance(at)
  driftConformance(at)
  playbookConformance(at)
  registryConformance(at, reopen)
  policySetConformance(at)
  callFigureConformance(at)
  followerConformance(at)
  logConformance(at)
  publishedLogConformance(at)
  erasureConformance(at)
  recordSearchConformance(at)
  retentionConformance(at)
  accountConformance(at)
}
