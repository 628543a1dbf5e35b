import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { isMap, isScalar, LineCounter, parseDocument, type Document } from 'yaml'
import type { z } from 'zod'
import { LIMITS } from '../limits.ts'
import type { Environment } from './environment.ts'
import type { Faults } from './faults.ts'

/** Reads a text file of the configuration, bounded. Undefined, with a fault, where it cannot be read. */
export function readConfigText(path: string, askedAt: string, faults: Faults): string | undefined {
  try {
    if (statSync(path).size > LIMITS.sourceDocumentBytesMax) {
      faults.add(askedAt, `\`${path}\` is larger than ${LIMITS.sourceDocumentBytesMax} bytes`)
      return undefined
    }
    return readFileSync(path, 'utf8')
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unreadable'
    faults.add(askedAt, `cannot read \`${path}\`: ${code === 'ENOENT' ? 'no such file' : code}`)
    return undefined
  }
}

/** The files of a folder with one of these endings, in the order of their names. A folder that is not there is a fault. */
export function filesIn(folder: string, endings: readonly string[], askedAt: string, faults: Faults): string[] {
  if (!existsSync(folder)) {
    faults.add(askedAt, `no such folder: \`${folder}\``)
    return []
  }
  return readdirSync(folder)
    .filter((name) => endings.some((ending) => name.endsWith(ending)))
    .sort()
    .map((name) => join(folder, name))
}

export interface YamlFile<T> {
  value: T
  /** `file:line:column` of the value at a path of keys. */
  place(path: readonly PropertyKey[]): string
}

/**
 * Reads a YAML file by a schema: `${NAME:-default}` filled in, unknown keys refused, each fault with `file:line:column`.
 * Undefined where there was any fault.
 */
export function readYaml<S extends z.ZodType>(
  path: string,
  schema: S,
  environment: Environment,
  askedAt: string,
  faults: Faults,
): YamlFile<z.output<S>> | undefined {
  const text = readConfigText(path, askedAt, faults)
  if (text === undefined) return undefined
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, merge: false })
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset)
    return `${path}:${line}:${col}`
  }
  if (document.errors.length > 0) {
    for (const error of document.errors) faults.add(at(error.pos[0]), (error.message.split('\n')[0] ?? '').replace(/ at line.*$/, ''))
    return undefined
  }
  const place = (keys: readonly PropertyKey[]): string => at(offsetOf(document, keys))
  const filled = fillIn(document.toJS({ maxAliasCount: 50 }), [], environment, (keys, message) => faults.add(place(keys), message))
  const parsed = schema.safeParse(filled)
  if (parsed.success) return { value: parsed.data, place }
  for (const issue of parsed.error.issues) {
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys) faults.add(place([...issue.path, key]), `unknown key \`${key}\`: remove it or correct its spelling`)
    } else faults.add(place(issue.path), `${issue.path.map(String).join('.') || 'the file'}: ${issue.message}`)
  }
  return undefined
}

/** Where the deepest existing node of a path starts; for map entries, where the key stands. */
function offsetOf(document: Document, keys: readonly PropertyKey[]): number {
  for (let depth = keys.length; depth > 0; depth--) {
    const parent = depth === 1 ? document.contents : document.getIn(keys.slice(0, depth - 1), true)
    if (isMap(parent)) {
      const pair = parent.items.find((item) => isScalar(item.key) && String(item.key.value) === String(keys[depth - 1]))
      if (pair && isScalar(pair.key) && pair.key.range) return pair.key.range[0]
    }
    const node = document.getIn(keys.slice(0, depth), true)
    if (typeof node === 'object' && node !== null && 'range' in node && Array.isArray(node.range)) return Number(node.range[0])
  }
  return 0
}

function fillIn(
  value: unknown,
  keys: readonly PropertyKey[],
  environment: Environment,
  fault: (keys: readonly PropertyKey[], message: string) => void,
): unknown {
  if (typeof value === 'string') {
    return value.replace(/\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g, (_all, name: string, fallback: string | undefined) => {
      const found = environment[name]
      if (found !== undefined && found !== '') return found
      if (fallback !== undefined) return fallback
      fault(keys, `the environment variable \`${name}\` is not set and has no default: set it, or write \`\${${name}:-default}\``)
      return ''
    })
  }
  if (Array.isArray(value)) return value.map((item, index) => fillIn(item, [...keys, index], environment, fault))
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fillIn(item, [...keys, key], environment, fault)]))
  }
  return value
}
