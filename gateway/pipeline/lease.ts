import type { Lease } from '../ports/vault.ts'
import type { Parts } from './stages.ts'

/** One call's credential, or null where the connector has none configured. Throws UNAVAILABLE where it cannot be had: the call does not happen. */
export async function leaseFor(parts: Parts, connector: string): Promise<Lease | null> {
  const credential = parts.credentials.get(connector)
  return credential === undefined ? null : await parts.vault.lease(connector, credential)
}
