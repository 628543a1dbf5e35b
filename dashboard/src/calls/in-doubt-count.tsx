import { useQuery } from '@tanstack/react-query'
import { texts } from '../texts.ts'
import { inDoubtCountQuery } from './calls-data.ts'

/** How many calls are in doubt, where one goes from page to page. */
export function InDoubtCount() {
  const { data } = useQuery(inDoubtCountQuery)
  if (!data || data.count === 0) return null
  return (
    <span className="nav-count">
      <span aria-hidden="true">{texts.inDoubt.count(data.count, data.more)}</span>
      <span className="hidden">, {texts.inDoubt.counted(data.count)}</span>
    </span>
  )
}
