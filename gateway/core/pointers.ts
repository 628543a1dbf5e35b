import { isJsonObject, type JsonValue } from './json.ts'

/** The unescaped tokens of an RFC 6901 pointer; none for the whole document. */
export const pointerTokens = (pointer: string): readonly string[] =>
  pointer === ''
    ? []
    : pointer
        .slice(1)
        .split('/')
        .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'))

/**
 * The values at a pointer in which `*` stands for every item of an array, in the document's order; where `*` meets anything but an array it stands
 * for that value itself, so that "one or many" is read alike. What is absent or null is left out.
 */
export function valuesAt(root: JsonValue, pointer: string): JsonValue[] {
  let found: (JsonValue | undefined)[] = [root]
  for (const token of pointerTokens(pointer)) {
    found = found.flatMap((value) => {
      if (Array.isArray(value)) return token === '*' ? value : [/^(0|[1-9][0-9]*)$/.test(token) ? value[Number(token)] : undefined]
      if (isJsonObject(value) && Object.hasOwn(value, token)) return [value[token]]
      return token === '*' ? [value] : []
    })
  }
  return found.filter((value) => value !== undefined && value !== null)
}
