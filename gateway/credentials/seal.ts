import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { canonicalJson } from '../core/json.ts'

/** What a sealed record is bound to: it opens under exactly these, so a row that is moved, relabelled or rolled forward does not open. */
export interface SealContext {
  organisation: string
  connector: string
  credential: string
  version: number
}

const ALGORITHM = 'aes-256-gcm'
const KEY_BYTES = 32
const IV_BYTES = 12
const TAG_BYTES = 16

/** The key-encryption key. Exactly 32 bytes, else TypeError. */
export function keyEncryptionKey(key: Uint8Array): KeyObject {
  if (key.byteLength !== KEY_BYTES) throw new TypeError('a key-encryption key has 32 bytes')
  return createSecretKey(key)
}

/**
 * Seals text under a fresh data key (AES-256-GCM, random 96-bit nonce), and that key under the key-encryption key. Both are bound to the context by
 * JCS associated data that tells their purposes apart.
 */
export function seal(kek: KeyObject, context: SealContext, plain: string): string {
  const dataKey = randomBytes(KEY_BYTES)
  const wrapped = encrypt(kek, associated(context, 'data-key'), dataKey)
  const sealed = encrypt(createSecretKey(dataKey), associated(context, 'credential'), Buffer.from(plain, 'utf8'))
  dataKey.fill(0)
  return `v1.${wrapped.toString('base64url')}.${sealed.toString('base64url')}`
}

/** Opens what `seal` made for the same context. Throws where anything differs by a bit. */
export function unseal(kek: KeyObject, context: SealContext, sealed: string): string {
  const [form, wrapped, body, ...rest] = sealed.split('.')
  if (form !== 'v1' || wrapped === undefined || body === undefined || rest.length > 0) throw new TypeError('unknown form')
  const dataKey = decrypt(kek, associated(context, 'data-key'), canonicalBase64(wrapped))
  try {
    return decrypt(createSecretKey(dataKey), associated(context, 'credential'), canonicalBase64(body)).toString('utf8')
  } finally {
    dataKey.fill(0)
  }
}

function canonicalBase64(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64url')
  if (bytes.toString('base64url') !== text) throw new TypeError('not canonical')
  return bytes
}

const associated = ({ organisation, connector, credential, version }: SealContext, purpose: string): Buffer =>
  Buffer.from(canonicalJson({ tenant: organisation, connector, credential, version, purpose }), 'utf8')

function encrypt(key: KeyObject, aad: Buffer, plain: Buffer): Buffer {
  const iv = randomBytes(IV_BYTES)
  const cipher = createCipheriv(ALGORITHM, key, iv, { authTagLength: TAG_BYTES }).setAAD(aad)
  const body = Buffer.concat([cipher.update(plain), cipher.final()])
  return Buffer.concat([iv, body, cipher.getAuthTag()])
}

function decrypt(key: KeyObject, aad: Buffer, sealed: Buffer): Buffer {
  if (sealed.length < IV_BYTES + TAG_BYTES) throw new TypeError('too short')
  const decipher = createDecipheriv(ALGORITHM, key, sealed.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES }).setAAD(aad)
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES))
  return Buffer.concat([decipher.update(sealed.subarray(IV_BYTES, sealed.length - TAG_BYTES)), decipher.final()])
}
