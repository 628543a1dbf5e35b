import type { Address } from '../config/address-file.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../core/json.ts'
import { ask } from './control-plane.ts'
import type { ExitCode, Output } from './output.ts'

export interface Erasing {
  calls: readonly string[]
  subject: string | undefined
  object: string | undefined
  before: string | undefined
  why: string
}

const QUERY = `mutation ($calls: [ID!], $filter: ErasureFilter, $after: String, $why: String!) {
  erasePayloads(calls: $calls, filter: $filter, after: $after, why: $why) { calls entries kept { call why } next } }`

/** Erases payloads of the named calls, or of all that fit, page by page. 1 where one of them was kept, each told with its reason. */
export async function eraseCalls(output: Output, address: Address, { calls, why, ...filter }: Erasing): Promise<ExitCode> {
  const done = { calls: [] as JsonValue[], entries: 0, kept: [] as JsonObject[] }
  const which = calls.length > 0 ? { calls: [...calls] } : { filter: given(filter) }
  for (let after: string | null = null, more = true; more; ) {
    const { erasePayloads: page } = await ask(address, QUERY, { ...which, after, why })
    if (!isJsonObject(page)) break
    const kept = listOf(page.kept).filter(isJsonObject)
    for (const { call, why: reason } of kept) output.remark(`${String(call)} is kept: ${String(reason)}`)
    done.calls.push(...listOf(page.calls))
    done.entries += Number(page.entries)
    done.kept.push(...kept)
    after = typeof page.next === 'string' ? page.next : null
    more = after !== null
  }
  output.print(
    `the payloads of ${done.calls.length} calls are erased, in ${done.entries} entries; ${done.kept.length} calls are kept`,
    done,
  )
  return done.kept.length > 0 ? 1 : 0
}

const listOf = (value: JsonValue | undefined): readonly JsonValue[] => (Array.isArray(value) ? value : [])

const given = (filter: Omit<Erasing, 'calls' | 'why'>): JsonObject =>
  Object.fromEntries(Object.entries(filter).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])))
