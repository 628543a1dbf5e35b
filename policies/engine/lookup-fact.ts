import type { LookupFact } from '../../gateway/core/facts.ts'
import { isJsonObject } from '../../gateway/core/json.ts'
import type { Operation } from '../../gateway/core/operation.ts'
import { pointerTokens } from '../../gateway/core/pointers.ts'
import { type Declaration, meant, shown } from './declaration.ts'
import { type Field, inputShape, type Shape, valueShape } from './input-shape.ts'
import { pointersOf, shapesAt } from './pointer-shape.ts'

/** A lookup with the types of its fields, all optional: an answer may lack them. */
export interface TypedLookup {
  readonly fact: LookupFact
  readonly connector: string
  readonly fields: ReadonlyMap<string, Field>
}

/** Reads one entry of `lookups`: `{call: operation, with: {argument: pointer}, fields: pointers}`. Undefined, with faults, where it does not hold. */
export function lookupFact(declared: Declaration): TypedLookup | undefined {
  declared.refuseOtherKeys(['call', 'with', 'fields'])
  const { call = null } = declared.body
  const operation = declared.operation(call === null ? [] : ['call'], call)
  if (!operation) return undefined
  if (operation.mode !== 'read')
    declared.fault(['call'], `\`${operation.id}\` is no read: a lookup changes nothing, name an operation of mode \`read\``)
  const given = argumentsOf(declared, operation)
  const fields = fieldsOf(declared, operation)
  if (declared.faulty) return undefined
  const { connector, id } = operation
  return {
    fact: { name: declared.name, operation: id, with: given, fields: [...fields.values()].map(({ pointer }) => pointer) },
    connector,
    fields,
  }
}

function argumentsOf(declared: Declaration, operation: Operation): Record<string, string> {
  const { with: given = {} } = declared.body
  const known = inputShape(operation.inputSchema).fields
  const read: Record<string, string> = {}
  if (!isJsonObject(given)) declared.fault(['with'], '`with` is no map: write `{argument: /pointer}`')
  for (const [argument, value] of Object.entries(isJsonObject(given) ? given : {})) {
    const keys = ['with', argument]
    if (!known.has(argument))
      declared.fault(keys, `\`${operation.id}\` has no argument \`${argument}\`: ${meant(argument, known.keys(), 'remove it')}`)
    const [pointer, ...more] = declared.pointers(keys, value)
    if (pointer !== undefined && (more.length > 0 || pointer.split('/').includes('*')))
      declared.fault(keys, `\`${argument}\` needs one value: give one pointer without \`*\``)
    if (pointer !== undefined) read[argument] = pointer
  }
  for (const [argument, { required }] of known)
    if (required && read[argument] === undefined)
      declared.fault(['with'], `\`${operation.id}\` needs \`${argument}\`: say in \`with\` where the call's arguments have it`)
  return read
}

interface PlacedField extends Field {
  readonly pointer: string
}

function fieldsOf(declared: Declaration, operation: Operation): ReadonlyMap<string, PlacedField> {
  const pointers = declared.pointers(['fields'], declared.body.fields)
  const output = operation.outputSchema && valueShape(operation.outputSchema)
  const fields = new Map<string, PlacedField>()
  if (pointers.length === 0) declared.fault([], `\`${declared.name}\` takes no \`fields\` of the answer: list them, as in \`[/iban]\``)
  for (const pointer of pointers) {
    const name = pointerTokens(pointer).at(-1) ?? ''
    const shape = shapeOf(declared, operation, output, pointer)
    if (fields.has(name)) declared.fault(['fields'], `two fields would be called \`${name}\`: take one`)
    fields.set(name, { shape, required: false, pointer })
  }
  return fields
}

/** Free-form where the answer has no schema or the field several types. */
function shapeOf(declared: Declaration, operation: Operation, output: Shape | undefined, pointer: string): Shape {
  if (pointer.split('/').includes('*')) declared.fault(['fields'], `\`${pointer}\` can be many values: a field is one`)
  if (!output) return { kind: 'json' }
  const [shape, ...more] = shapesAt(output, pointer) ?? []
  if (!shape)
    declared.fault(
      ['fields'],
      `the answer of \`${operation.id}\` has nothing at \`${pointer}\`: ${meant(pointer, pointersOf(output), 'name a place in its output schema')}`,
    )
  return shape === undefined || more.length > 0 ? { kind: 'json' } : shape
}

/** For every operation of the connector whose arguments have all that the lookup asks with. */
export function lookupExists({ fact, connector }: TypedLookup, operation: Operation, input: Shape): boolean {
  return operation.connector === connector && Object.values(fact.with).every((pointer) => shapesAt(input, pointer) !== undefined)
}

export const lookupField = ({ fields }: TypedLookup): Field => ({ shape: { kind: 'record', fields }, required: true })

export const lookupWords = ({ fact }: TypedLookup): string => Object.values(fact.with).map(shown).join('`, `')
