import { isJsonObject, type JsonValue } from '../core/json.ts'

/** Every text in a value, the names of members too. */
export function textsIn(value: JsonValue): readonly string[] {
  const texts: string[] = []
  const open: JsonValue[] = [value]
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (typeof at === 'string') texts.push(at)
    else if (Array.isArray(at)) for (const item of at) open.push(item)
    else if (isJsonObject(at))
      for (const [name, member] of Object.entries(at)) {
        texts.push(name)
        open.push(member)
      }
  }
  return texts
}
