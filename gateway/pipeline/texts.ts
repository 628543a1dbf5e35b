import { isJsonObject, type JsonValue } from '../core/json.ts'

/** Every text in a value, names of members too, as far as they have at most `charsMax` characters together; null beyond. */
export function textsIn(value: JsonValue, charsMax: number): readonly string[] | null {
  const texts: string[] = []
  let chars = 0
  const open: JsonValue[] = [value]
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const found = typeof at === 'string' ? [at] : isJsonObject(at) ? Object.keys(at) : []
    for (const text of found) chars += text.length
    if (chars > charsMax) return null
    texts.push(...found)
    if (Array.isArray(at)) for (const item of at) open.push(item)
    else if (isJsonObject(at)) for (const item of Object.values(at)) open.push(item)
  }
  return texts
}
