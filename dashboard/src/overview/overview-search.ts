export const RANGES = ['24h', '7d', '30d'] as const
export type Range = (typeof RANGES)[number]

/** What the address says: `?range=`, 24 hours where it says nothing. */
export interface OverviewSearch {
  range?: Range
}

export function readOverviewSearch(search: Record<string, unknown>): OverviewSearch {
  const range = RANGES.find((one) => one === search.range)
  return range === undefined || range === '24h' ? {} : { range }
}
