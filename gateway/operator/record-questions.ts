import type { EntriesPage, EntryFilter, EntryPlace } from '../ports/record-search.ts'
import type { Operator, RecordedRun } from '../ports/operator.ts'
import type { OperatorDeps } from './deps.ts'
import { requireReader, requireRole } from './roles.ts'

type Paging = { first: number; after?: EntryPlace }

/** Entries of all kinds, of calls and of people, without payloads. Throws FORBIDDEN. */
export async function listEntries(deps: OperatorDeps, by: Operator, filter: EntryFilter, page: Paging): Promise<EntriesPage> {
  requireRole(by, 'reading the record', 'security', 'auditor')
  return await deps.search.entries(filter, page)
}

/** Looks at payloads. Throws FORBIDDEN. */
export async function listViews(
  deps: OperatorDeps,
  by: Operator,
  of: Pick<EntryFilter, 'call' | 'by' | 'since' | 'until'>,
  page: Paging,
): Promise<EntriesPage> {
  requireRole(by, 'reading who looked at what', 'security', 'auditor')
  return await deps.search.entries({ ...of, kinds: ['view'] }, page)
}

/** A run that a person started, or that calls name. Throws FORBIDDEN. */
export async function findRun(deps: OperatorDeps, by: Operator, id: string): Promise<RecordedRun | undefined> {
  requireReader(by, 'looking at a run')
  const minted = await deps.search.run(id)
  if (minted) return { id, minted }
  const { rows } = await deps.store.calls({ run: id }, { first: 1 })
  return rows.length > 0 ? { id, minted: null } : undefined
}
