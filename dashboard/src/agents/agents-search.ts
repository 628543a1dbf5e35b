export const STATUSES = ['active', 'proposed', 'suspended', 'retired'] as const

/** What the address of the list says: `?q=&status=`. */
export interface AgentsSearch {
  q?: string
  status?: (typeof STATUSES)[number]
}

/** Leaves out what the address says that is no filter. */
export function readAgentsSearch(search: Record<string, unknown>): AgentsSearch {
  const status = STATUSES.find((one) => one === search.status)
  return { ...(search.q === undefined || search.q === '' ? {} : { q: String(search.q) }), ...(status ? { status } : {}) }
}
