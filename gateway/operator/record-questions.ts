import type { EntriesPage, EntryFilter, EntryPlace } from '../ports/record-search.ts'
import type { Operator, RecordedRun } from '../ports/operator.ts'
import type { CallId } from '../core/ids.ts'
import { findCall } from './calls.ts'
import type { OperatorDeps } from './deps.ts'
import { hasRole, requireReader, requireRole } from './roles.ts'

type Paging = { first: number; after?: EntryPlace }

/** Who sees a call sees its entries, looks at it included; what goes beyond one call is for security and auditors. Throws FORBIDDEN. */
async function requireSight(deps: OperatorDeps, by: Operator, doing: string, call: CallId | undefined): Promise<void> {
  if (call !== undefined && !hasRole(by, 'security', 'auditor') && (await findCall(deps, by, call))) return
  requireRole(by, doing, 'security', 'auditor')
}

/** Entries of all kinds, of calls and of people, without payloads. Throws FORBIDDEN. */
export async function listEntries(deps: OperatorDeps, by: Operator, filter: EntryFilter, page: Paging): Promise<EntriesPage> {
  await requireSight(deps, by, 'reading the record beyond a call that you see', filter.call)
  return await deps.search.entries(filter, page)
}

/** Looks at payloads. Throws FORBIDDEN. */
export async function listViews(
  deps: OperatorDeps,
  by: Operator,
  of: Pick<EntryFilter, 'call' | 'by' | 'since' | 'until'>,
  page: Paging,
): Promise<EntriesPage> {
  await requireSight(deps, by, 'reading who looked at what beyond a call that you see', of.call)
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
