import { pointerToken, type JsonValue } from './json.ts'

/** Object keys that the policy language reads as escapes: an argument that carries one could pose as an entity or make a rule fail. */
export const RESERVED_KEYS: ReadonlySet<string> = new Set(['__extn', '__entity', '__expr'])

const FOUND_MAX = 20
const POINTER_CHARS_MAX = 512

interface Step {
  key: string
  parent: Step | null
}

/**
 * RFC 6901 pointers of the reserved keys in `input`, sorted: at most 20, and none longer than 512 characters (a longer one is cut), since the input is
 * the caller's and its answer must not be larger. Iterative, so depth costs no stack. Empty for nearly all input.
 */
export function reservedKeys(input: JsonValue): string[] {
  const found: string[] = []
  const rest: { value: JsonValue; step: Step | null }[] = [{ value: input, step: null }]
  for (let next = rest.pop(); next && found.length < FOUND_MAX; next = rest.pop()) {
    const { value, step } = next
    if (typeof value !== 'object' || value === null) continue
    for (const [key, child] of Object.entries(value)) {
      const at = { key, parent: step }
      if (!Array.isArray(value) && RESERVED_KEYS.has(key) && found.length < FOUND_MAX) found.push(pointerTo(at))
      if (typeof child === 'object' && child !== null) rest.push({ value: child, step: at })
    }
  }
  return found.sort()
}

function pointerTo(last: Step): string {
  const keys: string[] = []
  for (let step: Step | null = last; step; step = step.parent) keys.push(step.key)
  let pointer = ''
  for (const key of keys.reverse()) {
    pointer += `/${pointerToken(key.slice(0, POINTER_CHARS_MAX))}`
    if (pointer.length > POINTER_CHARS_MAX) return pointer.slice(0, POINTER_CHARS_MAX).toWellFormed()
  }
  return pointer
}
