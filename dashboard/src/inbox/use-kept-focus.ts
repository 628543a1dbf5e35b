import { type RefObject, useEffect, useRef } from 'react'

/** Where the focus was inside and what had it went away, the heading takes it. It also takes it where nothing else has it as `opened` comes. */
export function useKeptFocus(opened: string | undefined): RefObject<HTMLElement | null> {
  const element = useRef<HTMLElement>(null)
  useEffect(() => {
    if (opened === undefined) return
    const place = element.current
    const focusHeading = (): void => {
      if (document.activeElement === document.body) place?.querySelector<HTMLElement>('h2[tabindex]')?.focus({ preventScroll: true })
    }
    focusHeading()
    let inside = false
    const note = ({ target }: FocusEvent): void => {
      inside = target instanceof Node && (place?.contains(target) ?? false)
    }
    const watching = new MutationObserver(() => inside && focusHeading())
    document.addEventListener('focusin', note)
    if (place) watching.observe(place, { childList: true, subtree: true })
    return () => {
      document.removeEventListener('focusin', note)
      watching.disconnect()
    }
  }, [opened])
  return element
}
