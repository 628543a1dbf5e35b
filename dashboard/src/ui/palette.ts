import { useSyncExternalStore } from 'react'

/** Colours of the theme that charts are drawn in. */
export type Tone = 'accent' | 'warn' | 'bad' | 'quiet' | 'line'

/** What a colour of the theme is now: a canvas knows no custom properties. */
export function colourOf(tone: Tone): string {
  const probe = document.createElement('span')
  probe.style.color = `var(--${tone})`
  document.body.append(probe)
  const { color } = getComputedStyle(probe)
  probe.remove()
  return color
}

const dark = matchMedia('(prefers-color-scheme: dark)')

function listen(changed: () => void): () => void {
  const chosen = new MutationObserver(changed)
  chosen.observe(document.documentElement, { attributeFilter: ['data-theme'] })
  dark.addEventListener('change', changed)
  return () => {
    chosen.disconnect()
    dark.removeEventListener('change', changed)
  }
}

/** Changes with the theme, whoever chose it: what was drawn before is drawn anew. */
export const usePalette = (): string =>
  useSyncExternalStore(listen, () => `${document.documentElement.dataset.theme ?? ''} ${dark.matches}`)
