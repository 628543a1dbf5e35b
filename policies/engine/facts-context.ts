import type { JsonObject, JsonValue } from '../../gateway/core/json.ts'
import type { Question } from '../../gateway/ports/decider.ts'
import { derive } from './derived.ts'
import { CannotEncode } from './encode.ts'
import type { OperationFacts } from './facts-file.ts'
import type { RecordShape } from './input-shape.ts'

/**
 * The facts that `context`, cut down to what policies look at, has room for: derived ones are computed here, the others come with the question. Throws
 * CannotEncode for one that is not there, by its name and never with a value.
 */
export function factsContext(context: RecordShape, declared: OperationFacts, { facts, input, now }: Question): JsonObject {
  const known: JsonObject = {}
  const each = (section: string, value: (name: string) => JsonValue | undefined): void => {
    const shape = context.fields.get(section)?.shape
    if (shape?.kind !== 'record') return
    const entries = [...shape.fields.keys()].map((name): [string, JsonValue] => [name, value(name) ?? null])
    known[section] = Object.fromEntries(entries)
  }
  each('history', (name) => needed(facts.history, 'history', name))
  each('lookup', (name) => needed(facts.lookup, 'lookup', name))
  each('derived', (name) => {
    const fact = declared.derived.get(name)
    return fact && derive(fact, input, now)
  })
  for (const name of ['labels', 'findings'] as const) {
    const found = facts[name]
    if (!context.fields.has(name)) continue
    if (!found) throw new CannotEncode(name, 'is not known for this call')
    known[name] = [...found]
  }
  return known
}

function needed(facts: JsonObject, section: string, name: string): JsonValue {
  const value = Object.hasOwn(facts, name) ? facts[name] : undefined
  if (value === undefined) throw new CannotEncode(`${section}.${name}`, 'is not known for this call')
  return value
}
