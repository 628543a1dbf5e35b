import { hkdfSync } from 'node:crypto'

/**
 * The seed of the key that the log's checkpoints are signed with (Ed25519), derived from the vault's (HKDF-SHA256, RFC 5869): one for all replicas, and of
 * no use for opening what is sealed.
 */
export const logKeySeed = (vaultKey: Uint8Array): Uint8Array =>
  new Uint8Array(hkdfSync('sha256', vaultKey, new Uint8Array(0), 'gatehouse log', 32))
