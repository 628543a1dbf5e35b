import { type RawBuilder, sql } from 'kysely'
import type { CallState } from '../core/call.ts'
import { newCallId } from '../core/ids.ts'
import { arrayText } from './array-text.ts'
import { objectWord } from './search-values.ts'
import { searchWords } from './search-words.ts'
import type { Db, SearchFacet } from './tables.ts'

const PAGE = 5_000
const SPACING_MS = 2_000

const AGENTS = Array.from({ length: 40 }, (_, i) => `agent-${i}`)
const SUBJECTS = Array.from({ length: 200 }, (_, i) => `person-${i}`)
const OPERATIONS = ['erp', 'crm', 'mail', 'hr'].flatMap((connector) =>
  Array.from({ length: 12 }, (_, i) => `${connector}.${i % 3 === 0 ? 'release' : 'get'}Thing${i}`),
)
const POLICIES = Array.from({ length: 12 }, (_, i) => `policy-${i}`)
const OBJECTS = Array.from({ length: 5_000 }, (_, i) => `V-${10_000 + i}`)
const WORDS = ['invoice', 'overdue', 'reminder', 'customer', 'waits', 'urgent', 'monthly', 'report']

/** Small numbers often, large ones rarely. */
const skewed = (below: number): number => Math.floor(below * Math.random() ** 2)

const pick = <T>(of: readonly T[]): T => of[skewed(of.length)] as T

function stateOf(): CallState {
  const at = Math.random()
  if (at < 0.9) return 'completed'
  if (at < 0.96) return 'denied'
  if (at < 0.99) return 'failed'
  return at < 0.9999 ? 'rejected' : 'in_doubt'
}

/** The value's id, of those that `fillSearchValues` made. */
type Values = ReadonlyMap<string, number>

async function fillSearchValues(db: Db): Promise<Values> {
  const of = (facet: SearchFacet, values: readonly string[]) => values.map((value) => ({ facet, value }))
  const owners = AGENTS.map((agent, i) => JSON.stringify([`owner-${i % 10}`, agent]))
  const all = [
    ...of('agent', AGENTS),
    ...of('subject', SUBJECTS),
    ...of('operation', OPERATIONS),
    ...of('owner', owners),
    ...of('policy', POLICIES),
    ...of(
      'object',
      OBJECTS.map((key) => `Vendor:${key}`),
    ),
    ...of('word', WORDS),
  ]
  const rows = await db.insertInto('search_value').values(all).returning(['id', 'facet', 'value']).execute()
  const words = rows.flatMap(({ id, facet, value }) => {
    if (facet === 'owner') return []
    const key = value.replace('Vendor:', '')
    return [...searchWords(key), ...(facet === 'object' ? [objectWord(key)] : [])].map((word) => ({ word, value: id }))
  })
  for (let at = 0; at < words.length; at += PAGE)
    await db
      .insertInto('search_word')
      .values(words.slice(at, at + PAGE))
      .execute()
  return new Map(rows.map(({ id, facet, value }) => [`${facet} ${value}`, id]))
}

const texts = (values: readonly (string | null)[]): RawBuilder<unknown> => sql`${arrayText(values)}::text[]`

async function fillPage(db: Db, values: Values, startMs: number, count: number): Promise<void> {
  const hits: { value: number; id: string }[] = []
  const rows = Array.from({ length: count }, (_, i) => {
    const at = startMs + i * SPACING_MS
    const id = newCallId(
      at,
      Uint8Array.from({ length: 16 }, () => Math.floor(Math.random() * 32)),
    )
    const agent = skewed(AGENTS.length)
    const hit = (key: string): void => void hits.push({ value: values.get(key) ?? 0, id })
    hit(`policy ${pick(POLICIES)}`)
    if (i % 3 === 0) hit(`object Vendor:${pick(OBJECTS)}`)
    if (i % 10 === 0) for (const word of new Set([pick(WORDS), pick(WORDS)])) hit(`word ${word}`)
    const facts = { owner: `owner-${agent % 10}`, actors: [], input: { id: 'x'.repeat(200) }, rationale: null, run: null, subject: null }
    return {
      id,
      at,
      agent: AGENTS[agent] ?? '',
      subject: i % 2 === 0 ? pick(SUBJECTS) : null,
      operation: pick(OPERATIONS),
      state: stateOf(),
      facts,
    }
  })
  const column = (of: (row: (typeof rows)[number]) => string | null): RawBuilder<unknown> => texts(rows.map(of))
  await sql`insert into call (id, door, agent, subject, connector, operation, state, deny_reason, policies, intent, process, facts, result_kept,
      delivered, created_at_ms, updated_at_ms)
    select id, case when right(id, 1) < 'h' then 'http' else 'mcp' end, agent, subject, split_part(operation, '.', 1), operation, state,
      case when state = 'denied' then 'no_permit' end, '["policy-1"]',
      case when state in ('completed', 'failed', 'in_doubt') then 'i' end, case when state = 'rejected' then 'h' else 'p' end, facts::json, 'none', true,
      at::float8, at::float8
    from unnest(${column(({ id }) => id)}, ${column(({ agent }) => agent)}, ${column(({ subject }) => subject)},
      ${column(({ operation }) => operation)}, ${column(({ state }) => state)}, ${column(({ facts }) => JSON.stringify(facts))},
      ${column(({ at }) => String(at))}) as r (id, agent, subject, operation, state, facts, at)`.execute(db)
  await sql`insert into search_hit (value, call_id) select v::int4, id
    from unnest(${texts(hits.map(({ value }) => String(value)))}, ${texts(hits.map(({ id }) => id))}) as h (v, id) order by 1, 2`.execute(
    db,
  )
}

/** Fills an empty database with this many calls of the past, the last one now, without their entries: for measuring how they are found. */
export async function fillWithCalls(db: Db, calls: number, nowMs: number): Promise<void> {
  const values = await fillSearchValues(db)
  const startMs = nowMs - calls * SPACING_MS
  for (let done = 0; done < calls; done += PAGE) await fillPage(db, values, startMs + done * SPACING_MS, Math.min(PAGE, calls - done))
}
