import { canonicalJson, isJsonObject, type JsonValue } from '../gateway/core/json.ts'
import type { JsonSchema } from '../gateway/core/operation.ts'
import { CLASSES_KEYWORD, classesIn } from '../gateway/core/output-shape.ts'
import { withClasses } from './class-marks.ts'

/** Where schemas differ in these, the outer word stands: they say nothing about validity. */
const ANNOTATIONS: ReadonlySet<string> = new Set(['title', 'description', 'default', 'deprecated', 'readOnly', 'writeOnly'])
/** What may stand beside a reference without being part of what it leads to. */
const BESIDE: ReadonlySet<string> = new Set([...ANNOTATIONS, CLASSES_KEYWORD])

/**
 * One schema that accepts what the outer schema and all parts accept together, or undefined where keywords disagree and the composition
 * has to stay. A part that forbids further properties is read as the document's author meant it: further than all declared ones.
 */
export function mergeAll(outer: JsonSchema, parts: readonly JsonSchema[]): JsonSchema | undefined {
  let merged: JsonSchema | undefined = outer
  for (const part of parts) merged = merged && merge(merged, part)
  return merged
}

function merge(a: JsonSchema, b: JsonSchema): JsonSchema | undefined {
  if (Object.hasOwn(b, '$ref') && Object.keys(a).some((key) => !BESIDE.has(key))) return undefined
  const merged: JsonSchema = { ...a }
  for (const [key, theirs] of Object.entries(b)) {
    const ours = merged[key]
    if (ours === undefined) merged[key] = theirs
    else if (!BESIDE.has(key)) {
      const both = mergeKeyword(key, ours, theirs)
      if (both === undefined) return undefined
      merged[key] = both
    }
  }
  return withClasses(merged, classesIn(b))
}

function mergeKeyword(key: string, ours: JsonValue, theirs: JsonValue): JsonValue | undefined {
  if (canonicalJson(ours) === canonicalJson(theirs)) return ours
  if (key === 'required' && Array.isArray(ours) && Array.isArray(theirs)) return [...new Set([...ours, ...theirs])]
  if (key === 'properties' && isJsonObject(ours) && isJsonObject(theirs)) return mergeProperties(ours, theirs)
  if (key === 'additionalProperties' && (ours === false || theirs === false)) return false
  if (key === 'type') return commonTypes(ours, theirs)
  if (typeof ours === 'number' && typeof theirs === 'number') {
    if (key.startsWith('min') || key === 'exclusiveMinimum') return Math.max(ours, theirs)
    if (key.startsWith('max') || key === 'exclusiveMaximum') return Math.min(ours, theirs)
  }
  return undefined
}

function mergeProperties(ours: JsonSchema, theirs: JsonSchema): JsonSchema | undefined {
  const merged: JsonSchema = { ...ours }
  for (const [name, schema] of Object.entries(theirs)) {
    const own = merged[name]
    const both = own === undefined ? schema : isJsonObject(own) && isJsonObject(schema) ? merge(own, schema) : undefined
    if (both === undefined) return undefined
    merged[name] = both
  }
  return merged
}

function commonTypes(ours: JsonValue, theirs: JsonValue): JsonValue | undefined {
  const list = (value: JsonValue): JsonValue[] => (Array.isArray(value) ? value : [value])
  const common = list(ours).filter((type) => list(theirs).includes(type))
  if (common.length === 0) return undefined
  return common.length === 1 ? common[0] : common
}
