import { randomBytes, randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { link, mkdir, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { GatewayError } from '../core/errors.ts'

const KEY_BYTES = 32

export interface KeyFile {
  /** 32 bytes. */
  key: Uint8Array
  /** The file was made by this call; the start says so, since whoever loses it loses what it is for. */
  created: boolean
  path: string
}

/** The embedded key-encryption key: `<dataDir>/vault.key`. Throws CONFIG_INVALID as `openKeyFile`. */
export const openVaultKey = (dataDir: string): Promise<KeyFile> => openKeyFile(dataDir, 'vault.key', 'the vault')

/**
 * A key of a process's own: 32 bytes as base64, made with mode 0600 at first start (of two processes at once, one makes it). `of` says whose it is. Throws
 * CONFIG_INVALID where the file is open to other users, a symbolic link, or no key.
 */
export async function openKeyFile(dataDir: string, name: string, of: string): Promise<KeyFile> {
  const path = join(dataDir, name)
  const found = await readKey(path, of)
  if (found) return { key: found, created: false, path }
  const created = await create(dataDir, path)
  const key = await readKey(path, of)
  if (!key) throw invalid(path, 'vanished while it was made')
  return { key, created, path }
}

/** A key given by the caller as base64 of 32 bytes. Throws CONFIG_INVALID, never with the text. */
export function parseVaultKey(text: string, place: string): Uint8Array {
  const key = Buffer.from(text.trim(), 'base64')
  if (key.length !== KEY_BYTES || key.toString('base64') !== text.trim()) throw invalid(place, 'is not the base64 of 32 bytes')
  return new Uint8Array(key)
}

const invalid = (place: string, message: string): GatewayError => new GatewayError('CONFIG_INVALID', `\`${place}\` ${message}`)
const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : undefined)

async function readKey(path: string, of: string): Promise<Uint8Array | undefined> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined
    throw codeOf(error) === 'ELOOP' ? invalid(path, 'is a symbolic link: put the key file itself there') : error
  })
  if (!file) return undefined
  try {
    const { mode, size } = await file.stat()
    if (process.platform !== 'win32' && (mode & 0o077) !== 0)
      throw invalid(path, `holds the key of ${of} and is open to other users: run \`chmod 600 ${path}\``)
    if (size > 2 * KEY_BYTES) throw invalid(path, `is no key of ${of}`)
    return parseVaultKey(await file.readFile('utf8'), path)
  } finally {
    await file.close()
  }
}

/** Written aside and linked, so that the file appears whole or not at all. False where another process was faster. */
async function create(dataDir: string, path: string): Promise<boolean> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 })
  const aside = `${path}.${randomUUID()}`
  try {
    const file = await open(aside, 'wx', 0o600)
    try {
      await file.writeFile(`${randomBytes(KEY_BYTES).toString('base64')}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    await link(aside, path)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  } finally {
    await rm(aside, { force: true })
  }
}
