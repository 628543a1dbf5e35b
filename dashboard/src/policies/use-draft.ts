import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { type Draft, forgetDraft, keepDraft, keptDraft, rebased, type Texts } from './draft.ts'
import { startQuery, statusQuery } from './policies-data.ts'

export interface EditedDraft {
  draft: Draft
  /** Another one for every state of the texts. */
  of: string
  /** Another one where texts were replaced from outside the editor. */
  generation: number
  /** The active set, which may no longer be what the draft was built upon. */
  active: string
  activeTexts: Texts
  /** False where this browser has no room for it. */
  kept: boolean
  /** Files that both sides had changed when the draft was put on another set. */
  conflicts: readonly string[]
  edit: (texts: Texts, outside?: boolean) => void
  rebase: () => void
  reset: () => void
}

interface State {
  draft: Draft
  version: number
  generation: number
  kept: boolean
  conflicts: readonly string[]
}

/** What a person drafts in this browser: what they left, or the active texts. Undefined while those are on their way. */
export function useDraft(person: string): { edited: EditedDraft | undefined; error: unknown; again: () => void } {
  const status = useQuery(statusQuery)
  const active = status.data?.active ?? null
  const start = useQuery({ ...startQuery(active ?? ''), enabled: active !== null })
  const [state, setState] = useState<State | undefined>(() => {
    const draft = keptDraft(person)
    return draft && { draft, version: 0, generation: 0, kept: true, conflicts: [] }
  })
  const again = (): void => void Promise.all([status.refetch(), start.refetch()])
  if (active === null || !start.data) return { edited: undefined, error: status.error ?? start.error, again }
  const activeTexts = start.data
  const fresh: Draft = { base: active, baseTexts: activeTexts, texts: activeTexts }
  const { draft, version, generation, kept, conflicts } = state ?? { draft: fresh, version: 0, generation: 0, kept: true, conflicts: [] }
  const put = (next: Draft, more: Partial<State> = {}): void =>
    setState({ draft: next, version: version + 1, generation, conflicts, ...more, kept: keepDraft(person, next) })
  return {
    edited: {
      ...{ draft, generation, active, activeTexts, kept, conflicts },
      of: `${draft.base}:${version}`,
      edit: (texts, outside = false) => put({ ...draft, texts }, outside ? { generation: generation + 1 } : {}),
      rebase: () => {
        const merged = rebased(draft, active, activeTexts)
        put(merged.draft, { generation: generation + 1, conflicts: merged.conflicts })
      },
      reset: () => {
        forgetDraft(person)
        setState({ draft: fresh, version: version + 1, generation: generation + 1, kept: true, conflicts: [] })
      },
    },
    error: null,
    again,
  }
}
