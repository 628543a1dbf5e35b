import { describe } from 'vitest'
import { storeConformance } from './store.conformance.ts'
import { freshPglite } from './test-databases.ts'

describe('store on PGlite', () => {
  storeConformance(() => Promise.resolve(freshPglite()))
})
