import { GatewayError } from '../core/errors.ts'
import { LIMITS } from '../limits.ts'
import type { Db, SearchFacet } from './tables.ts'

/** A value that a term of a text stands for. */
export interface Found {
  id: number
  facet: SearchFacet
  value: string
}

const LAST = '\u{10ffff}'

/** The agents that this person ever answered for. */
export async function findOwned(db: Db, owner: string): Promise<readonly string[]> {
  const start = `${JSON.stringify([owner]).slice(0, -1)},`
  const rows = await db
    .selectFrom('search_value')
    .select('value')
    .where('facet', '=', 'owner')
    .where('value', '>=', start)
    .where('value', '<', start + LAST)
    .limit(LIMITS.callScanRowsMax)
    .execute()
  return rows.map(({ value }) => (JSON.parse(value) as [string, string])[1])
}

/** The value of a facet; of business objects also those with this key, whatever their type. */
export async function findHits(db: Db, facet: 'policy' | 'voter' | 'label' | 'object', value: string): Promise<readonly number[]> {
  const exact = await db.selectFrom('search_value').select('id').where('facet', '=', facet).where('value', '=', value).execute()
  if (exact.length > 0 || facet !== 'object') return exact.map(({ id }) => id)
  const keyed = await db
    .selectFrom('search_word')
    .innerJoin('search_value', 'search_value.id', 'search_word.value')
    .select('search_value.id')
    .where('search_word.word', '=', objectWord(value))
    .where('search_value.facet', '=', 'object')
    .limit(LIMITS.searchValuesPerTermMax)
    .execute()
  return keyed.map(({ id }) => id)
}

/** The word by which an object is found by its whole key. It is no word of a text: nothing that is searched begins so. */
export const objectWord = (key: string): string => `=${key}`

/** A value has several words that begin alike. */
const WORDS_PER_TERM_MAX = 4 * LIMITS.searchValuesPerTermMax

/** What a term may stand for. Throws BAD_INPUT beyond `LIMITS.searchValuesPerTermMax`. */
export async function findTerm(db: Db, term: string): Promise<readonly Found[]> {
  const words = await db
    .selectFrom('search_word')
    .select('value')
    .where('word', '>=', term)
    .where('word', '<', term + LAST)
    .orderBy('word')
    .limit(WORDS_PER_TERM_MAX + 1)
    .execute()
  const ids = [...new Set(words.map(({ value }) => value))]
  if (words.length > WORDS_PER_TERM_MAX || ids.length > LIMITS.searchValuesPerTermMax) {
    const message = `too much begins with \`${term}\`, among agents, operations, people, business keys, policies and what agents said: write more of the word`
    throw new GatewayError('BAD_INPUT', message)
  }
  return db
    .selectFrom('search_value')
    .select(['id', 'facet', 'value'])
    .where((eb) => eb('id', '=', eb.fn.any(eb.val(ids))))
    .execute()
}
