import type { Selectable } from 'kysely'
import type { Agent, AgentStatus } from '../core/principal.ts'
import type { AgentSeed } from '../ports/registry.ts'
import type { AgentTable, Db, Tx } from './tables.ts'
import type { Append } from './transaction-scope.ts'

/** Who stands in `status_by` and entries for what configuration says. */
export const CONFIGURATION = 'configuration'

type AgentRow = Pick<Selectable<AgentTable>, 'name' | 'attributes' | 'status' | 'epoch'>

export const agentFromRow = (row: AgentRow): Agent => ({ ...row.attributes, name: row.name, status: row.status, epoch: row.epoch })

/** Attributes as stored, members in a fixed order so that equal ones have equal texts. */
function attributesText(seed: AgentSeed | Agent): string {
  const { owner, team, region, purpose, roles, clearance, autonomy } = seed
  return JSON.stringify({ owner, team, region, purpose, roles, clearance, autonomy })
}

/** Locks the change counter and raises it: changes of agents commit one after the other, so whoever reads past a number misses nothing. */
async function nextChange(tx: Tx): Promise<number> {
  const { counter } = await tx
    .updateTable('agent_change')
    .set((eb) => ({ counter: eb('counter', '+', 1) }))
    .returning('counter')
    .executeTakeFirstOrThrow()
  return counter
}

/** Agents changed after `change`, in order, at most `first`; with the number to go on from. */
export async function agentsChangedAfter(db: Db, change: number, first: number): Promise<{ agents: readonly Agent[]; change: number }> {
  const rows = await db.selectFrom('agent').selectAll().where('change', '>', change).orderBy('change').limit(first).execute()
  return { agents: rows.map(agentFromRow), change: rows.at(-1)?.change ?? change }
}

/** Sets an agent's status, one epoch on, with its entry. Undefined where there is no such agent; the agent as it is where it has that status or is retired. */
export async function changeStatus(
  tx: Tx,
  append: Append,
  change: { name: string; status: AgentStatus; by: string; why?: string | undefined },
): Promise<Agent | undefined> {
  const { name, status, by, why } = change
  const row = await tx.selectFrom('agent').selectAll().where('name', '=', name).forUpdate().executeTakeFirst()
  if (!row) return undefined
  if (row.status === 'retired' || (row.status === status && row.status_by === by)) return agentFromRow(row)
  const epoch = row.epoch + 1
  await tx
    .updateTable('agent')
    .set({ status, status_by: by, epoch, change: await nextChange(tx) })
    .where('name', '=', name)
    .execute()
  append(null, {
    kind: 'agent.changed',
    agent: name,
    by,
    change: why === undefined ? `status ${status}` : `status ${status}: ${why}`,
    epoch,
  })
  return agentFromRow({ ...row, status, epoch })
}

async function insertAgent(tx: Tx, append: Append, seed: AgentSeed): Promise<void> {
  const status = seed.status ?? 'active'
  await tx
    .insertInto('agent')
    .values({
      name: seed.name,
      attributes: attributesText(seed),
      status,
      status_by: CONFIGURATION,
      seeded: true,
      epoch: 1,
      change: await nextChange(tx),
    })
    .execute()
  append(null, { kind: 'agent.changed', agent: seed.name, by: CONFIGURATION, change: `registered, status ${status}`, epoch: 1 })
}

/**
 * Brings one agent in line with configuration: a new name is registered, changed attributes and a changed status raise the epoch, each with its
 * entry. A status that an operator set stays, and a retired name stays retired.
 */
async function applySeed(tx: Tx, append: Append, seed: AgentSeed): Promise<void> {
  const row = await tx.selectFrom('agent').selectAll().where('name', '=', seed.name).forUpdate().executeTakeFirst()
  if (!row) return insertAgent(tx, append, seed)
  if (row.status === 'retired') return
  const attributes = attributesText(seed)
  const status = row.status_by === CONFIGURATION ? (seed.status ?? 'active') : row.status
  const changes = [
    ...(attributes === attributesText(agentFromRow(row)) ? [] : ['attributes']),
    ...(status === row.status ? [] : [`status ${status}`]),
  ]
  if (changes.length === 0) return
  const epoch = row.epoch + 1
  await tx
    .updateTable('agent')
    .set({ attributes, status, seeded: true, epoch, change: await nextChange(tx) })
    .where('name', '=', seed.name)
    .execute()
  append(null, { kind: 'agent.changed', agent: seed.name, by: CONFIGURATION, change: changes.join(', '), epoch })
}

/** Applies all of configuration's agents, in the order of their names. One that was taken out of configuration is suspended by it. */
export async function applySeeds(tx: Tx, append: Append, seeds: readonly AgentSeed[]): Promise<void> {
  const sorted = [...seeds].sort((a, b) => (a.name < b.name ? -1 : 1))
  for (const seed of sorted) await applySeed(tx, append, seed)
  let gone = tx.selectFrom('agent').select('name').where('seeded', '=', true).where('status', '=', 'active').orderBy('name')
  if (sorted.length > 0)
    gone = gone.where(
      'name',
      'not in',
      sorted.map(({ name }) => name),
    )
  for (const { name } of await gone.execute()) {
    await changeStatus(tx, append, { name, status: 'suspended', by: CONFIGURATION, why: 'no longer in the configuration' })
  }
}
