/** A payload as it is kept: `commitment` is in the log for good, `sealed` goes when the payload is erased. */
export interface SealedPayload {
  /** SHA-256 hex over salt and payload text. */
  commitment: string
  /** Key, salt and payload, which open under the installation's key only. */
  sealed: string
}

/**
 * Seals payloads of entries, each under a key of its own: who destroys `sealed` has destroyed key, salt and payload. Synchronous, since every call pays
 * for it.
 */
export interface EntrySealer {
  /** `text` is JSON text. */
  seal(text: string): SealedPayload
  /** Throws UNAVAILABLE where it does not open, or is not what was committed to. */
  open(sealed: SealedPayload): { text: string; salt: Uint8Array }
}
