import type { GraphQLFieldConfig, GraphQLFieldConfigArgumentMap, GraphQLInputType, GraphQLOutputType, GraphQLResolveInfo } from 'graphql'
import { GraphQLInputObjectType, GraphQLList, GraphQLNonNull, GraphQLObjectType } from 'graphql'
import type { JsonObject, JsonValue } from '../../gateway/core/json.ts'
import { isJsonObject } from '../../gateway/core/json.ts'
import type { Operation } from '../../gateway/core/operation.ts'
import { namespaceOf } from '../../gateway/core/operation.ts'
import type { AgentContext, AnswerBudget } from '../../gateway/ports/agent-view.ts'
import { fits, gap } from './budget.ts'
import type { ScalarName } from './scalars.ts'
import { SCALARS } from './scalars.ts'
import type { FieldShape, ObjectShape, Shape, Slot } from './shape.ts'
import { ShapeReader } from './shape.ts'

const ANY: Slot = { shape: { kind: 'leaf', scalar: 'JSON' }, nullable: true }

const RESERVED = [
  'Query',
  'Mutation',
  'Subscription',
  'Whoami',
  'Call',
  'CallError',
  'JSON',
  'SafeInt',
  'Int',
  'Float',
  'String',
  'Boolean',
  'ID',
]

const keyOf = ({ id, version }: Operation): string => `${id}@${version}`

interface Described {
  arguments: readonly FieldShape[]
  output: Slot
}

/**
 * The named types of one catalogue version, shared by all its views and made when first used. Names depend on the catalogue alone: where
 * different structures ask for one name, each gets `_` and 8 hex digits of its own print.
 */
export class AgentTypes {
  private readonly described = new Map<string, Described>()
  private readonly claims = new Map<string, Set<string>>(RESERVED.map((name) => [name, new Set(['reserved'])]))
  private readonly outputs = new Map<string, GraphQLObjectType>()
  private readonly inputs = new Map<string, GraphQLInputObjectType>()

  /** `operations`: all of the catalogue, not only those of one view. */
  constructor(operations: readonly Operation[]) {
    for (const operation of operations) {
      const namespace = namespaceOf(operation.connector)
      const output = operation.outputSchema ? new ShapeReader(operation.outputSchema, namespace, 'output').read(operation.name) : ANY
      const described = { arguments: new ShapeReader(operation.inputSchema, namespace, 'input').arguments(operation.name), output }
      this.described.set(keyOf(operation), described)
      const seen = new Set<ObjectShape>()
      for (const field of described.arguments) this.claim(field.slot.shape, seen)
      this.claim(output.shape, seen)
    }
  }

  /** Output type, argument types and the two mappings of one operation. Throws TypeError for an operation of another catalogue. */
  field(operation: Operation): {
    type: GraphQLOutputType
    args: GraphQLFieldConfigArgumentMap
    toInput: (args: Readonly<Record<string, unknown>>) => JsonObject
    toOutput: (value: JsonValue, budget: AnswerBudget, info: Info) => unknown
  } {
    const described = this.described.get(keyOf(operation))
    if (!described) throw new TypeError(`operation \`${operation.id}\` is not of this catalogue`)
    const args: GraphQLFieldConfigArgumentMap = {}
    for (const field of described.arguments)
      args[field.name] = { type: this.requiredInput(field), ...(field.description !== undefined && { description: field.description }) }
    return {
      type: this.output(described.output.shape),
      args,
      toInput: (given) => toInput(described.arguments, given),
      toOutput: (value, budget, info) => conform(value, described.output.shape, budget, info),
    }
  }

  private claim(shape: Shape, seen: Set<ObjectShape>): void {
    if (shape.kind === 'list') this.claim(shape.of.shape, seen)
    if (shape.kind !== 'object' || seen.has(shape)) return
    seen.add(shape)
    const prints = this.claims.get(shape.wanted) ?? new Set()
    this.claims.set(shape.wanted, prints.add(shape.print))
    for (const field of shape.fields) this.claim(field.slot.shape, seen)
  }

  private nameOf(shape: ObjectShape): string {
    return this.claims.get(shape.wanted)?.size === 1 ? shape.wanted : `${shape.wanted}_${shape.print.slice(0, 8)}`
  }

  private output(shape: Shape): GraphQLOutputType {
    if (shape.kind === 'leaf') return SCALARS[shape.scalar]
    if (shape.kind === 'list') return new GraphQLList(this.output(shape.of.shape))
    const name = this.nameOf(shape)
    const known = this.outputs.get(name)
    if (known) return known
    const fields: Record<string, GraphQLFieldConfig<JsonObject, AgentContext>> = {}
    for (const { name: field, key, slot, description } of shape.fields) {
      const of = slot.shape
      fields[field] = {
        type: this.output(of),
        resolve: (source, _args, { budget }, info) => (Object.hasOwn(source, key) ? conform(source[key], of, budget, info) : null),
        ...(description !== undefined && { description }),
      }
    }
    const type = new GraphQLObjectType({ name, fields, ...(shape.description !== undefined && { description: shape.description }) })
    this.outputs.set(name, type)
    return type
  }

  private requiredInput({ slot, required }: FieldShape): GraphQLInputType {
    const type = this.input(slot.shape)
    return required && !slot.nullable ? new GraphQLNonNull(type) : type
  }

  private input(shape: Shape): GraphQLInputType {
    if (shape.kind === 'leaf') return SCALARS[shape.scalar]
    if (shape.kind === 'list') {
      const of = this.input(shape.of.shape)
      return new GraphQLList(shape.of.nullable ? of : new GraphQLNonNull(of))
    }
    const name = this.nameOf(shape)
    const known = this.inputs.get(name)
    if (known) return known
    const fields: Record<string, { type: GraphQLInputType; description?: string }> = {}
    for (const field of shape.fields)
      fields[field.name] = { type: this.requiredInput(field), ...(field.description !== undefined && { description: field.description }) }
    const type = new GraphQLInputObjectType({ name, fields, ...(shape.description !== undefined && { description: shape.description }) })
    this.inputs.set(name, type)
    return type
  }
}

/** Coerced arguments back to the operation's JSON: names as the schema spells them, absent stays absent, null stays null. */
function toInput(fields: readonly FieldShape[], given: Readonly<Record<string, unknown>>): JsonObject {
  const input: JsonObject = {}
  for (const { name, key, slot } of fields) {
    if (Object.hasOwn(given, name) && given[name] !== undefined) input[key] = back(given[name], slot.shape)
  }
  return input
}

function back(value: unknown, shape: Shape): JsonValue {
  if (value === null || shape.kind === 'leaf') return value as JsonValue
  if (shape.kind === 'object') return toInput(shape.fields, value as Record<string, unknown>)
  return (value as unknown[]).map((item) => back(item, shape.of.shape))
}

type Info = Pick<GraphQLResolveInfo, 'fieldNodes' | 'fragments'>

/**
 * A value of an upstream answer as graphql-js completes it. What does not match the described schema is an Error in its place, so that this field is
 * null, `errors` names it with code UPSTREAM, and the rest of the answer stands; what exceeds the budget, likewise with WITHHELD.
 * String fields also take numbers and booleans, as their JSON text.
 */
function conform(value: JsonValue | undefined, shape: Shape, budget: AnswerBudget, info: Info): unknown {
  if (value === null || value === undefined) return null
  if (!fits(budget, value, shape.kind === 'leaf' && shape.scalar === 'JSON', info))
    return gap(budget, 'WITHHELD', 'the answer is too large with all that the query selects of it: select less')
  if (shape.kind === 'list')
    return Array.isArray(value) ? value.map((item) => conform(item, shape.of.shape, budget, info)) : mismatch(budget, 'a list')
  if (shape.kind === 'object') return isJsonObject(value) ? value : mismatch(budget, 'an object')
  const { takes, wanted } = LEAVES[shape.scalar]
  if (!takes(value)) return mismatch(budget, wanted)
  return shape.scalar === 'String' && typeof value !== 'string' ? JSON.stringify(value) : value
}

/** Any value, within the budget. */
export const asJson = (value: JsonValue, budget: AnswerBudget, info: Info): unknown => conform(value, ANY.shape, budget, info)

const LEAVES: Readonly<Record<ScalarName, { wanted: string; takes: (value: JsonValue) => boolean }>> = {
  String: { wanted: 'a string', takes: (value) => typeof value !== 'object' },
  Boolean: { wanted: 'a boolean', takes: (value) => typeof value === 'boolean' },
  Int: { wanted: 'a 32-bit integer', takes: (value) => typeof value === 'number' && (value | 0) === value },
  SafeInt: { wanted: 'an integer', takes: (value) => Number.isSafeInteger(value) },
  Float: { wanted: 'a number', takes: (value) => typeof value === 'number' },
  JSON: { wanted: 'JSON', takes: () => true },
}

const mismatch = (budget: AnswerBudget, wanted: string) =>
  gap(budget, 'UPSTREAM', `the answer does not match its described schema: expected ${wanted}`)
