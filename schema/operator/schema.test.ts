import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { operatorSdl } from './schema.ts'

test('the committed SDL is the schema; after a change run `npm run sdl`', () => {
  expect(readFileSync(resolve(import.meta.dirname, '../operator.graphql'), 'utf8')).toBe(operatorSdl())
})
