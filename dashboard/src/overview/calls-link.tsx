import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import type { CallSearch } from '../calls/call-search.ts'

/** The calls behind a number. */
export const CallsLink = ({ search, label, children }: { search: CallSearch; label?: string; children: ReactNode }) => (
  <Link to="/calls" search={search} {...(label === undefined ? {} : { 'aria-label': label })}>
    {children}
  </Link>
)

/** A range as the log of calls has it in its address. */
export const within = ({ since, until }: { since: string; until: string }): CallSearch => ({ from: since, to: until })
