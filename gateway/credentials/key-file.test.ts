import { chmod, mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openVaultKey, parseVaultKey } from './key-file.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vault-key-'))
})
afterEach(() => rm(folder, { recursive: true }))

test('the first start makes the key, later ones read it', async () => {
  const dataDir = join(folder, 'new')
  const first = await openVaultKey(dataDir)
  expect([first.created, first.key.length, (await stat(first.path)).mode & 0o777]).toEqual([true, 32, 0o600])
  expect(await openVaultKey(dataDir)).toEqual({ ...first, created: false })
})

test('of several first starts at once one makes the key and all use it', async () => {
  const all = await Promise.all(Array.from({ length: 5 }, () => openVaultKey(folder)))
  expect(all.filter(({ created }) => created).length).toBe(1)
  expect(new Set(all.map(({ key }) => Buffer.from(key).toString('hex'))).size).toBe(1)
})

test.each([0o640, 0o604, 0o660])('mode %o is refused', async (mode) => {
  const { path } = await openVaultKey(folder)
  await chmod(path, mode)
  await expect(openVaultKey(folder)).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('chmod 600') })
})

test.each([
  ['empty', ''],
  ['too short', Buffer.alloc(31).toString('base64')],
  ['too long', Buffer.alloc(33).toString('base64')],
  ['huge', 'A'.repeat(10_000)],
  ['not base64', 'x'.repeat(44)],
])('a file that is %s is refused', async (_title, content) => {
  await writeFile(join(folder, 'vault.key'), content, { mode: 0o600 })
  await expect(openVaultKey(folder)).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
})

test('a symbolic link is refused', async () => {
  await writeFile(join(folder, 'elsewhere'), Buffer.alloc(32).toString('base64'), { mode: 0o600 })
  await symlink(join(folder, 'elsewhere'), join(folder, 'vault.key'))
  await expect(openVaultKey(folder)).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
})

test('a given key is exactly 32 bytes, and a refusal does not show it', () => {
  const text = Buffer.alloc(32, 7).toString('base64')
  expect(parseVaultKey(`${text}\n`, 'VAULT_KEY')).toEqual(new Uint8Array(32).fill(7))
  expect(() => parseVaultKey(text.slice(1), 'VAULT_KEY')).toThrow(
    expect.objectContaining({ message: '`VAULT_KEY` is not the base64 of 32 bytes' }),
  )
})
