import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { link, mkdir, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { calculateJwkThumbprint, type CryptoKey, exportJWK, generateKeyPair, importJWK, type JWK } from 'jose'
import { GatewayError } from '../core/errors.ts'
import type { JsonObject } from '../core/json.ts'
import { LIMITS } from '../limits.ts'

/** The built-in issuer's key pair. */
export interface SigningKey {
  /** RFC 7638 thumbprint. */
  readonly kid: string
  readonly algorithm: 'ES256'
  readonly privateKey: CryptoKey
  /** With `kid`, `use` and `alg`; no private part. */
  readonly publicJwk: JsonObject
}

const FILE = 'issuer.jwk.json'

/**
 * Opens `<dataDir>/issuer.jwk.json`, making it (and the folder) on first start; of two processes that start at once one makes it and both use it.
 * Throws CONFIG_INVALID where the file can be read by others than its owner, or holds no P-256 private key.
 */
export async function openSigningKey(dataDir: string): Promise<SigningKey> {
  const path = join(dataDir, FILE)
  const text = (await readPrivate(path)) ?? (await createAndRead(dataDir, path))
  return await parseSigningKey(text, path)
}

const invalid = (path: string, message: string): GatewayError => new GatewayError('CONFIG_INVALID', `\`${path}\` ${message}`)

const hasCode = (error: unknown, code: string): boolean => error instanceof Error && 'code' in error && error.code === code

/** Undefined where there is no file. */
async function readPrivate(path: string): Promise<string | undefined> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return undefined
    throw hasCode(error, 'ELOOP') ? invalid(path, 'is a symbolic link: put the key file itself there') : error
  })
  if (!file) return undefined
  try {
    const { mode, size } = await file.stat()
    if (process.platform !== 'win32' && (mode & 0o077) !== 0)
      throw invalid(path, `holds the key that signs tokens and is open to other users: run \`chmod 600 ${path}\``)
    if (size > LIMITS.tokenBytesMax) throw invalid(path, 'is no key file')
    return await file.readFile('utf8')
  } finally {
    await file.close()
  }
}

/** The file appears under its name whole and durable, or not at all: written aside, then linked, which fails where the name is taken. */
async function createAndRead(dataDir: string, path: string): Promise<string> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 })
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  const aside = `${path}.${randomUUID()}`
  try {
    const file = await open(aside, 'wx', 0o600)
    try {
      await file.writeFile(`${JSON.stringify(await exportJWK(privateKey))}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    await link(aside, path).catch((error: unknown) => {
      if (!hasCode(error, 'EEXIST')) throw error
    })
  } finally {
    await rm(aside, { force: true })
  }
  const text = await readPrivate(path)
  if (text === undefined) throw invalid(path, 'vanished while it was made')
  return text
}

async function parseSigningKey(text: string, path: string): Promise<SigningKey> {
  try {
    const jwk: JWK = JSON.parse(text)
    const { kty, crv, x, y, d } = jwk
    if (kty !== 'EC' || crv !== 'P-256' || !x || !y || !d) throw new TypeError('not a P-256 private key')
    const privateKey = await importJWK({ kty: 'EC' as const, crv, x, y, d }, 'ES256')
    const kid = await calculateJwkThumbprint({ kty, crv, x, y })
    return { kid, algorithm: 'ES256', privateKey, publicJwk: { kty, crv, x, y, kid, use: 'sig', alg: 'ES256' } }
  } catch (cause) {
    throw new GatewayError(
      'CONFIG_INVALID',
      `\`${path}\` holds no P-256 private key as JWK: restore it, or remove it to have a new one made`,
      {
        cause,
      },
    )
  }
}
