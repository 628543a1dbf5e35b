import type { JsonValue } from '../graphql.ts'
import { isRecord } from '../words.ts'

/** One place of the arguments that can be loosened by itself: a list counts as one value. */
export interface Leaf {
  pointer: string
  value: JsonValue
}

const token = (key: string): string => key.replaceAll('~', '~0').replaceAll('/', '~1')

export function leavesOf(value: JsonValue, pointer = ''): Leaf[] {
  if (!isRecord(value) || (pointer !== '' && Object.keys(value).length === 0)) return [{ pointer, value }]
  return Object.keys(value)
    .sort()
    .flatMap((key) => leavesOf(value[key] ?? null, `${pointer}/${token(key)}`))
}

/** A pointer as people read it. */
export const shownPointer = (pointer: string): string => pointer.slice(1).replaceAll('/', ' › ').replaceAll('~1', '/').replaceAll('~0', '~')
