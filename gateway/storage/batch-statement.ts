import type pg from 'pg'
import { stateAfter } from '../core/call.ts'
import type { CallId } from '../core/ids.ts'
import type { Unit } from '../ports/batch-writer.ts'
import type { Finished, NewCall } from '../ports/recorder.ts'
import { factsOf, textOf } from './calls.ts'
import type { PendingEntry } from './entries.ts'
import { scopeText } from './idempotency-keys.ts'
import { withoutNul } from './tables.ts'

/** The units that one statement writes: calls without a hold, outcomes, notes. Everything that happens at every call is here. */
export type HotUnit = Extract<Unit, { kind: 'admit' | 'finish' | 'note' }>

export const isHot = (unit: Unit): unit is HotUnit =>
  unit.kind === 'finish' || unit.kind === 'note' || (unit.kind === 'admit' && unit.unit.hold === undefined)

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

/*
 * One round trip, one transaction. `fence` locks the process row against a change of session; `active` and `policy` lock what the intents were
 * decided on, so a suspension either waits for this commit or is seen by it. A lost race for a key breaks a unique constraint: the batch is
 * rolled back and written again in parts.
 */
const TEXT = `
with fence as materialized (
  select 1 from process where id = $1 and session = $2 and lapsed_at_ms is null for share
), asked as materialized (
  select * from unnest($5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[],
    $14::json[], $15::text[], $16::json[], $17::float8[], $18::text[], $19::int[], $20::text[], $21::text[], $22::text[], $23::float8[])
  with ordinality as a (id, door, agent, subject, connector, operation, run, state, deny_reason, policies, intent, facts, created_at_ms,
    join_key, epoch, policy_set, scope, arguments_digest, expires_at_ms, ord)
), active as materialized (
  select name, epoch from agent where name = any($24::text[]) and status = 'active' order by name for share
), policy as materialized (
  select policy_set from gateway_state for share
), known as materialized (
  select a.ord, a.state, a.arguments_digest, k.call_id as key_call, k.arguments_digest as key_digest, k.expires_at_ms as key_expires,
    case when a.join_key is not null and a.state <> 'denied' then (select c.id from call c where c.open_key = a.join_key) end as open_call,
    case when a.epoch is null then true else exists (select 1 from active g where g.name = a.agent and g.epoch = a.epoch) end as agent_stands,
    case when a.policy_set is null then true else exists (select 1 from policy p where p.policy_set = a.policy_set) end as policy_stands
  from asked a left join idempotency_key k on k.scope = a.scope
), judged as materialized (
  select ord,
    case when not agent_stands then 'agent'
      when not policy_stands then 'policies'
      when key_call is not null and key_expires <= $4 then case when state <> 'denied' then 'retry' end
      when key_call is not null then case when key_digest = arguments_digest then 'joined' else 'key_reused' end
      when open_call is not null then 'joined' end as verdict,
    coalesce(key_call, open_call) as other
  from known
), winners as materialized (
  select a.* from asked a join judged j on j.ord = a.ord cross join fence where j.verdict is null
), new_call as (
  insert into call (id, door, agent, subject, connector, operation, run, state, deny_reason, policies, intent, process, facts, created_at_ms,
    updated_at_ms, join_key)
  select id, door, agent, subject, connector, operation, run, state, deny_reason, policies, intent, $1, facts, created_at_ms, $4, join_key
  from winners
), new_key as (
  insert into idempotency_key (scope, call_id, arguments_digest, expires_at_ms)
  select scope, id, arguments_digest, expires_at_ms from winners where scope is not null and state <> 'denied'
), new_execution as (
  insert into execution (call_id, process) select id, $1 from winners where intent is not null
), ended as (
  select * from unnest($29::text[], $30::text[], $31::text[], $32::int[], $33::json[], $34::json[], $35::text[], $36::float8[])
    as f (call_id, intent, state, upstream_status, error, result, result_kept, upstream_ms) cross join fence
), old_execution as (
  delete from execution x using ended f where x.call_id = f.call_id
), finished as (
  update call c set state = f.state, upstream_status = f.upstream_status, error = f.error, result = f.result, result_kept = f.result_kept,
    upstream_ms = f.upstream_ms, updated_at_ms = $4
  from ended f where c.id = f.call_id and c.intent = f.intent and c.state in ('executing', 'in_doubt')
), handed_over as (
  update call c set delivered = true from unnest($37::text[]) as d (call_id) cross join fence
  where c.id = d.call_id and c.join_key is not null and not c.delivered and c.state not in ('held', 'approved', 'executing')
), new_entry as (
  insert into entry (process, seq, at_ms, kind, call_id, body)
  select $1, $3 - 1 + row_number() over (order by e.ord), $4, e.kind, e.call_id, e.body
  from unnest($25::int[], $26::text[], $27::text[], $28::json[]) with ordinality as e (admit, kind, call_id, body, ord)
    left join judged j on j.ord = e.admit cross join fence
  where j.verdict is null
  returning 1
)
select exists (select 1 from fence) as fenced, (select count(*) from new_entry) as entries,
  (select json_agg(json_build_object('ord', ord, 'verdict', verdict, 'other', other)) from judged where verdict is not null) as losers`

const json = (value: unknown): string | null => (value === null ? null : JSON.stringify(value))

function admitColumns(admits: readonly NewCall[]): unknown[][] {
  const column = <T>(read: (unit: NewCall) => T): T[] => admits.map(read)
  return [
    column(({ call }) => call.id),
    column(({ call }) => call.door),
    column(({ call }) => call.agent),
    column(({ call }) => textOf(call.subject)),
    column(({ call }) => call.connector),
    column(({ call }) => call.operation),
    column(({ call }) => textOf(call.run)),
    column(({ call }) => call.state),
    column(({ call }) => call.denyReason),
    column(({ call }) => JSON.stringify(call.policies)),
    column(({ intent }) => intent ?? null),
    column(({ call }) => JSON.stringify(factsOf(call))),
    column(({ call }) => call.createdAt),
    column(({ joinKey }) => joinKey),
    column(({ guards }) => guards?.agentEpoch ?? null),
    column(({ guards }) => guards?.policySet ?? null),
    column(({ idempotency }) => (idempotency ? scopeText(idempotency.scope) : null)),
    column(({ idempotency }) => idempotency?.argumentsDigest ?? null),
    column(({ idempotency }) => idempotency?.expiresAt ?? null),
    [...new Set(admits.flatMap(({ guards }) => (guards ? [guards.agent] : [])))],
  ]
}

function finishColumns(finishes: readonly Finished[]): unknown[][] {
  const column = <T>(read: (unit: Finished) => T): T[] => finishes.map(read)
  return [
    column(({ callId }) => callId),
    column(({ intent }) => withoutNul(intent)),
    column(({ outcome }) => stateAfter(outcome.kind)),
    column(({ outcome }) => outcome.upstreamStatus),
    column(({ outcome }) => json(outcome.error)),
    column(({ result, resultKept }) => (resultKept === 'kept' ? json(result) : null)),
    column(({ result, resultKept }) => (resultKept === 'kept' && result === null ? 'none' : resultKept)),
    column(({ outcome }) => outcome.upstreamMs),
  ]
}

/**
 * Writes hot units with their entries in one statement and one transaction. No two of the units may ask for the same key, join key or call.
 * `entries[i]` are those of `units[i]`.
 */
export async function writeHot(
  client: pg.PoolClient,
  place: { process: string; session: number; seq: number; atMs: number },
  units: readonly HotUnit[],
  entries: readonly (readonly PendingEntry[])[],
  delivered: readonly CallId[],
): Promise<Written> {
  const admits: NewCall[] = []
  const finishes: Finished[] = []
  const owners: number[] = []
  for (const [index, unit] of units.entries()) {
    if (unit.kind === 'admit') admits.push(unit.unit)
    else if (unit.kind === 'finish') finishes.push(unit.unit)
    const owner = unit.kind === 'admit' ? admits.length : 0
    for (let i = entries[index]?.length ?? 0; i > 0; i--) owners.push(owner)
  }
  const flat = entries.flat()
  const { rows } = await client.query<{ fenced: boolean; entries: number; losers: Loser[] | null }>({
    name: 'gatehouse_hot_batch',
    text: TEXT,
    values: [
      place.process,
      place.session,
      place.seq,
      place.atMs,
      ...admitColumns(admits),
      owners,
      flat.map(({ kind }) => kind),
      flat.map(({ callId }) => callId),
      flat.map(({ text }) => text),
      ...finishColumns(finishes),
      delivered,
    ],
  })
  const row = rows[0]
  return { fenced: row?.fenced ?? false, entries: row?.entries ?? 0, losers: row?.losers ?? [] }
}
