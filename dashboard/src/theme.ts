import { useSyncExternalStore } from 'react'

export type Theme = 'system' | 'light' | 'dark'

const listeners = new Set<() => void>()
const root = document.documentElement

const current = (): Theme => (root.dataset.theme === 'dark' || root.dataset.theme === 'light' ? root.dataset.theme : 'system')

function choose(theme: Theme): void {
  if (theme === 'system') delete root.dataset.theme
  else root.dataset.theme = theme
  try {
    if (theme === 'system') localStorage.removeItem('theme')
    else localStorage.setItem('theme', theme)
  } catch {
    // Chosen for this page only.
  }
  for (const listener of listeners) listener()
}

/** The chosen theme, and how to choose another. Kept in this browser. */
export function useTheme(): readonly [Theme, (theme: Theme) => void] {
  const theme = useSyncExternalStore((listener) => {
    listeners.add(listener)
    return () => listeners.delete(listener)
  }, current)
  return [theme, choose]
}
