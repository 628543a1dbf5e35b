import type { CallId } from '../core/ids.ts'
import type { NewCall } from '../ports/recorder.ts'
import type { Db, Tx } from './tables.ts'

/** A scope as a text column holds it: one to one, and without NUL, whatever the agent sent. */
export const scopeText = (scope: string): string => JSON.stringify(scope)

/** What an unexpired key says about a repeat; undefined where the key is free (an expired one is removed). */
export async function lookUpKey(
  tx: Tx,
  { scope, argumentsDigest }: NonNullable<NewCall['idempotency']>,
  nowMs: number,
): Promise<{ kind: 'joined' | 'key_reused'; callId: CallId } | undefined> {
  const row = await tx
    .selectFrom('idempotency_key')
    .select(['call_id', 'arguments_digest', 'expires_at_ms'])
    .where('scope', '=', scopeText(scope))
    .forUpdate()
    .executeTakeFirst()
  if (!row) return undefined
  if (row.expires_at_ms <= nowMs) {
    await tx.deleteFrom('idempotency_key').where('scope', '=', scopeText(scope)).execute()
    return undefined
  }
  return { kind: row.arguments_digest === argumentsDigest ? 'joined' : 'key_reused', callId: row.call_id as CallId }
}

/** Takes a free key. A race for it breaks its unique constraint. */
export async function insertKey(tx: Tx, callId: CallId, key: NonNullable<NewCall['idempotency']>): Promise<void> {
  await tx
    .insertInto('idempotency_key')
    .values({ scope: scopeText(key.scope), call_id: callId, arguments_digest: key.argumentsDigest, expires_at_ms: key.expiresAt })
    .execute()
}

/** Removes at most `first` expired keys and tells how many. */
export async function deleteExpiredKeys(db: Db, nowMs: number, first: number): Promise<number> {
  const { numDeletedRows } = await db
    .deleteFrom('idempotency_key')
    .where('scope', 'in', (eb) =>
      eb.selectFrom('idempotency_key').select('scope').where('expires_at_ms', '<=', nowMs).orderBy('expires_at_ms').limit(first),
    )
    .executeTakeFirstOrThrow()
  return Number(numDeletedRows)
}
