import { atPointer, isJsonObject, type JsonObject, type JsonValue } from '../gateway/core/json.ts'

/** A document that schemas stand in. `3.0` reads them as OpenAPI 3.0 does, `2020-12` as JSON Schema (and OpenAPI 3.1) does. */
export interface SchemaDocument {
  root: JsonObject
  dialect: '3.0' | '2020-12'
}

/** What `#/...` points to; undefined where it leads out of the document or nowhere. */
export function referenceTarget(document: SchemaDocument, reference: string): JsonValue | undefined {
  if (!reference.startsWith('#')) return undefined
  try {
    return atPointer(document.root, decodeURIComponent(reference.slice(1)))
  } catch {
    return undefined
  }
}

/** Tells which references lead back to themselves. Memoised for one document. */
export function recursion(document: SchemaDocument): (reference: string) => boolean {
  const targets = new Map<string, ReadonlySet<string>>()
  const outgoing = (reference: string): ReadonlySet<string> => {
    const known = targets.get(reference)
    if (known) return known
    const found = new Set<string>()
    collect(referenceTarget(document, reference), found)
    targets.set(reference, found)
    return found
  }
  const answers = new Map<string, boolean>()
  return (reference) => {
    const known = answers.get(reference)
    if (known !== undefined) return known
    const seen = new Set<string>()
    const waiting = [...outgoing(reference)]
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      if (seen.has(next)) continue
      seen.add(next)
      waiting.push(...outgoing(next))
    }
    answers.set(reference, seen.has(reference))
    return seen.has(reference)
  }
}

function collect(node: JsonValue | undefined, into: Set<string>): void {
  if (Array.isArray(node)) for (const item of node) collect(item, into)
  else if (isJsonObject(node)) {
    if (typeof node.$ref === 'string') into.add(node.$ref)
    for (const value of Object.values(node)) collect(value, into)
  }
}
