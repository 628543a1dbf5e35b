import type { ASTNode, DocumentNode, GraphQLError, ValueNode } from 'graphql'
import { BREAK, Kind, visit } from 'graphql'
import { pointerToken } from '../../core/json.ts'

/** RFC 6901 pointer into a field's arguments of the place that a validation error is about; null where it is about none. */
export function argumentPointer(document: DocumentNode, error: GraphQLError): string | null {
  const target = error.nodes?.[0]
  if (!target) return null
  const named = /\bargument "([^"]+)"/i.exec(error.message)?.[1]
  if (target.kind === Kind.FIELD) return named === undefined ? null : `/${pointerToken(named)}`
  let found: string | null = null
  visit(document, {
    Argument: (argument) => {
      const below = argument === target ? '' : pathTo(argument.value, target)
      if (below === null) return undefined
      found = `/${pointerToken(argument.name.value)}${below}`
      return BREAK
    },
  })
  return found
}

function pathTo(value: ValueNode, target: ASTNode): string | null {
  if (value === target) return ''
  if (value.kind === Kind.OBJECT) {
    for (const field of value.fields) {
      const below = field === target ? '' : pathTo(field.value, target)
      if (below !== null) return `/${pointerToken(field.name.value)}${below}`
    }
  }
  if (value.kind === Kind.LIST) {
    for (const [index, item] of value.values.entries()) {
      const below = pathTo(item, target)
      if (below !== null) return `/${index}${below}`
    }
  }
  return null
}
