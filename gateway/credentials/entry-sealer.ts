import { createCipheriv, createDecipheriv, createHmac, createSecretKey, hash, hkdfSync, type KeyObject, randomFillSync } from 'node:crypto'
import { GatewayError } from '../core/errors.ts'
import type { EntrySealer, SealedPayload } from '../ports/entry-sealer.ts'

const SEED_BYTES = 32
const TAG_BYTES = 16
const SEALING = 'aes-256-gcm'
/** Every key seals one text only, so that one nonce is enough. */
const NONCE = Buffer.alloc(12)
/** Random bytes are drawn for so many entries at once. */
const POOLED = 256

/**
 * Entries' payloads under AES-256-GCM. Key and salt of each entry are derived (HMAC-SHA512) from the installation's key and 32 random bytes that stand in
 * the sealed text and nowhere else: who destroys that has destroyed both. The associated data are organisation and commitment, so that a payload opens at
 * its own entry only.
 */
export function createEntrySealer(vaultKey: Uint8Array, organisation: string): EntrySealer {
  const master = createSecretKey(new Uint8Array(hkdfSync('sha256', vaultKey, new Uint8Array(0), 'gatehouse entries', 32)))
  const associated = (commitment: string): Buffer => Buffer.from(`gatehouse entry\n${organisation}\n${commitment}`)
  const pool = Buffer.alloc(POOLED * SEED_BYTES)
  let used = pool.length
  const freshSeed = (): Buffer => {
    if (used === pool.length) {
      randomFillSync(pool)
      used = 0
    }
    used += SEED_BYTES
    return Buffer.from(pool.subarray(used - SEED_BYTES, used))
  }
  return {
    seal(text) {
      const seed = freshSeed()
      const { key, salt } = derived(master, seed)
      const commitment = commitmentOf(salt, text)
      const cipher = createCipheriv(SEALING, key, NONCE).setAAD(associated(commitment))
      const sealed = Buffer.concat([seed, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
      return { commitment, sealed: sealed.toString('base64url') }
    },
    open(payload) {
      try {
        return opened(payload, master, associated(payload.commitment))
      } catch (cause) {
        throw new GatewayError('UNAVAILABLE', 'the payload of an entry does not open: it was changed, or sealed under another key', {
          cause,
        })
      }
    },
  }
}

/** HMAC-SHA512 of the seed: the first half is the key, the second the salt. */
function derived(master: KeyObject, seed: Buffer): { key: KeyObject; salt: Buffer } {
  const bytes = createHmac('sha512', master).update(seed).digest()
  // As a key object: Node looks at plain bytes four times as long as sealing takes.
  return { key: createSecretKey(bytes.subarray(0, 32)), salt: bytes.subarray(32) }
}

/** SHA-256 hex over salt and text: what the log holds in the place of a payload. */
export const commitmentOf = (salt: Uint8Array, text: string): string =>
  hash('sha256', Buffer.concat([salt, Buffer.from(text, 'utf8')]), 'hex')

function opened({ commitment, sealed }: SealedPayload, master: KeyObject, associated: Buffer): { text: string; salt: Uint8Array } {
  const bytes = Buffer.from(sealed, 'base64url')
  const seed = bytes.subarray(0, SEED_BYTES)
  const tag = bytes.subarray(-TAG_BYTES)
  const body = bytes.subarray(SEED_BYTES, -TAG_BYTES)
  const { key, salt } = derived(master, seed)
  const decipher = createDecipheriv(SEALING, key, NONCE, { authTagLength: TAG_BYTES })
  decipher.setAAD(associated).setAuthTag(tag)
  const text = Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8')
  if (commitmentOf(salt, text) !== commitment) throw new TypeError('not what was committed to')
  return { text, salt }
}
