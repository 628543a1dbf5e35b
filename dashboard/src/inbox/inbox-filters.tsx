import { useNavigate, useSearch } from '@tanstack/react-router'
import { texts } from '../texts.ts'
import type { ListedHold } from './inbox-data.ts'

/** What of the inbox is shown: it stands in the address. */
export interface InboxSearch {
  /** Only what waits for who looks. */
  mine?: true
  agent?: string
}

export const inboxSearch = (raw: Record<string, unknown>): InboxSearch => ({
  ...(raw.mine === true && { mine: true as const }),
  ...(typeof raw.agent === 'string' && { agent: raw.agent }),
})

export const useInboxSearch = (): InboxSearch => inboxSearch(useSearch({ strict: false }))

/** Whose calls, and whether what they ask for is shown in the list. */
export function InboxFilters({
  holds,
  shows,
  show,
}: {
  holds: readonly ListedHold[]
  shows: boolean
  /** Absent where who looks may see the arguments of none. */
  show?: (on: boolean) => void
}) {
  const search = useInboxSearch()
  const navigate = useNavigate()
  const agents = [...new Set([...holds.map(({ agent }) => agent), ...(search.agent === undefined ? [] : [search.agent])])].sort()
  const set = (next: InboxSearch): void => void navigate({ to: '.', search: next, replace: true })
  return (
    <fieldset className="inbox-filters">
      <legend className="hidden">{texts.inbox.filters}</legend>
      <div className="switch">
        {[false, true].map((mine) => (
          <button
            key={String(mine)}
            type="button"
            aria-pressed={(search.mine === true) === mine}
            onClick={() => set({ ...(mine && { mine: true }), ...(search.agent !== undefined && { agent: search.agent }) })}
          >
            {mine ? texts.inbox.onlyMine : texts.inbox.everything}
          </button>
        ))}
      </div>
      {agents.length > 1 && (
        <select
          aria-label={texts.inbox.ofAgent}
          value={search.agent ?? ''}
          onChange={({ target }) => set({ ...(search.mine && { mine: true }), ...(target.value !== '' && { agent: target.value }) })}
        >
          <option value="">{texts.inbox.everyAgent}</option>
          {agents.map((agent) => (
            <option key={agent}>{agent}</option>
          ))}
        </select>
      )}
      {show && (
        <button type="button" className="button button-quiet" aria-pressed={shows} title={texts.inbox.showWhy} onClick={() => show(!shows)}>
          {shows ? texts.inbox.hideArguments : texts.inbox.showArguments}
        </button>
      )}
    </fieldset>
  )
}
