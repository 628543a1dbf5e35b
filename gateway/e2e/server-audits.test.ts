import { type AuditResult, serverAudits } from 'graphql-http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freshPostgres, type TestDatabase } from '../storage/test-databases.ts'
import { type Bed, openBed } from './frameworks/bed.ts'

let bed: Bed
let database: TestDatabase | undefined
beforeAll(async () => {
  database = await freshPostgres('GraphQL over HTTP audits')
  bed = await openBed({ databaseUrl: database?.options.databaseUrl })
})
afterAll(async () => {
  await bed?.close()
  await database?.drop()
})

/**
 * Advice that is not taken: a request that could not run is answered 400 whichever media type was asked for, so that clients, proxies and counters
 * that read only the status see that nothing ran.
 */
const NOT_TAKEN = ['parsing failure', 'validation failure', 'variable coercion failure'].map((failure) =>
  expect.stringMatching(new RegExp(`SHOULD use .*200.* on (document )?${failure} when accepting application/json`)),
)

/** The audits of GraphQL over HTTP, at both doors, signed in as who uses them. */
describe.each([
  ['/graphql', () => bed.token('invoice-clerk')],
  ['/operator/graphql', () => bed.personToken('lee')],
] as const)('%s', (path, token) => {
  test('fails no audit; the warnings are known', async () => {
    const authorization = `Bearer ${await token()}`
    const fetchFn = (url: string, init: RequestInit = {}): Promise<Response> =>
      fetch(url, { ...init, headers: { ...(init.headers as Record<string, string>), authorization } })
    const audits = serverAudits({ url: `${bed.url}${path}`, fetchFn })
    const results: AuditResult[] = []
    for (const { fn } of audits) results.push(await fn())
    const named = (status: string): string[] => results.filter((result) => result.status === status).map((result) => result.name)
    expect(named('error')).toEqual([])
    expect(named('warn').length).toBeLessThanOrEqual(NOT_TAKEN.length)
    for (const warning of named('warn')) expect(NOT_TAKEN).toContainEqual(warning)
    expect(named('ok').length).toBeGreaterThan(50)
  })
})
