import { isJsonObject, type JsonObject, type JsonValue } from '../gateway/core/json.ts'
import type { JsonSchema } from '../gateway/core/operation.ts'
import { CLASS_NAME, CLASSES_KEYWORD, classesIn } from '../gateway/core/output-shape.ts'
import type { SourceFaults } from './faults.ts'

/**
 * Extensions that give a schema data classes. Beside our own, `x-data-classification` as the OpenAPI Extension Registry has it (`category`, `sensitivity`) or as
 * one word, and `x-pii`. What they say of masking strategies is not read: a refused value is null.
 */
export const MARKS = [CLASSES_KEYWORD, 'x-data-classification', 'x-pii'] as const

/** A sensitivity that is none. */
const PUBLIC = 'public'

/** The classes that a node of a document gives its values. Marks that say none are faults: a class that binds nothing is worse than none. */
export function markedClasses(node: JsonObject, place: readonly string[], faults: SourceFaults): string[] {
  return MARKS.flatMap((mark) => {
    const value = Object.hasOwn(node, mark) ? node[mark] : undefined
    if (value === undefined) return []
    const classes = READERS[mark](value)
    if (classes?.every((name) => CLASS_NAME.test(name))) return classes
    faults.source([...place, mark], FORMS[mark])
    return []
  })
}

/** A node without its marks, so that they change nothing else in how it is read. */
export function unmarked(node: JsonObject): JsonObject {
  if (!MARKS.some((mark) => Object.hasOwn(node, mark))) return node
  return Object.fromEntries(Object.entries(node).filter(([key]) => !(MARKS as readonly string[]).includes(key)))
}

/** A schema that gives its values these classes beside its own. */
export const withClasses = (schema: JsonSchema, classes: readonly string[]): JsonSchema =>
  classes.length === 0 ? schema : { ...schema, [CLASSES_KEYWORD]: [...new Set([...classesIn(schema), ...classes])].sort() }

/** Whether any node has a mark, wherever it stands. */
export function hasMarks(node: JsonValue | undefined): boolean {
  if (Array.isArray(node)) return node.some(hasMarks)
  return isJsonObject(node) && (MARKS.some((mark) => Object.hasOwn(node, mark)) || Object.values(node).some(hasMarks))
}

/** A read schema without its classes, which are no part of what an operation is. */
export function withoutClasses(schema: JsonSchema): JsonSchema {
  const entries = Object.entries(schema).flatMap(([key, value]): [string, JsonValue][] =>
    key === CLASSES_KEYWORD && Array.isArray(value) ? [] : [[key, bare(value)]],
  )
  return Object.fromEntries(entries)
}

const bare = (value: JsonValue): JsonValue => (Array.isArray(value) ? value.map(bare) : isJsonObject(value) ? withoutClasses(value) : value)

const word = (value: JsonValue | undefined): string | undefined => (typeof value === 'string' ? value.trim().toLowerCase() : undefined)

const READERS: Readonly<Record<(typeof MARKS)[number], (value: JsonValue) => string[] | undefined>> = {
  [CLASSES_KEYWORD](value) {
    const list = typeof value === 'string' ? [value] : value
    return Array.isArray(list) && list.length > 0 && list.every((name) => typeof name === 'string') ? list : undefined
  },
  'x-data-classification'(value) {
    const words = isJsonObject(value) ? [value.category, value.sensitivity].flatMap((said) => word(said) ?? []) : [word(value) ?? '']
    if (words.length === 0) return undefined
    return words.includes(PUBLIC) ? [] : words
  },
  'x-pii': (value) => (value === false ? [] : value === true || typeof value === 'string' ? ['pii'] : undefined),
}

const FORMS: Readonly<Record<(typeof MARKS)[number], string>> = {
  [CLASSES_KEYWORD]: 'expected the names of data classes: letters, digits, `_`, `.` and `-`, at most 64',
  'x-data-classification': 'expected a class, or an object with `category` and `sensitivity`',
  'x-pii': 'expected true or false',
}
