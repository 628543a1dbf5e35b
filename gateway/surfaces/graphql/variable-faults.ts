import type { GraphQLSchema, VariableDefinitionNode } from 'graphql'
import { coerceInputValue, isInputType, isNonNullType, typeFromAST } from 'graphql'
import type { Fault } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'
import { pointerToken } from '../../core/json.ts'

const FAULTS_MAX = 20

/** Every place where variables do not have their types, as RFC 6901 pointers into the request. For requests that failed to coerce. */
export function variableFaults(schema: GraphQLSchema, definitions: readonly VariableDefinitionNode[], given: JsonObject): Fault[] {
  const faults: Fault[] = []
  for (const { variable, type: node, defaultValue } of definitions) {
    const name = variable.name.value
    const base = `/variables/${pointerToken(name)}`
    const type = typeFromAST(schema, node)
    if (!isInputType(type)) continue
    if (!Object.hasOwn(given, name)) {
      if (isNonNullType(type) && !defaultValue) faults.push({ pointer: base, message: `\`$${name}\` is required: ${String(type)}` })
      continue
    }
    coerceInputValue(
      given[name],
      type,
      (path, _value, error) => {
        const pointer = [...path, ...memberOf(error.message)].map((token) => `/${pointerToken(String(token))}`).join('')
        if (faults.length < FAULTS_MAX) faults.push({ pointer: `${base}${pointer}`, message: error.message })
      },
      true,
    )
  }
  return faults.slice(0, FAULTS_MAX)
}

/** graphql-js points to the object and names the member, undeclared or missing, in its message alone. */
const memberOf = (message: string): string[] => {
  const name = /^Field "?([_A-Za-z][_0-9A-Za-z]*)"? (?:is not defined by type|of required type)/.exec(message)?.[1]
  return name === undefined ? [] : [name]
}
