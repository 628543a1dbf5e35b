import { type RawBuilder, sql } from 'kysely'
import { LRUCache } from 'lru-cache'
import { objectAsked } from '../core/decision.ts'
import type { Entry, EntryBody } from '../core/entry.ts'
import { LIMITS } from '../limits.ts'
import type { Follower } from './follower-positions.ts'
import { objectWord } from './search-values.ts'
import { searchWords } from './search-words.ts'
import { type SearchFacet, type Tx, withoutNul } from './tables.ts'

/** A value, the words that a text search finds it by, and the call that has it where no column of the call does. */
interface Mention {
  facet: SearchFacet
  value: string
  words: readonly string[]
  callId: string | null
}

const named = (facet: SearchFacet, name: string, callId: string | null): Mention => ({
  facet,
  value: withoutNul(name),
  words: searchWords(name),
  callId,
})

function* ofDecision({ request, decision }: Extract<EntryBody, { kind: 'decision' }>, callId: string): Iterable<Mention> {
  const { agent, owner, subject, operation, asserted } = request
  yield named('agent', agent, null)
  yield named('operation', operation, null)
  if (subject !== null) yield named('subject', subject, null)
  yield { facet: 'owner', value: JSON.stringify([owner, agent]), words: [], callId: null }
  yield { facet: 'set', value: decision.evidence.policySet, words: [], callId: null }
  for (const policy of decision.verdict.policies) yield named('policy', policy, callId)
  const object = objectAsked(decision.evidence)
  if (object) {
    const { type, key } = object
    yield { facet: 'object', value: withoutNul(`${type}:${key}`), words: [objectWord(withoutNul(key)), ...searchWords(key)], callId }
  }
  for (const word of searchWords(asserted.rationale ?? '')) yield { facet: 'word', value: word, words: [word], callId }
}

/** Who gave each grant. */
type Givers = ReadonlyMap<string, readonly string[]>

async function giversOf(tx: Tx, entries: readonly Entry[]): Promise<Givers> {
  const grants = entries.flatMap(({ body }) => (body.kind === 'grant.used' ? [body.grant] : []))
  if (grants.length === 0) return new Map()
  const rows = await tx
    .selectFrom('standing_grant')
    .select(['id', 'facts'])
    .where((eb) => eb('id', '=', eb.fn.any(eb.val(grants))))
    .execute()
  return new Map(rows.map(({ id, facts }) => [id, facts.givers]))
}

/** Who decided on a call: by a vote, alone in an emergency, or by a grant that it went on under. */
const approver = (person: string, callId: string): Mention => ({ facet: 'voter', value: withoutNul(person), words: [], callId })

/** What an entry of a call tells. Arguments and results are no part of it, but for the key of the business object. */
function* mentioned({ callId, body }: Entry, givers: Givers): Iterable<Mention> {
  if (callId === null) return
  if (body.kind === 'decision') yield* ofDecision(body, callId)
  if (body.kind === 'vote') yield approver(body.voter, callId)
  if (body.kind === 'grant.break_glass') yield approver(body.by, callId)
  if (body.kind === 'grant.used') for (const giver of givers.get(body.grant) ?? []) yield approver(giver, callId)
  if (body.kind === 'labelled') for (const label of body.labels) yield { facet: 'label', value: withoutNul(label), words: [], callId }
}

/** Values that go with the last call which has them: their ids are not to be remembered. */
const isErasable = (id: string): boolean => id.startsWith('word ') || id.startsWith('object ')

const idOf = ({ facet, value }: Pick<Mention, 'facet' | 'value'>): string => `${facet} ${value}`

const texts = (values: readonly string[]): RawBuilder<readonly string[]> => sql`${[...values]}::text[]`

/** Ids of values that are stored, by `idOf`. */
async function stored(tx: Tx, mentions: readonly Mention[]): Promise<ReadonlyMap<string, number>> {
  if (mentions.length === 0) return new Map()
  const { rows } = await sql<{ id: number; facet: SearchFacet; value: string }>`
    select v.id, v.facet, v.value from unnest(${texts(mentions.map(({ facet }) => facet))}, ${texts(mentions.map(({ value }) => value))})
      as m (facet, value) join search_value v on v.facet = m.facet and v.value = m.value`.execute(tx)
  return new Map(rows.map((row) => [idOf(row), row.id]))
}

async function addWords(tx: Tx, mentions: readonly Mention[], ids: ReadonlyMap<string, number>): Promise<void> {
  const pairs = mentions.flatMap((mention) => {
    const value = ids.get(idOf(mention))
    return value === undefined ? [] : mention.words.map((word) => ({ word, value }))
  })
  if (pairs.length === 0) return
  await sql`insert into search_word (word, value) select * from unnest(${texts(pairs.map(({ word }) => word))},
    ${pairs.map(({ value }) => value)}::int4[]) on conflict do nothing`.execute(tx)
}

/** What the policies of a set tell people, so that one finds calls by it. */
async function reasonsOf(tx: Tx, set: string): Promise<readonly Mention[]> {
  const row = await tx.selectFrom('policy_set').select('policies').where('hash', '=', set).executeTakeFirst()
  return (row?.policies ?? []).map(({ id, annotations }) => ({
    facet: 'policy' as const,
    value: withoutNul(id),
    words: [...searchWords(id), ...searchWords(annotations.reason ?? '')],
    callId: null,
  }))
}

/** What stands behind one follower. */
class SearchIndex {
  /** Ids of values that were read back: an insert may yet be rolled back. */
  readonly #known = new LRUCache<string, number>({ max: LIMITS.searchValuesCachedMax })

  /** Adds what the entries tell, once however often it is told. */
  async take(tx: Tx, entries: readonly Entry[]): Promise<void> {
    const givers = await giversOf(tx, entries)
    const mentions = entries.flatMap((entry) => [...mentioned(entry, givers)])
    const ids = await this.#add(tx, mentions)
    const hits = new Map<string, { value: number; callId: string }>()
    for (const mention of mentions) {
      const value = ids.get(idOf(mention))
      if (mention.callId !== null && value !== undefined) hits.set(`${value} ${mention.callId}`, { value, callId: mention.callId })
    }
    if (hits.size === 0) return
    const rows = [...hits.values()]
    await sql`insert into search_hit (value, call_id) select * from unnest(${rows.map(({ value }) => value)}::int4[],
      ${texts(rows.map(({ callId }) => callId))}) on conflict do nothing`.execute(tx)
  }

  async #add(tx: Tx, mentions: readonly Mention[]): Promise<ReadonlyMap<string, number>> {
    const ids = new Map<string, number>()
    const unknown = new Map<string, Mention>()
    for (const mention of mentions) {
      const id = idOf(mention)
      const known = this.#known.get(id)
      if (known === undefined) unknown.set(id, mention)
      else ids.set(id, known)
    }
    for (const [id, value] of await stored(tx, [...unknown.values()])) {
      ids.set(id, value)
      if (!isErasable(id)) this.#known.set(id, value)
      unknown.delete(id)
    }
    const fresh = [...unknown.values()]
    for (const { value } of fresh.filter(({ facet }) => facet === 'set')) fresh.push(...(await reasonsOf(tx, value)))
    for (const [id, value] of await insertValues(tx, fresh)) ids.set(id, value)
    await addWords(tx, fresh, ids)
    return ids
  }
}

async function insertValues(tx: Tx, fresh: readonly Mention[]): Promise<ReadonlyMap<string, number>> {
  if (fresh.length === 0) return new Map()
  await sql`insert into search_value (facet, value) select * from unnest(${texts(fresh.map(({ facet }) => facet))},
    ${texts(fresh.map(({ value }) => value))}) on conflict do nothing`.execute(tx)
  return stored(tx, fresh)
}

const KINDS = ['decision', 'vote', 'grant.break_glass', 'grant.used', 'labelled'] as const

/** Writes what calls are found by, of those that were made before it, too. */
export function searchFollower(): Follower {
  const index = new SearchIndex()
  return { name: 'search', kinds: KINDS, from: 'beginning', take: (tx, entries) => index.take(tx, entries) }
}
