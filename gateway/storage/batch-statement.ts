import type pg from 'pg'
import { stateAfter } from '../core/call.ts'
import type { CallId } from '../core/ids.ts'
import type { Unit } from '../ports/batch-writer.ts'
import type { Finished, NewCall } from '../ports/recorder.ts'
import { arrayText } from './array-text.ts'
import { factsOf, textOf } from './calls.ts'
import type { SealedEntry } from './entries.ts'
import { scopeText } from './idempotency-keys.ts'

/** The units that one statement writes: calls without a hold, outcomes, notes. Everything that happens at every call is here. */
export type HotUnit = Extract<Unit, { kind: 'admit' | 'finish' | 'note' }>

/** Whether an outcome gives back what its call reserved: nothing happened. */
export const freesReservations = ({ reserved, outcome }: Finished): boolean => reserved === true && stateAfter(outcome.kind) === 'failed'

export function isHot(unit: Unit): unit is HotUnit {
  if (unit.kind === 'finish') return !freesReservations(unit.unit)
  if (unit.kind === 'admit') return unit.unit.hold === undefined && (unit.unit.reserves ?? []).length === 0 && !unit.unit.uses
  return unit.kind === 'note'
}

/** What became of an admit that did not win. `retry`: only row by row can tell (an expired key is in the way). */
export interface Loser {
  /** Position among the batch's admits, from 1. */
  ord: number
  verdict: 'agent' | 'policies' | 'joined' | 'key_reused' | 'retry'
  other: CallId | null
}

export interface Written {
  /** False: this process's session was ended by itself or by another process, and nothing was written. */
  fenced: boolean
  /** Entries written. */
  entries: number
  losers: readonly Loser[]
}

type Row = readonly (string | number | null)[]

/** Columns of one `unnest`, in order: name and type. */
type Columns = Readonly<Record<string, 'text' | 'json' | 'int' | 'float8' | 'bool'>>

const JSON_END = '\u001f'

const ADMIT: Columns = {
  id: 'text',
  door: 'text',
  agent: 'text',
  subject: 'text',
  connector: 'text',
  operation: 'text',
  run: 'text',
  state: 'text',
  deny_reason: 'text',
  policies: 'json',
  intent: 'text',
  facts: 'json',
  created_at_ms: 'float8',
  join_key: 'text',
  epoch: 'int',
  policy_set: 'text',
  scope: 'text',
  arguments_digest: 'text',
  expires_at_ms: 'float8',
}

function admitRow({ call, intent, joinKey, guards, idempotency }: NewCall): Row {
  return [
    call.id,
    call.door,
    call.agent,
    textOf(call.subject),
    call.connector,
    call.operation,
    textOf(call.run),
    call.state,
    call.denyReason,
    JSON.stringify(call.policies),
    intent ?? null,
    JSON.stringify(factsOf(call)),
    call.createdAt,
    joinKey,
    guards?.agentEpoch ?? null,
    guards?.policySet ?? null,
    idempotency ? scopeText(idempotency.scope) : null,
    idempotency?.argumentsDigest ?? null,
    idempotency?.expiresAt ?? null,
  ]
}

const FINISH: Columns = {
  call_id: 'text',
  intent: 'text',
  state: 'text',
  upstream_status: 'int',
  upstream_ms: 'float8',
  error: 'json',
  result: 'json',
  result_kept: 'text',
}

function finishRow({ callId, intent, outcome, result, resultKept }: Finished): Row {
  const kept = resultKept === 'kept' && result !== null
  return [
    callId,
    intent,
    stateAfter(outcome.kind),
    outcome.upstreamStatus,
    outcome.upstreamMs,
    outcome.error && JSON.stringify(outcome.error),
    kept ? JSON.stringify(result) : null,
    resultKept === 'kept' && !kept ? 'none' : resultKept,
  ]
}

const ENTRY: Columns = { admit: 'int', kind: 'text', call_id: 'text', body: 'json', commitment: 'text', sealed: 'text' }

/** Which parts a batch has. Each mixture is a prepared statement of its own: most batches are small, and setting up unused parts costs more than using them. */
interface Parts {
  admits: boolean
  finishes: boolean
  delivered: boolean
}

/*
 * `active` and `policy` lock what the intents were decided on, so a suspension either waits for this commit or is seen by it. A race for a key with
 * another replica breaks a unique constraint: the batch is rolled back and written again in parts.
 */
const admitSql = (columns: string, agents: string): string[] => [
  `asked as materialized (select * from ${columns})`,
  `active as materialized (select name, epoch from agent where name = any(${agents}::text[]) and status = 'active' order by name for share)`,
  'policy as materialized (select policy_set from gateway_state where one for share)',
  `known as materialized (
    select a.*, k.call_id as key_call, k.arguments_digest as key_digest, k.expires_at_ms as key_expires,
      case when a.join_key is not null and a.state <> 'denied' then (select c.id from call c where c.open_key = a.join_key) end as open_call,
      case when a.epoch is null then true else exists (select 1 from active g where g.name = a.agent and g.epoch = a.epoch) end as agent_stands,
      case when a.policy_set is null then true else exists (select 1 from policy p where p.policy_set = a.policy_set) end as policy_stands
    from asked a left join idempotency_key k on k.scope = a.scope)`,
  `judged as materialized (
    select *, case when not agent_stands then 'agent'
      when not policy_stands then 'policies'
      when key_call is not null and key_expires <= $4 then case when state <> 'denied' then 'retry' end
      when key_call is not null then case when key_digest = arguments_digest then 'joined' else 'key_reused' end
      when open_call is not null then 'joined' end as verdict
    from known)`,
  'fate as materialized (select array_agg(verdict is null order by ord) as won from judged)',
  `new_call as (
    insert into call (id, door, agent, subject, connector, operation, run, state, deny_reason, policies, intent, process, facts, created_at_ms,
      updated_at_ms, join_key)
    select id, door, agent, subject, connector, operation, run, state, deny_reason, policies, intent, $1, facts, created_at_ms, $4, join_key
    from judged cross join fence where verdict is null)`,
  `new_key as (
    insert into idempotency_key (scope, call_id, arguments_digest, expires_at_ms)
    select scope, id, arguments_digest, expires_at_ms from judged cross join fence
    where verdict is null and scope is not null and state <> 'denied')`,
  `new_execution as (
    insert into execution (call_id, process) select id, $1 from judged cross join fence where verdict is null and intent is not null)`,
]

const finishSql = (columns: string): string[] => [
  `ended as materialized (select f.* from ${columns} cross join fence)`,
  'old_execution as (delete from execution x using ended f where x.call_id = f.call_id)',
  `finished as (
    update call c set state = f.state, upstream_status = f.upstream_status, upstream_ms = f.upstream_ms, error = f.error, result = f.result,
      result_kept = f.result_kept, updated_at_ms = $4
    from ended f where c.id = f.call_id and c.intent = f.intent and c.state in ('executing', 'in_doubt'))`,
]

// `coalesce`, since a plain `is not null` would let the planner walk the whole index of join keys.
const deliveredSql = (ids: string): string => `handed_over as (
    update call c set delivered = true from unnest(${ids}::text[]) as d (call_id) cross join fence
    where c.id = d.call_id and coalesce(c.join_key, '') <> '' and not c.delivered and c.state not in ('held', 'approved', 'executing'))`

/** `$1` to `$4`: process, session, first seq, time. `fence` locks the process row, so that the session cannot end during the statement. */
function textFor({ admits, finishes, delivered }: Parts): string {
  let next = 5
  const unnest = (columns: Columns, alias: string): string => {
    const types = Object.values(columns)
    const arrays = types.map((type) =>
      type === 'json' ? `string_to_array($${next++}, chr(${JSON_END.charCodeAt(0)}), '')::json[]` : `$${next++}::${type}[]`,
    )
    return `unnest(${arrays.join(', ')}) with ordinality as ${alias} (${Object.keys(columns).join(', ')}, ord)`
  }
  const parts = ['fence as materialized (select 1 from process where id = $1 and session = $2 and lapsed_at_ms is null for share)']
  const entries = unnest(ENTRY, 'e')
  if (admits) parts.push(...admitSql(unnest(ADMIT, 'a'), `$${next++}`))
  if (finishes) parts.push(...finishSql(unnest(FINISH, 'f')))
  if (delivered) parts.push(deliveredSql(`$${next++}`))
  const wins = admits ? 'where e.admit = 0 or (select won from fate)[e.admit]' : ''
  parts.push(`new_entry as (
    insert into entry (process, seq, at_ms, kind, call_id, body, commitment, sealed)
    select $1, $3 - 1 + row_number() over (order by e.ord), $4, e.kind, e.call_id, e.body, e.commitment, e.sealed from ${entries} cross join fence ${wins}
    returning 1)`)
  const losers = admits
    ? `(select json_agg(json_build_object('ord', ord, 'verdict', verdict, 'other', coalesce(key_call, open_call))) from judged
        where verdict is not null)`
    : 'null::json'
  return `with ${parts.join(',\n')}
    select exists (select 1 from fence) as fenced, (select count(*) from new_entry) as entries, ${losers} as losers`
}

const prepared = new Map<string, string>()

function statementFor(parts: Parts): { name: string; text: string } {
  const name = `gatehouse_batch${parts.admits ? '_admit' : ''}${parts.finishes ? '_finish' : ''}${parts.delivered ? '_delivered' : ''}`
  const text = prepared.get(name) ?? textFor(parts)
  prepared.set(name, text)
  return { name, text }
}

/**
 * One text for each column: an array literal, or for JSON the texts end to end. Neither the separator, a control character that JSON never has unescaped,
 * nor the empty text for null can be a JSON text, so nothing needs to be escaped a second time.
 */
const columnsOf = (columns: Columns, rows: readonly Row[]): string[] =>
  Object.values(columns).map((type, index) => {
    const values = rows.map((row) => row[index] ?? null)
    return type === 'json' ? values.join(JSON_END) : arrayText(values)
  })

/**
 * Writes hot units with their entries in one statement and one transaction. No two of the units may ask for the same key, join key or call.
 * `entries[i]` are those of `units[i]`.
 */
export async function writeHot(
  client: pg.PoolClient,
  place: { process: string; session: number; seq: number; atMs: number },
  units: readonly HotUnit[],
  entries: readonly (readonly SealedEntry[])[],
  delivered: readonly CallId[],
): Promise<Written> {
  const admits: Row[] = []
  const finishes: Row[] = []
  const entryRows: Row[] = []
  const agents = new Set<string>()
  for (const [index, unit] of units.entries()) {
    if (unit.kind === 'admit') {
      admits.push(admitRow(unit.unit))
      if (unit.unit.guards) agents.add(unit.unit.guards.agent)
    } else if (unit.kind === 'finish') finishes.push(finishRow(unit.unit))
    const owner = unit.kind === 'admit' ? admits.length : 0
    for (const { kind, callId, text, commitment, sealed } of entries[index] ?? [])
      entryRows.push([owner, kind, callId, text, commitment, sealed])
  }
  const parts = { admits: admits.length > 0, finishes: finishes.length > 0, delivered: delivered.length > 0 }
  const { rows } = await client.query<{ fenced: boolean; entries: number; losers: Loser[] | null }>({
    ...statementFor(parts),
    values: [
      place.process,
      place.session,
      place.seq,
      place.atMs,
      ...columnsOf(ENTRY, entryRows),
      ...(parts.admits ? [...columnsOf(ADMIT, admits), arrayText([...agents])] : []),
      ...(parts.finishes ? columnsOf(FINISH, finishes) : []),
      ...(parts.delivered ? [arrayText(delivered)] : []),
    ],
  })
  const row = rows[0]
  return { fenced: row?.fenced ?? false, entries: row?.entries ?? 0, losers: row?.losers ?? [] }
}
