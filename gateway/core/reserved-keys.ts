import { pointerToken, type JsonValue } from './json.ts'

/** Object keys that the policy language reads as escapes: an argument that carries one could pose as an entity or make a rule fail. */
export const RESERVED_KEYS: ReadonlySet<string> = new Set(['__extn', '__entity', '__expr'])

/** RFC 6901 pointers of every reserved key in `input`, sorted. Iterative, so depth costs no stack. Empty for nearly all input. */
export function reservedKeys(input: JsonValue): string[] {
  const found: string[] = []
  const rest: { value: JsonValue; pointer: string }[] = [{ value: input, pointer: '' }]
  for (let next = rest.pop(); next; next = rest.pop()) {
    const { value, pointer } = next
    if (typeof value !== 'object' || value === null) continue
    for (const [key, child] of Object.entries(value)) {
      const at = `${pointer}/${pointerToken(key)}`
      if (!Array.isArray(value) && RESERVED_KEYS.has(key)) found.push(at)
      if (typeof child === 'object' && child !== null) rest.push({ value: child, pointer: at })
    }
  }
  return found.sort()
}
