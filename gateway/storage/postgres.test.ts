import { describe } from 'vitest'
import { storeConformance } from './store.conformance.ts'
import { freshPostgres } from './test-databases.ts'

const database = await freshPostgres('store on PostgreSQL')

describe.skipIf(database === undefined)('store on PostgreSQL', () => {
  storeConformance(() => (database ? Promise.resolve(database) : Promise.reject(new Error('no PostgreSQL'))))
})
