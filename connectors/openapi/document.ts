import { isAlias, LineCounter, parseDocument, visit } from 'yaml'
import { isJsonObject, type JsonObject, type JsonValue } from '../../gateway/core/json.ts'
import type { Manifest } from '../../gateway/ports/connector.ts'
import type { SourceFaults } from '../faults.ts'
import { referenceTarget, type SchemaDocument } from '../schema-document.ts'

const NESTING_MAX = 200
const ALIASES_MAX = 100
const REFERENCE_STEPS_MAX = 20

/** A parsed OpenAPI document. Nothing outside of it is ever read. */
export type OpenapiDocument = SchemaDocument

/**
 * Parses OpenAPI 3.0 or 3.1 from JSON or YAML. Duplicate keys, unbounded aliases, `__proto__` keys, values that are not JSON, deep nesting
 * and other versions are faults; undefined where there was one.
 */
export function parseOpenapi(source: Manifest['source'], faults: SourceFaults): OpenapiDocument | undefined {
  const root = /^\s*\{/.test(source.text) ? fromJson(source.text, faults) : fromYaml(source.text, faults)
  if (root === undefined) return undefined
  if (!isPlain(root, 0)) {
    faults.source([], `values that are not JSON, a \`__proto__\` key, or more than ${NESTING_MAX} levels`)
    return undefined
  }
  const version = isJsonObject(root) && typeof root.openapi === 'string' ? /^(3\.[01])\.\d+/.exec(root.openapi)?.[1] : undefined
  if (!isJsonObject(root) || (version !== '3.0' && version !== '3.1')) {
    faults.source(['openapi'], 'not an OpenAPI 3.0 or 3.1 document; convert it first')
    return undefined
  }
  return { root, dialect: version === '3.0' ? '3.0' : '2020-12' }
}

/**
 * The object that a node stands for: follows `$ref` inside the document. A reference that leads elsewhere, nowhere or in a circle is a
 * fault, and undefined.
 */
export function resolve(
  document: OpenapiDocument,
  node: JsonValue | undefined,
  place: readonly string[],
  faults: SourceFaults,
): JsonObject | undefined {
  let here = node
  for (let steps = 0; isJsonObject(here) && typeof here.$ref === 'string'; steps++) {
    const { $ref }: JsonObject = here
    const target = typeof $ref === 'string' ? referenceTarget(document, $ref) : undefined
    if (target === undefined || steps >= REFERENCE_STEPS_MAX) {
      faults.source(place, `reference \`${String($ref)}\` does not lead to a place in this document; bundle the document first`)
      return undefined
    }
    here = target
  }
  if (isJsonObject(here)) return here
  faults.source(place, 'expected an object')
  return undefined
}

function fromJson(text: string, faults: SourceFaults): JsonValue | undefined {
  try {
    const value = JSON.parse(text) as JsonValue
    const duplicate = duplicateKey(text)
    if (!duplicate) return value
    faults.line(lineAt(text, duplicate.at), `duplicate key \`${duplicate.key}\``)
  } catch (error) {
    const at = error instanceof Error ? /position (\d+)/.exec(error.message)?.[1] : undefined
    faults.line(at ? lineAt(text, Number(at)) : 1, 'malformed JSON')
  }
  return undefined
}

const lineAt = (text: string, at: number): number => text.slice(0, at).split('\n').length

/** The first key that an object of this well-formed JSON text has twice. */
function duplicateKey(text: string): { key: string; at: number } | undefined {
  const token = /"(?:[^"\\]|\\.)*"|[{}[\]:]/g
  const open: (Set<string> | null)[] = []
  let last: { key: string; at: number } | undefined
  for (let found = token.exec(text); found; found = token.exec(text)) {
    const [lexeme] = found
    if (lexeme === '{') open.push(new Set())
    else if (lexeme === '[') open.push(null)
    else if (lexeme === '}' || lexeme === ']') open.pop()
    else if (lexeme === ':') {
      const keys = open.at(-1)
      if (last && keys?.has(last.key)) return last
      if (last) keys?.add(last.key)
    } else last = { key: JSON.parse(lexeme) as string, at: found.index }
  }
  return undefined
}

function fromYaml(text: string, faults: SourceFaults): JsonValue | undefined {
  const lineCounter = new LineCounter()
  const document = parseDocument(text, { lineCounter, uniqueKeys: true, merge: false, version: '1.2' })
  for (const error of document.errors)
    faults.line(lineCounter.linePos(error.pos[0]).line, (error.message.split('\n')[0] ?? '').replace(/ at line.*$/, ''))
  if (document.errors.length > 0) return undefined
  let aliases = 0
  visit(document, (_, node) => {
    if (isAlias(node)) aliases++
  })
  try {
    if (aliases <= ALIASES_MAX) return document.toJS({ maxAliasCount: ALIASES_MAX }) as JsonValue
  } catch {
    // Reported below: the parser counts nested expansions too.
  }
  faults.line(1, 'too many aliases')
  return undefined
}

function isPlain(value: unknown, depth: number): value is JsonValue {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true
  if (typeof value === 'number') return Number.isFinite(value)
  if (typeof value !== 'object' || depth > NESTING_MAX) return false
  if (Array.isArray(value)) return value.every((item) => isPlain(item, depth + 1))
  if (Object.getPrototypeOf(value) !== Object.prototype) return false
  return Object.entries(value).every(([key, item]) => key !== '__proto__' && isPlain(item, depth + 1))
}
