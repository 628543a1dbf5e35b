import type { ValueNode } from 'graphql'
import { GraphQLBoolean, GraphQLError, GraphQLInt, GraphQLScalarType, GraphQLString, Kind } from 'graphql'
import type { JsonObject, JsonValue } from '../../gateway/core/json.ts'
import { isJsonObject } from '../../gateway/core/json.ts'

export type ScalarName = 'String' | 'Int' | 'SafeInt' | 'Float' | 'Boolean' | 'JSON'

/** With the literal where there is one, so that the error names its place. */
const refuse = (message: string, node?: ValueNode): GraphQLError => new GraphQLError(message, node ? { nodes: node } : {})

function safeInteger(value: unknown, node?: ValueNode): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw refuse('expected an integer between -(2^53 - 1) and 2^53 - 1', node)
  return value
}

function finite(value: unknown, node?: ValueNode): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw refuse('expected a finite number', node)
  return value
}

/** The number of an integer or float literal. Refuses integers that would lose digits and floats that overflow. */
function literalNumber(node: ValueNode): number {
  if (node.kind === Kind.INT) return safeInteger(Number(node.value), node)
  if (node.kind === Kind.FLOAT) return finite(Number(node.value), node)
  throw refuse('expected a number', node)
}

export const SafeInt: GraphQLScalarType = new GraphQLScalarType({
  name: 'SafeInt',
  description: 'An integer between -(2^53 - 1) and 2^53 - 1.',
  serialize: (value) => safeInteger(value),
  parseValue: (value) => safeInteger(value),
  parseLiteral: (node) => {
    if (node.kind !== Kind.INT) throw refuse('expected an integer', node)
    return literalNumber(node)
  },
})

/** Stands in for the specified Float, whose literals overflow to Infinity and round integers above 2^53. */
export const StrictFloat: GraphQLScalarType = new GraphQLScalarType({
  name: 'Float',
  description: 'A finite double-precision number (IEEE 754).',
  serialize: (value) => finite(value),
  parseValue: (value) => finite(value),
  parseLiteral: (node) => literalNumber(node),
})

/** A value that arrived as JSON: finite numbers and well-formed text only. */
function jsonValue(value: unknown): JsonValue {
  if (value === null || typeof value === 'boolean') return value
  if (typeof value === 'number') return finite(value)
  if (typeof value === 'string') {
    if (!value.isWellFormed()) throw refuse('a string has a lone surrogate')
    return value
  }
  if (Array.isArray(value)) return value.map((item) => jsonValue(item))
  if (!isJsonObject(value)) throw refuse('JSON takes a JSON value')
  const object: JsonObject = {}
  for (const [key, member] of Object.entries(value)) set(object, key, jsonValue(member))
  return object
}

function set(object: JsonObject, key: string, value: JsonValue, node?: ValueNode): void {
  if (key === '__proto__') throw refuse('the key `__proto__` is not accepted', node)
  if (Object.hasOwn(object, key)) throw refuse(`duplicate key \`${key}\``, node)
  object[key] = value
}

type Variables = Record<string, unknown> | null | undefined

/** Undefined for a variable without a value: absent in an object, null in a list (October 2021, 6.4.1). */
function jsonLiteral(node: ValueNode, variables: Variables): JsonValue | undefined {
  switch (node.kind) {
    case Kind.NULL:
      return null
    case Kind.BOOLEAN:
      return node.value
    case Kind.STRING:
      return jsonValue(node.value)
    case Kind.INT:
    case Kind.FLOAT:
      return literalNumber(node)
    case Kind.ENUM:
      throw refuse(`JSON has no bare names: write "${node.value}" in quotes`, node)
    case Kind.VARIABLE: {
      const value = variables && Object.hasOwn(variables, node.name.value) ? variables[node.name.value] : undefined
      return value === undefined ? undefined : jsonValue(value)
    }
    case Kind.LIST:
      return node.values.map((item) => jsonLiteral(item, variables) ?? null)
    case Kind.OBJECT: {
      const object: JsonObject = {}
      for (const field of node.fields) {
        const value = jsonLiteral(field.value, variables)
        if (value !== undefined) set(object, field.name.value, value, field.value)
      }
      return object
    }
  }
}

export const Json: GraphQLScalarType = new GraphQLScalarType({
  name: 'JSON',
  description: 'Any JSON value. Integers beyond 2^53 - 1 are refused: send them as strings.',
  serialize: (value) => value,
  parseValue: (value) => jsonValue(value),
  parseLiteral: (node, variables) => jsonLiteral(node, variables) ?? null,
})

export const SCALARS: Readonly<Record<ScalarName, GraphQLScalarType>> = {
  String: GraphQLString,
  Int: GraphQLInt,
  SafeInt,
  Float: StrictFloat,
  Boolean: GraphQLBoolean,
  JSON: Json,
}
