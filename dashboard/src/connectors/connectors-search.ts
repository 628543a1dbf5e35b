/** What the address of a connector says: `?q=&mode=`. */
export interface OperationsSearch {
  q?: string
  mode?: 'read' | 'write'
}

/** Leaves out what the address says that is no filter. */
export function readOperationsSearch(search: Record<string, unknown>): OperationsSearch {
  const { q, mode } = search
  return { ...(q === undefined || q === '' ? {} : { q: String(q) }), ...(mode === 'read' || mode === 'write' ? { mode } : {}) }
}
