import { afterAll, beforeAll, describe } from 'vitest'
import { pruningConformance } from './pruning.conformance.ts'
import { freshPglite, freshPostgres, type TestDatabase } from './test-databases.ts'
import { closeTestStore, openTestStore, type TestStore } from './test-store.ts'

function onIts(database: TestDatabase): void {
  let store: TestStore
  beforeAll(async () => {
    store = await openTestStore(database)
  })
  afterAll(async () => {
    await closeTestStore(store)
    await database.drop()
  })
  pruningConformance(() => store)
}

const postgres = await freshPostgres('pruning on PostgreSQL')

describe('on PGlite', () => onIts(freshPglite()))

describe.skipIf(!postgres)('on PostgreSQL', () => {
  if (postgres) onIts(postgres)
})
