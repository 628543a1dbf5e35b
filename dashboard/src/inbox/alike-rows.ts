/** What stands in one row of the list: a hold, or several that are alike. */
export interface Row<T> {
  /** Of the first hold. */
  id: string
  holds: readonly T[]
}

/** So many that are alike become one row: two are read faster one by one. */
const ALIKE_MIN = 3

/** Holds as rows, in the order of the first of each; those that are alike together where they are enough. */
export function alikeRows<T extends { id: string; alike: string }>(holds: readonly T[]): readonly Row<T>[] {
  const together = Map.groupBy(holds, ({ alike }) => alike)
  return holds.flatMap((hold) => {
    const group = together.get(hold.alike) ?? []
    if (group.length < ALIKE_MIN) return [{ id: hold.id, holds: [hold] }]
    return group[0]?.id === hold.id ? [{ id: hold.id, holds: group }] : []
  })
}
