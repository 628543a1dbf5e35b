import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { createInProcessBus } from '../bus/in-process.ts'
import { type Clock, instant } from '../core/clock.ts'
import { LIMITS } from '../limits.ts'
import type { CredentialRow } from '../ports/credential-store.ts'
import type { StaticCredential, Vault } from '../ports/vault.ts'
import { openStorage, type Storage } from '../storage/open-storage.ts'
import { freshPglite, freshPostgres, type TestDatabase } from '../storage/test-databases.ts'
import { createVault } from './vault.ts'

let database: TestDatabase
let storage: Storage
let nowMs = 1_000_000
const clock: Clock = { now: () => instant(nowMs) }
const key = new Uint8Array(32).fill(7)
const open = (more: { key?: Uint8Array; organisation?: string } = {}): Vault =>
  createVault({ store: storage.credentials, organisation: 'acme', key, clock, ...more })
const later = (): void => {
  nowMs += LIMITS.credentialFreshMsMax
}
const sql = (statement: string, values: unknown[] = []) => storage.database.pool.query(statement, values)
const header = (value: string): StaticCredential => ({ kind: 'header', header: 'x-key', value })
const unavailable = expect.objectContaining({ code: 'UNAVAILABLE' })
const leased = async (vault: Vault, credential = 'api'): Promise<string | undefined> =>
  (await vault.lease('crm', credential)).headers()['x-key']

beforeAll(async () => {
  database = (await freshPostgres('vault')) ?? freshPglite()
  storage = await openStorage({ ...database.options, clock, bus: createInProcessBus() })
})
afterAll(async () => {
  await storage.close()
  await database.drop()
})
beforeEach(async () => {
  await sql('delete from credential')
})

test.each<StaticCredential>([
  header('v-123456'),
  { kind: 'basic', username: 'u', password: 'p-123456' },
  { kind: 'query', parameter: 'k', value: 'v-123456' },
])('a $kind credential comes back from another vault with the same key, and its row shows nothing', async (credential) => {
  expect(await open().set('crm', 'api', credential, 'olga')).toEqual({ version: 1 })
  const { headers, query } = await open()
    .lease('crm', 'api')
    .then((lease) => ({ headers: lease.headers(), query: lease.query() }))
  expect(Object.keys({ ...headers, ...query }).length).toBe(1)
  const row = JSON.stringify(await storage.credentials.read('crm', 'api'))
  for (const form of ['123456', Buffer.from('123456').toString('hex'), Buffer.from('123456').toString('base64url')])
    expect(row).not.toContain(form)
  expect(await open().list()).toEqual([{ connector: 'crm', credential: 'api', kind: credential.kind, version: 1, setAtMs: nowMs }])
})

test('the same credential is never sealed to the same text', async () => {
  const sealed = new Set<string>()
  for (let i = 0; i < 3; i++) {
    await sql('delete from credential')
    await open().set('crm', 'api', header('same'))
    sealed.add((await storage.credentials.read('crm', 'api'))?.sealed ?? '')
  }
  expect(sealed.size).toBe(3)
})

test('a credential that is not set is UNAVAILABLE, and usable once it is set', async () => {
  const vault = open()
  await expect(vault.lease('crm', 'api')).rejects.toThrow(unavailable)
  await vault.set('crm', 'api', header('first'))
  expect(await leased(vault)).toBe('first')
})

test('a change is seen at once where it is made and within a second elsewhere', async () => {
  const [here, there] = [open(), open()]
  await here.set('crm', 'api', header('first'))
  expect([await leased(here), await leased(there)]).toEqual(['first', 'first'])
  expect(await here.set('crm', 'api', header('second'))).toEqual({ version: 2 })
  expect(await leased(here)).toBe('second')
  expect(await leased(there)).toBe('first')
  later()
  expect(await leased(there)).toBe('second')
})

test('within the second no row is read, and an unchanged row keeps its lease', async () => {
  const vault = open()
  await vault.set('crm', 'api', header('first'))
  const lease = await vault.lease('crm', 'api')
  await sql('delete from credential')
  expect(await vault.lease('crm', 'api')).toBe(lease)
  later()
  await expect(vault.lease('crm', 'api')).rejects.toThrow(unavailable)
})

test('a clock that goes back does not keep a lease alive', async () => {
  const vault = open()
  await vault.set('crm', 'api', header('first'))
  await vault.lease('crm', 'api')
  await sql('delete from credential')
  nowMs -= 3_600_000
  await expect(vault.lease('crm', 'api')).rejects.toThrow(unavailable)
})

test('of changes at once all are kept, one version each', async () => {
  const versions = await Promise.all([1, 2, 3].map((i) => open().set('crm', 'api', header(`v${i}`))))
  expect(versions.map(({ version }) => version).sort()).toEqual([1, 2, 3])
})

async function put(row: CredentialRow): Promise<void> {
  await sql('delete from credential where connector = $1 and name = $2', [row.connector, row.credential])
  await sql('insert into credential (connector, name, version, kind, sealed, set_at_ms) values ($1, $2, $3, $4, $5, $6)', [
    row.connector,
    row.credential,
    row.version,
    row.kind,
    row.sealed,
    row.setAtMs,
  ])
}
async function rowOf(credential: string): Promise<CredentialRow> {
  const row = await storage.credentials.read('crm', credential)
  if (!row) throw new Error(`no row ${credential}`)
  return row
}
function flipped(sealed: string, at: number): string {
  const parts = sealed.split('.')
  const flip = (part: string): string => {
    const bytes = Buffer.from(part, 'base64url')
    bytes[Math.floor(at * (bytes.length - 1))] = (bytes[Math.floor(at * (bytes.length - 1))] ?? 0) ^ 1
    return bytes.toString('base64url')
  }
  return parts.map((part, i) => (i === 0 ? part : flip(part))).join('.')
}

const TAMPERED: readonly [string, (row: CredentialRow, other: CredentialRow) => Partial<CredentialRow>][] = [
  ['the row of another credential', (_, other) => ({ sealed: other.sealed })],
  ['another version number', (row) => ({ version: row.version + 1 })],
  ['another kind', () => ({ kind: 'query' })],
  ['a bit flipped at the start', (row) => ({ sealed: flipped(row.sealed, 0) })],
  ['a bit flipped in the middle', (row) => ({ sealed: flipped(row.sealed, 0.5) })],
  ['a bit flipped at the end', (row) => ({ sealed: flipped(row.sealed, 1) })],
  [
    'the data key of another row',
    (row, other) => ({ sealed: [row.sealed.split('.')[0], other.sealed.split('.')[1], row.sealed.split('.')[2]].join('.') }),
  ],
  [
    'key and body exchanged',
    (row) => ({ sealed: [row.sealed.split('.')[0], row.sealed.split('.')[2], row.sealed.split('.')[1]].join('.') }),
  ],
  ['a shortened text', (row) => ({ sealed: row.sealed.slice(0, -4) })],
  ['more text', (row) => ({ sealed: `${row.sealed}.AAAA` })],
  ['another form', (row) => ({ sealed: row.sealed.replace('v1', 'v2') })],
  ['no text', () => ({ sealed: '' })],
]

test.each(TAMPERED)('a row with %s does not open, in a running vault or a new one', async (_title, tamper) => {
  const running = open()
  await running.set('crm', 'api', header('first'))
  await running.set('crm', 'other', header('other'))
  expect(await leased(running)).toBe('first')
  const row = await rowOf('api')
  await put({ ...row, ...tamper(row, await rowOf('other')) })
  later()
  await expect(running.lease('crm', 'api')).rejects.toThrow(unavailable)
  await expect(open().lease('crm', 'api')).rejects.toThrow(unavailable)
  expect(await leased(running, 'other')).toBe('other')
})

test('a row of an older version is a rollback, until the credential is set anew', async () => {
  const vault = open()
  await vault.set('crm', 'api', header('leaked'))
  const old = await rowOf('api')
  await vault.set('crm', 'api', header('rotated'))
  expect(await leased(vault)).toBe('rotated')
  await put(old)
  later()
  await expect(vault.lease('crm', 'api')).rejects.toThrow(unavailable)
  await vault.set('crm', 'api', header('third'))
  expect(await leased(vault)).toBe('third')
})

test.each([
  ['another key', { key: new Uint8Array(32).fill(8) }],
  ['another organisation', { organisation: 'other' }],
])('a vault with %s opens nothing', async (_title, more) => {
  await open().set('crm', 'api', header('first'))
  await expect(open(more).lease('crm', 'api')).rejects.toThrow(unavailable)
})

test('a key of another size is refused', () => {
  expect(() => open({ key: new Uint8Array(31) })).toThrow(TypeError)
})

test('what is UNAVAILABLE says neither the secret nor the cause', async () => {
  const vault = open()
  await vault.set('crm', 'api', header('canary-123456'))
  const row = await rowOf('api')
  await put({ ...row, sealed: flipped(row.sealed, 1) })
  const error = await open()
    .lease('crm', 'api')
    .catch((reason: unknown) => reason)
  expect(String(error)).not.toMatch(/canary|authenticat|decrypt/)
})
