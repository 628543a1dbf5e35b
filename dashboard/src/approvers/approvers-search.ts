export const DAYS = [7, 30, 90] as const

/** What the address of the page says: `?days=`. */
export interface ApproversSearch {
  days?: (typeof DAYS)[number]
}

/** Leaves out what the address says that is no choice. */
export function readApproversSearch(search: Record<string, unknown>): ApproversSearch {
  const days = DAYS.find((one) => one === search.days)
  return days === undefined ? {} : { days }
}
