import { unavailable } from './outage.ts'
import type { Writer } from './writer.ts'

/**
 * Makes a policy set the one that intents must have been decided on, at every replica, with its entry; nothing happens where it is already. `files`
 * are paths and hashes. Throws UNAVAILABLE.
 */
export async function activatePolicySet(writer: Writer, policySet: string, files: Readonly<Record<string, string>>): Promise<void> {
  try {
    await writer.transact(async ({ tx, append }) => {
      const { numUpdatedRows } = await tx
        .updateTable('gateway_state')
        .set({ policy_set: policySet })
        .where('policy_set', 'is distinct from', policySet)
        .executeTakeFirstOrThrow()
      if (numUpdatedRows > 0n) append(null, { kind: 'policy.activated', policySet, files })
    })
  } catch (error) {
    throw unavailable(error)
  }
}
