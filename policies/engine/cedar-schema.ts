import { isJsonObject, type JsonValue } from '../../gateway/core/json.ts'
import { type Catalogue, namespaceOf, type Operation } from '../../gateway/core/operation.ts'
import type { CedarSchema, CedarType } from './cedar.ts'
import type { ReadTree } from './expression.ts'
import { derivedField } from './derived.ts'
import type { OperationFacts } from './facts-file.ts'
import { historyField } from './history-fact.ts'
import { type Field, inputShape, type RecordShape, type Shape } from './input-shape.ts'
import { lookupField } from './lookup-fact.ts'

const TEXT: Shape = { kind: 'string' }
const TEXTS: Field = { shape: { kind: 'set', element: TEXT }, required: true }
const DECISION_RECORD: Shape = {
  kind: 'record',
  fields: new Map<string, Field>([
    ['checked', { shape: { kind: 'bool' }, required: true }],
    ...['outcome', 'playbook', 'version'].map((name): [string, Field] => [name, { shape: TEXT, required: true }]),
  ]),
}

/**
 * Everything that `context` says of every call, beside the input and the declared facts: the door (`graphql`, `mcp`, `http`), the time in whole
 * seconds, what the agent says of itself, the labels of what it has read, what was found in the arguments, and whom it acts for.
 */
const CONTEXT: ReadonlyMap<string, Field> = new Map<string, Field>([
  ['decisionRecord', { shape: DECISION_RECORD, required: false }],
  ['door', { shape: TEXT, required: true }],
  ['findings', TEXTS],
  ['labels', TEXTS],
  ['now', { shape: { kind: 'datetime' }, required: true }],
  ['rationale', { shape: TEXT, required: false }],
  ['rationaleChars', { shape: { kind: 'long' }, required: true }],
  ['run', { shape: TEXT, required: false }],
  ['subject', { shape: { kind: 'person' }, required: false }],
])

/** What the agent says of itself: it may restrict, never widen. */
export const ASSERTED: readonly string[] = ['rationale', 'rationaleChars', 'run', 'decisionRecord']

/** The attributes of `Gatehouse`'s entity types, by type. */
const ATTRIBUTES: Readonly<Record<string, Readonly<Record<string, CedarType & { required?: boolean }>>>> = {
  Agent: {
    autonomy: { type: 'Long' },
    clearance: { type: 'Set', element: { type: 'String' } },
    owner: { type: 'Entity', name: 'Gatehouse::Person' },
    region: { type: 'String' },
    team: { type: 'String' },
  },
  Person: { region: { type: 'String', required: false } },
  Connector: { kind: { type: 'String' }, region: { type: 'String' } },
}

/** The whole `context` of an operation; `history`, `derived` and `lookup` only with the facts that exist for it. */
export function contextShape(operation: Operation, facts: OperationFacts): RecordShape {
  const fields = new Map<string, Field>([...CONTEXT, ['input', { shape: inputShape(operation.inputSchema), required: true }]])
  const add = <T>(name: string, declared: ReadonlyMap<string, T>, field: (fact: T) => Field): void => {
    const own = new Map([...declared].map(([fact, one]) => [fact, field(one)]))
    if (own.size > 0) fields.set(name, { shape: { kind: 'record', fields: own }, required: true })
  }
  add('history', facts.history, ({ fact }) => historyField(fact))
  add('derived', facts.derived, derivedField)
  add('lookup', facts.lookup, lookupField)
  return { kind: 'record', fields }
}

/** `shape` with only what `reads` looks at. */
export function cutRecord(shape: RecordShape, reads: ReadTree): RecordShape {
  if (reads.whole) return shape
  const kept = [...shape.fields].flatMap(([name, field]): [string, Field][] => {
    const child = reads.children.get(name)
    return child ? [[name, { shape: cutShape(field.shape, child), required: field.required }]] : []
  })
  return { kind: 'record', fields: new Map(kept) }
}

function cutShape(shape: Shape, reads: ReadTree): Shape {
  if (reads.whole) return shape
  if (shape.kind === 'record') return cutRecord(shape, reads)
  if (shape.kind !== 'union') return shape
  return { kind: 'union', variants: new Map([...shape.variants].filter(([name]) => reads.children.has(name))) }
}

/** The Cedar type of a shape. `relaxed` makes every attribute optional: for policy tests, which say only what matters. */
export function cedarType(shape: Shape, relaxed = false): CedarType {
  switch (shape.kind) {
    case 'long':
      return { type: 'Long' }
    case 'decimal':
    case 'amount':
      return { type: 'Extension', name: 'decimal' }
    case 'datetime':
      return { type: 'Extension', name: 'datetime' }
    case 'bool':
      return { type: 'Boolean' }
    case 'person':
      return { type: 'Entity', name: 'Gatehouse::Person' }
    case 'set':
      return { type: 'Set', element: cedarType(shape.element, relaxed) }
    case 'record':
      return record([...shape.fields].map(([name, f]) => [name, { ...cedarType(f.shape, relaxed), required: f.required && !relaxed }]))
    case 'union':
      return record([...shape.variants].map(([name, s]) => [name, { ...cedarType(s, relaxed), required: false }]))
    default:
      return { type: 'String' }
  }
}

const record = (attributes: [string, CedarType & { required: boolean }][]): CedarType => ({
  type: 'Record',
  attributes: Object.fromEntries(attributes),
})

export interface SchemaOptions {
  operations: Iterable<Operation>
  context: (operation: Operation) => Shape
  /** Which entity attributes are kept; all of them where absent. */
  attributes?: ReadonlySet<string>
  relaxed?: boolean
}

/** The action groups every operation is in: its mode and its reversibility. */
export const groupsOf = (operation: Operation): readonly string[] => [...new Set([operation.mode, operation.reversibility])]

const GROUPS = ['read', 'write', 'read-only', 'reversible', 'externally-reversible', 'irreversible']

/** The resource's types: the business object where its key is required, the connector where there is none, both where it may be absent. */
export function resourceTypes(operation: Operation): readonly string[] {
  const { businessKey } = operation
  if (!businessKey) return ['Gatehouse::Connector']
  const own = `${namespaceOf(operation.connector)}::${businessKey.type}`
  return isRequired(operation.inputSchema, businessKey.at.split('/').slice(1)) ? [own] : ['Gatehouse::Connector', own]
}

function isRequired(schema: JsonValue | undefined, path: readonly string[]): boolean {
  const [name, ...rest] = path
  if (name === undefined) return true
  if (!isJsonObject(schema) || !Array.isArray(schema.required) || !schema.required.includes(name)) return false
  const properties = schema.properties
  return isJsonObject(properties) && (rest.length === 0 || isRequired(properties[name], rest))
}

/** The entity types of `Gatehouse`. */
export function entityTypes({ attributes, relaxed = false }: Pick<SchemaOptions, 'attributes' | 'relaxed'>): EntityTypes {
  const shape = (type: string): CedarType =>
    record(
      Object.entries(ATTRIBUTES[type] ?? {})
        .filter(([name]) => attributes?.has(name) ?? true)
        .map(([name, { required = true, ...rest }]) => [name, { ...(rest as CedarType), required: required && !relaxed }]),
    )
  return {
    Role: {},
    Group: {},
    Agent: { memberOfTypes: ['Role'], shape: shape('Agent') },
    Person: { memberOfTypes: ['Group'], shape: shape('Person') },
    Connector: { shape: shape('Connector') },
  }
}

type EntityTypes = NonNullable<CedarSchema[string]>['entityTypes']

/** The Cedar schema (JSON form) of some operations. Deterministic: equal operations give an equal schema. */
export function cedarSchema({ operations, context, attributes, relaxed = false }: SchemaOptions): CedarSchema {
  const schema: CedarSchema = {
    Gatehouse: {
      entityTypes: entityTypes({ ...(attributes && { attributes }), relaxed }),
      actions: Object.fromEntries(GROUPS.map((group) => [group, {}])),
    },
  }
  for (const operation of operations) {
    const namespace = namespaceOf(operation.connector)
    const own = schema[namespace] ?? { entityTypes: {}, actions: {} }
    schema[namespace] = own
    if (operation.businessKey) own.entityTypes[operation.businessKey.type] = { memberOfTypes: ['Gatehouse::Connector'] }
    own.actions[operation.name] = {
      memberOf: groupsOf(operation).map((id) => ({ type: 'Gatehouse::Action', id })),
      appliesTo: {
        principalTypes: ['Gatehouse::Agent', 'Gatehouse::Person'],
        resourceTypes: [...resourceTypes(operation)],
        context: cedarType(context(operation), relaxed),
      },
    }
  }
  return schema
}

/** Sorted, so that schemas and slices do not depend on the catalogue's order. */
export const sortedOperations = (catalogue: Catalogue): readonly Operation[] =>
  [...catalogue.operations.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
