import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { dashboardTypes } from './dashboard-types.ts'
import { buildOperatorSchema, operatorSdl } from './schema.ts'

test('the committed SDL is the schema; after a change run `npm run sdl`', () => {
  expect(readFileSync(resolve(import.meta.dirname, '../operator.graphql'), 'utf8')).toBe(operatorSdl())
})

test('what the dashboard knows of the schema is the schema; after a change run `npm run sdl`', () => {
  const committed = readFileSync(resolve(import.meta.dirname, '../../dashboard/src/introspection.ts'), 'utf8')
  expect(committed).toBe(dashboardTypes(buildOperatorSchema()))
})
