import type { ReactNode } from 'react'

/** Without a place in the tab order nobody scrolls it by keyboard (WCAG 2.1.1). */
const REACHABLE = { tabIndex: 0 } as const

/** What may be wider or longer than its place. */
export const ScrollRegion = ({
  label,
  className = 'table-scroll',
  children,
}: {
  label: string
  className?: string
  children: ReactNode
}) => (
  <section className={className} aria-label={label} {...REACHABLE}>
    {children}
  </section>
)
