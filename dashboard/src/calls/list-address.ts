import type { CallSearch } from './call-search.ts'

let last: CallSearch = {}

/** Remembers the list that was looked at, so that a call leads back to it. */
export function rememberList(search: CallSearch): void {
  last = search
}

export const lastList = (): CallSearch => last
