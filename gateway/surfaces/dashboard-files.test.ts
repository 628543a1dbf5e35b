import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { PAGES } from './dashboard-files.ts'

/** First parts of the addresses in the dashboard's routes. */
const routed = [...readFileSync(new URL('../../dashboard/src/main.tsx', import.meta.url), 'utf8').matchAll(/path: '(\/[a-z-]+)/g)].map(
  ([, first]) => first,
)

test('every page of the dashboard opens by its address', () => {
  expect(routed.length).toBeGreaterThan(5)
  expect([...new Set(routed)].sort()).toEqual([...PAGES].sort())
})
