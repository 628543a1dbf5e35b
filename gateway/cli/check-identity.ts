import type { Configuration } from '../config/load.ts'
import { Faults } from '../config/faults.ts'
import { instant } from '../core/clock.ts'
import type { JsonValue } from '../core/json.ts'
import { ClientAssertionChecker } from '../identity/client-assertion.ts'
import { SecretChecker } from '../identity/client-secret.ts'
import { createIssuerTable } from '../identity/issuer-table.ts'
import type { Dialer } from '../ports/dialer.ts'

/**
 * Finds what a start would refuse about issuers and agents' keys and secrets.
 * Throws CONFIG_INVALID with all faults.
 */
export async function checkIdentity({ issuers, clients }: Configuration, dialer: Dialer): Promise<void> {
  const clock = { now: () => instant(0) }
  const faults = new Faults()
  const development = issuers.some((issuer) => issuer.kind === 'built-in' && issuer.development)
  const external = issuers.filter((issuer) => issuer.kind === 'external')
  const table = faults.gather(() => createIssuerTable({ external, dialer, clock, development }))
  await table?.close()
  for (const [client, how] of clients) {
    if (how.kind === 'secret') faults.gather(() => new SecretChecker(new Map([[client, how.hash]])))
    else {
      const keys = how.keys as readonly JsonValue[]
      faults.gather(() => new ClientAssertionChecker({ clients: new Map([[client, keys]]), audiences: new Set(), clock }))
    }
  }
  faults.refuse()
}
