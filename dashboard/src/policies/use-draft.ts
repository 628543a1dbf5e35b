import { useQuery } from '@tanstack/react-query'
import { useCallback, useEffect, useRef, useState } from 'react'
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

const KEEP_AFTER_MS = 300

/** Keeps the newest draft in this browser once nobody types for a moment, and at the latest when the page goes; undefined forgets it. */
function useKeeping(person: string, told: (kept: boolean) => void): (draft: Draft | undefined) => void {
  const waiting = useRef<Draft>(undefined)
  const timer = useRef<number>(undefined)
  const latest = useRef(told)
  latest.current = told
  const flush = useCallback(() => {
    window.clearTimeout(timer.current)
    const draft = waiting.current
    waiting.current = undefined
    if (draft) latest.current(keepDraft(person, draft))
  }, [person])
  useEffect(() => {
    window.addEventListener('pagehide', flush)
    return () => {
      window.removeEventListener('pagehide', flush)
      flush()
    }
  }, [flush])
  return (draft) => {
    window.clearTimeout(timer.current)
    waiting.current = draft
    if (draft) timer.current = window.setTimeout(flush, KEEP_AFTER_MS)
    else forgetDraft(person)
  }
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
  const keep = useKeeping(person, (kept) => setState((now) => now && { ...now, kept }))
  const again = (): void => void Promise.all([status.refetch(), start.refetch()])
  // Until the texts of a newer set have come, the one before is what can be spoken of: nobody's work leaves the screen for it.
  const loaded = useRef<{ active: string; texts: Texts }>(undefined)
  if (active !== null && start.data) loaded.current = { active, texts: start.data }
  if (!loaded.current) return { edited: undefined, error: status.error ?? start.error, again }
  const { active: known, texts: activeTexts } = loaded.current
  const fresh: Draft = { base: known, baseTexts: activeTexts, texts: activeTexts }
  const { draft, version, generation, kept, conflicts } = state ?? { draft: fresh, version: 0, generation: 0, kept: true, conflicts: [] }
  const put = (next: Draft, more: Partial<State> = {}): void => {
    setState({ draft: next, version: version + 1, generation, conflicts, kept, ...more })
    keep(next)
  }
  return {
    edited: {
      ...{ draft, generation, active: known, activeTexts, kept, conflicts },
      of: `${draft.base}:${version}`,
      edit: (texts, outside = false) => put({ ...draft, texts }, outside ? { generation: generation + 1 } : {}),
      rebase: () => {
        const merged = rebased(draft, known, activeTexts)
        put(merged.draft, { generation: generation + 1, conflicts: merged.conflicts })
      },
      reset: () => {
        keep(undefined)
        setState({ draft: fresh, version: version + 1, generation: generation + 1, kept: true, conflicts: [] })
      },
    },
    error: null,
    again,
  }
}
