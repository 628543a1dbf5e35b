import type { JsonValue } from '../graphql.ts'
import { isRecord } from '../words.ts'

/** One place that differs: an RFC 6901 pointer; undefined where there is nothing on that side. */
export interface Difference {
  pointer: string
  from: JsonValue | undefined
  to: JsonValue | undefined
}

/** Where two values differ, at the deepest places that both have. Lists are compared place by place. */
export function differences(from: JsonValue | undefined, to: JsonValue | undefined, pointer = ''): readonly Difference[] {
  if (Array.isArray(from) && Array.isArray(to)) {
    const places = Array.from({ length: Math.max(from.length, to.length) }, (_, at) => at)
    return places.flatMap((at) => differences(from[at], to[at], `${pointer}/${at}`))
  }
  if (isRecord(from) && isRecord(to)) {
    const keys = [...new Set([...Object.keys(from), ...Object.keys(to)])]
    return keys.flatMap((key) => differences(own(from, key), own(to, key), `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`))
  }
  return Object.is(from, to) ? [] : [{ pointer, from, to }]
}

const own = (value: { [key: string]: JsonValue }, key: string): JsonValue | undefined =>
  Object.hasOwn(value, key) ? value[key] : undefined
