import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'

/**
 * The installation's key for the names of counters, derived from the vault's (HKDF-SHA256, RFC 5869): equal wherever the vault's key is, so that replicas
 * count together, and of no use for opening what is sealed.
 */
export function counterKey(vaultKey: Uint8Array): KeyObject {
  return createSecretKey(new Uint8Array(hkdfSync('sha256', vaultKey, new Uint8Array(0), 'gatehouse counters', 32)))
}
