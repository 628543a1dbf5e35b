import { type Selectable, sql } from 'kysely'
import { instant } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import {
  type Grant,
  type GrantAmount,
  type GrantState,
  type GrantQuestion,
  isUsedUp,
  type UsableGrant,
  type StandingGrant,
  spentAfter,
} from '../core/grant.ts'
import type { CallId, GrantId, HoldId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import type { Page, PageRequest } from '../ports/call-store.ts'
import type { GrantFilter } from '../ports/grants.ts'
import type { Db, StandingGrantTable, Tx } from './tables.ts'

type GrantRow = Selectable<StandingGrantTable>

/** One to one, also for no subject. */
const subjectText = (subject: string | null): string => JSON.stringify(subject)

const fromRow = (row: GrantRow): StandingGrant => ({
  ...row.facts,
  id: row.id as GrantId,
  holdId: row.hold_id as HoldId,
  agent: row.agent,
  operation: row.operation,
  until: instant(row.until_ms),
  maxUses: row.max_uses,
  used: row.used,
  spent: row.spent,
  ended: row.ended,
  endedAt: row.ended_at_ms === null ? null : instant(row.ended_at_ms),
  endedBy: row.ended_by,
  why: row.why,
})

/** Inserts a grant that nobody has used. */
export async function insertGrant(tx: Tx, grant: Grant): Promise<void> {
  const { id, holdId, agent, operation, until, maxUses, ...facts } = grant
  await tx
    .insertInto('standing_grant')
    .values({
      ...{ id, agent, operation, hold_id: holdId, subject: subjectText(grant.subject), until_ms: until, max_uses: maxUses },
      facts: JSON.stringify(facts),
      spent: '{}',
      why: 'null',
    })
    .execute()
}

/**
 * Locks grants until COMMIT, in the order of their ids: those that may be used for these questions, those that these calls use, and those that are named.
 * Take agents and the policy set before, counters, calls and holds after.
 */
export async function lockGrants(
  tx: Tx,
  questions: readonly GrantQuestion[],
  callIds: readonly string[],
  named: readonly string[],
): Promise<Map<GrantId, StandingGrant>> {
  if (questions.length === 0 && callIds.length === 0 && named.length === 0) return new Map()
  const column = (read: (question: GrantQuestion) => string): string[] => questions.map(read)
  const { rows: found } = await sql<{ id: string }>`
    select g.id from unnest(${column((q) => q.agent)}::text[], ${column((q) => q.operation)}::text[],
      ${column((q) => subjectText(q.subject))}::text[]) as q (agent, operation, subject)
    join standing_grant g on g.agent = q.agent and g.operation = q.operation and g.subject = q.subject and g.ended is null and not g.used_up
    union select grant_id from grant_use where call_id = any(${[...callIds]}::text[])
    union select unnest(${[...named]}::text[])`.execute(tx)
  if (found.length === 0) return new Map()
  const ids = found.map(({ id }) => id)
  const rows = await tx.selectFrom('standing_grant').selectAll().where('id', 'in', ids).orderBy('id').forUpdate().execute()
  return new Map(rows.map((row) => [row.id as GrantId, fromRow(row)]))
}

/** Who published which of the policies that these grants cover. */
export async function withPublishers(tx: Tx, grants: Iterable<StandingGrant>): Promise<UsableGrant[]> {
  const all = [...grants]
  const ids = [...new Set(all.flatMap(({ matched }) => matched.map(({ policyId }) => policyId)))]
  if (ids.length === 0) return []
  const rows = await tx.selectFrom('policy_publisher').selectAll().where('policy_id', 'in', ids).execute()
  return all.map((grant) => ({
    ...grant,
    publishers: rows
      .filter((row) => grant.matched.some(({ policyId, policyHash }) => policyId === row.policy_id && policyHash === row.policy_hash))
      .map(({ person }) => person),
  }))
}

/** Reserves one use of a locked grant for a call. Throws where the grant cannot bear it: whoever decided looked at the same row. */
export async function reserveUse(
  tx: Tx,
  grant: StandingGrant | undefined,
  callId: string,
  amounts: readonly GrantAmount[],
): Promise<StandingGrant> {
  if (!grant || grant.ended !== null || isUsedUp(grant))
    throw new GatewayError('INTERNAL', `call \`${callId}\`: it uses a grant that was not announced or bears no use`)
  const after = await moveUse(tx, grant, amounts, 1n)
  await tx
    .insertInto('grant_use')
    .values({ call_id: callId, grant_id: grant.id, amounts: JSON.stringify(amounts) })
    .execute()
  return after
}

/** Takes back the uses of calls whose grants are locked; what is gone already is not taken twice. Returns the grants as they are then. */
export async function giveBackUses(tx: Tx, callIds: readonly string[]): Promise<readonly StandingGrant[]> {
  if (callIds.length === 0) return []
  const after: StandingGrant[] = []
  const uses = await tx
    .deleteFrom('grant_use')
    .where('call_id', 'in', [...callIds])
    .returning(['grant_id', 'amounts'])
    .execute()
  for (const { grant_id: id, amounts } of uses) {
    const row = await tx.selectFrom('standing_grant').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
    after.push(await moveUse(tx, fromRow(row), amounts, -1n))
  }
  return after
}

async function moveUse(tx: Tx, grant: StandingGrant, amounts: readonly GrantAmount[], sign: 1n | -1n): Promise<StandingGrant> {
  const after = { ...grant, used: grant.used + Number(sign), spent: spentAfter(grant.spent, amounts, sign) }
  await tx
    .updateTable('standing_grant')
    .set({ used: after.used, spent: JSON.stringify(after.spent), used_up: isUsedUp(after) })
    .where('id', '=', grant.id)
    .execute()
  return after
}

/** Ends a grant. Answers with its call; undefined where it has ended already. */
export async function endGrant(
  tx: Tx,
  id: GrantId,
  ended: 'revoked' | 'dead',
  by: string | null,
  why: string,
  atMs: number,
): Promise<CallId | undefined> {
  const row = await tx
    .updateTable('standing_grant')
    .set({ ended, ended_at_ms: atMs, ended_by: by, why: JSON.stringify(why) })
    .where('id', '=', id)
    .where('ended', 'is', null)
    .returning('facts')
    .executeTakeFirst()
  return row?.facts.callId
}

export async function grantWhere(db: Db, column: 'id' | 'hold_id', value: string): Promise<StandingGrant | undefined> {
  const row = await db.selectFrom('standing_grant').selectAll().where(column, '=', value).executeTakeFirst()
  return row && fromRow(row)
}

export async function grantUsedBy(db: Db, call: CallId): Promise<StandingGrant | undefined> {
  const row = await db
    .selectFrom('grant_use as u')
    .innerJoin('standing_grant as g', 'g.id', 'u.grant_id')
    .selectAll('g')
    .where('u.call_id', '=', call)
    .executeTakeFirst()
  return row && fromRow(row)
}

/** Grants that match, newest first. */
export async function grantsPage(
  db: Db,
  { state, agent }: GrantFilter,
  page: PageRequest<GrantId>,
  nowMs: number,
): Promise<Page<StandingGrant>> {
  let query = db
    .selectFrom('standing_grant')
    .selectAll()
    .orderBy('id', 'desc')
    .limit(page.first + 1)
  if (state !== undefined) query = query.where(stateIs(state, nowMs))
  if (agent !== undefined) query = query.where('agent', '=', agent)
  if (page.after !== undefined) query = query.where('id', '<', page.after)
  const rows = (await query.execute()).map(fromRow)
  return { rows: rows.slice(0, page.first), more: rows.length > page.first }
}

function stateIs(state: GrantState, nowMs: number) {
  switch (state) {
    case 'revoked':
    case 'dead':
      return sql<boolean>`ended = ${state}`
    case 'expired':
      return sql<boolean>`ended is null and until_ms <= ${nowMs}`
    default:
      return sql<boolean>`ended is null and until_ms > ${nowMs} and used_up = ${state === 'used_up'}`
  }
}

/** How many grants such calls could still use, counted up to `LIMITS.grantsLivePerOperationMax`. */
export async function countLiveGrants(db: Db, { agent, subject, operation }: GrantQuestion, nowMs: number): Promise<number> {
  const rows = await db
    .selectFrom('standing_grant')
    .select('id')
    .where('agent', '=', agent)
    .where('operation', '=', operation)
    .where('subject', '=', subjectText(subject))
    .where(stateIs('live', nowMs))
    .limit(LIMITS.grantsLivePerOperationMax)
    .execute()
  return rows.length
}
