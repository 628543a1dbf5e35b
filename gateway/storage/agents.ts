import type { Selectable } from 'kysely'
import { instant } from '../core/clock.ts'
import type { EntryBody } from '../core/entry.ts'
import { GatewayError } from '../core/errors.ts'
import type { Agent, AgentAttributes, AgentStatus } from '../core/principal.ts'
import type { AgentEvent, AgentSeed, Registration } from '../ports/registry.ts'
import { isUniqueViolation } from './outage.ts'
import type { AgentTable, Db, Tx } from './tables.ts'
import type { TransactionScope } from './transaction-scope.ts'

/** Who stands in `status_by`, `registered_by` and entries for what configuration says. */
export const CONFIGURATION = 'configuration'

/** What changes of agents are written in. */
export type AgentScope = Pick<TransactionScope, 'tx' | 'append' | 'atMs'>

type AgentRow = Pick<Selectable<AgentTable>, 'name' | 'attributes' | 'status' | 'epoch'>

export const agentFromRow = (row: AgentRow): Agent => ({ ...row.attributes, name: row.name, status: row.status, epoch: row.epoch })

/** An agent of the register, with what only the register needs of it. */
export interface KeptAgent {
  agent: Agent
  registration: Registration
}

const keptFromRow = (row: Selectable<AgentTable>): KeptAgent => ({
  agent: agentFromRow(row),
  registration: { by: row.registered_by, keys: row.keys ?? [] },
})

/** Members in a fixed order, so that equal attributes have equal texts. */
function attributesOf(seed: AgentSeed | Agent): AgentAttributes {
  const { owner, team, region, purpose, roles, clearance, autonomy } = seed
  return { owner, team, region, purpose, roles, clearance, autonomy }
}

const attributesText = (seed: AgentSeed | Agent): string => JSON.stringify(attributesOf(seed))

/** Locks the change counter and raises it: changes of agents commit one after the other, so whoever reads past a number misses nothing. */
async function nextChange(tx: Tx): Promise<number> {
  const { counter } = await tx
    .updateTable('agent_change')
    .set((eb) => ({ counter: eb('counter', '+', 1) }))
    .returning('counter')
    .executeTakeFirstOrThrow()
  return counter
}

type ChangeEntry = Omit<Extract<EntryBody, { kind: 'agent.changed' }>, 'kind'>

/** The entry of a change, and its line in the agent's history. */
async function tell({ tx, append, atMs }: AgentScope, entry: ChangeEntry): Promise<void> {
  append(null, { kind: 'agent.changed', ...entry })
  const { agent, epoch, by, status, change, why } = entry
  await tx
    .insertInto('agent_history')
    .values({
      agent,
      epoch,
      by,
      at_ms: atMs,
      status: status ?? null,
      change: JSON.stringify(change),
      why: JSON.stringify(why ?? null),
    })
    .execute()
}

/** Agents changed after `change`, in order, at most `first`; with the number to go on from. */
export async function agentsChangedAfter(db: Db, change: number, first: number): Promise<{ agents: readonly KeptAgent[]; change: number }> {
  const rows = await db.selectFrom('agent').selectAll().where('change', '>', change).orderBy('change').limit(first).execute()
  return { agents: rows.map(keptFromRow), change: rows.at(-1)?.change ?? change }
}

/** The changes of an agent, newest first, at most `first`. */
export async function agentHistory(db: Db, agent: string, first: number): Promise<readonly AgentEvent[]> {
  const rows = await db.selectFrom('agent_history').selectAll().where('agent', '=', agent).orderBy('epoch', 'desc').limit(first).execute()
  return rows.map(({ epoch, at_ms, by, status, change, why }) => ({ epoch, at: instant(at_ms), by, status, change, why }))
}

/** When these agents made their newest call. Who never did is missing. */
export async function lastCalls(db: Db, agents: readonly string[]): Promise<ReadonlyMap<string, number>> {
  if (agents.length === 0) return new Map()
  const rows = await db
    .selectFrom('agent as a')
    .select((eb) => [
      'a.name',
      eb.selectFrom('call as c').select('c.created_at_ms').whereRef('c.agent', '=', 'a.name').orderBy('c.id', 'desc').limit(1).as('at'),
    ])
    .where('a.name', 'in', [...agents])
    .execute()
  return new Map(rows.flatMap(({ name, at }) => (at === null ? [] : [[name, at] as const])))
}

export interface StatusChange {
  name: string
  status: AgentStatus
  by: string
  why?: string | undefined
  /** Changed only from one of these. */
  from?: readonly AgentStatus[] | undefined
}

/**
 * Sets an agent's status, one epoch on, with its entry. Undefined where there is no such agent; the agent as it is where it has that status, is retired, or
 * has a status that the change does not start from.
 */
export async function changeStatus(scope: AgentScope, { name, status, by, why, from }: StatusChange): Promise<Agent | undefined> {
  const { tx } = scope
  const row = await tx.selectFrom('agent').selectAll().where('name', '=', name).forUpdate().executeTakeFirst()
  if (!row) return undefined
  if (row.status === 'retired' || (row.status === status && row.status_by === by)) return agentFromRow(row)
  if (from && !from.includes(row.status)) return agentFromRow(row)
  const epoch = row.epoch + 1
  await tx
    .updateTable('agent')
    .set({ status, status_by: by, epoch, change: await nextChange(tx) })
    .where('name', '=', name)
    .execute()
  const said = why === undefined ? {} : { why }
  await tell(scope, {
    agent: name,
    by,
    change: why === undefined ? `status ${status}` : `status ${status}: ${why}`,
    epoch,
    status,
    ...said,
  })
  return agentFromRow({ ...row, status, epoch })
}

/** Registers an agent that a person proposes. Throws NAME_TAKEN, also where the name belonged to one that is retired. */
export async function registerAgent(
  scope: AgentScope,
  seed: AgentSeed,
  { by, keys }: Registration,
  thumbprints: readonly string[],
): Promise<Agent> {
  const taken = await scope.tx.selectFrom('agent').select('name').where('name', '=', seed.name).executeTakeFirst()
  if (taken) throw nameTaken(seed.name)
  const status = 'proposed'
  await insertAgent(scope, seed, { status, by, seeded: false, keys: keys.length === 0 ? null : JSON.stringify(keys) }).catch(
    (error: unknown) => {
      throw isUniqueViolation(error) ? nameTaken(seed.name) : error
    },
  )
  const entry = { agent: seed.name, by, change: `registered, status ${status}`, epoch: 1, status, attributes: attributesOf(seed) } as const
  await tell(scope, thumbprints.length === 0 ? entry : { ...entry, keys: thumbprints })
  return { ...attributesOf(seed), name: seed.name, status, epoch: 1 }
}

const nameTaken = (name: string): GatewayError =>
  new GatewayError('NAME_TAKEN', `an agent \`${name}\` is or was registered, and names are never given away again: choose another`)

async function insertAgent(
  { tx }: AgentScope,
  seed: AgentSeed,
  { status, by, seeded, keys }: { status: AgentStatus; by: string; seeded: boolean; keys: string | null },
): Promise<void> {
  await tx
    .insertInto('agent')
    .values({
      name: seed.name,
      attributes: attributesText(seed),
      status,
      status_by: by,
      seeded,
      epoch: 1,
      change: await nextChange(tx),
      registered_by: by,
      keys,
    })
    .execute()
}

/**
 * Brings one agent in line with configuration: a new name is registered, changed attributes and a changed status raise the epoch, each with its
 * entry. A status that an operator set stays, and a retired name stays retired.
 */
async function applySeed(scope: AgentScope, seed: AgentSeed): Promise<void> {
  const { tx } = scope
  const row = await tx.selectFrom('agent').selectAll().where('name', '=', seed.name).forUpdate().executeTakeFirst()
  const by = CONFIGURATION
  if (!row) {
    const status = seed.status ?? 'active'
    await insertAgent(scope, seed, { status, by, seeded: true, keys: null })
    const change = `registered, status ${status}`
    return tell(scope, { agent: seed.name, by, change, epoch: 1, status, attributes: attributesOf(seed) })
  }
  if (row.status === 'retired') return
  const attributes = attributesText(seed)
  const isSame = attributes === attributesText(agentFromRow(row))
  const status = row.status_by === CONFIGURATION ? (seed.status ?? 'active') : row.status
  const changes = [...(isSame ? [] : ['attributes']), ...(status === row.status ? [] : [`status ${status}`])]
  if (changes.length === 0) return
  const epoch = row.epoch + 1
  await tx
    .updateTable('agent')
    .set({ attributes, status, seeded: true, epoch, change: await nextChange(tx) })
    .where('name', '=', seed.name)
    .execute()
  const entry = { agent: seed.name, by, change: changes.join(', '), epoch, status }
  await tell(scope, isSame ? entry : { ...entry, attributes: attributesOf(seed) })
}

/** Applies all of configuration's agents, in the order of their names. One that was taken out of configuration is suspended by it. */
export async function applySeeds(scope: AgentScope, seeds: readonly AgentSeed[]): Promise<void> {
  const sorted = [...seeds].sort((a, b) => (a.name < b.name ? -1 : 1))
  for (const seed of sorted) await applySeed(scope, seed)
  let gone = scope.tx.selectFrom('agent').select('name').where('seeded', '=', true).where('status', '=', 'active').orderBy('name')
  if (sorted.length > 0)
    gone = gone.where(
      'name',
      'not in',
      sorted.map(({ name }) => name),
    )
  for (const { name } of await gone.execute()) {
    await changeStatus(scope, { name, status: 'suspended', by: CONFIGURATION, why: 'no longer in the configuration' })
  }
}
