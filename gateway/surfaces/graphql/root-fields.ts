import type {
  DocumentNode,
  FieldNode,
  FragmentDefinitionNode,
  GraphQLObjectType,
  OperationDefinitionNode,
  SelectionNode,
  SelectionSetNode,
} from 'graphql'
import { GraphQLError, GraphQLIncludeDirective, GraphQLSkipDirective, getArgumentValues, getDirectiveValues, Kind } from 'graphql'
import type { JsonObject } from '../../core/json.ts'
import type { Operation } from '../../core/operation.ts'
import type { BoundOperation } from '../../ports/agent-view.ts'

/** One root field that execution will run, with the operation and the arguments that it stands for. */
export interface RootCall {
  responseKey: string
  operation: Operation
  input: JsonObject
}

export interface RootCalls {
  /** In document order. */
  runnable: readonly RootCall[]
  /** Fields whose arguments do not coerce: execution refuses them with their own error, and nothing is admitted for them. */
  faulty: readonly { asked: string; message: string }[]
}

/**
 * The governed root fields that graphql-js will execute, in document order: CollectFields of October 2021, 6.3.2 (skip, include, fragments; fields with
 * one response key are one), arguments coerced by graphql-js itself. Throws GraphQLError where `@skip` or `@include` has no value.
 */
export function rootCalls(
  document: DocumentNode,
  operation: OperationDefinitionNode,
  root: GraphQLObjectType,
  variables: Record<string, unknown>,
): RootCalls {
  const fields = new Map<string, FieldNode>()
  const collector = new Collector(document, root.name, variables, fields)
  collector.collect(operation.selectionSet)
  const runnable: RootCall[] = []
  const faulty: { asked: string; message: string }[] = []
  for (const [responseKey, node] of fields) {
    const field = root.getFields()[node.name.value]
    const bound = field?.extensions.bound as BoundOperation | undefined
    if (!field || !bound) continue
    try {
      const input = bound.toInput(getArgumentValues(field, node, variables))
      runnable.push({ responseKey, operation: bound.operation, input })
    } catch (error) {
      if (!(error instanceof GraphQLError)) throw error
      faulty.push({ asked: node.name.value, message: error.message })
    }
  }
  return { runnable, faulty }
}

class Collector {
  private readonly fragments = new Map<string, FragmentDefinitionNode>()
  private readonly visited = new Set<string>()

  constructor(
    document: DocumentNode,
    private readonly rootName: string,
    private readonly variables: Record<string, unknown>,
    private readonly fields: Map<string, FieldNode>,
  ) {
    for (const definition of document.definitions)
      if (definition.kind === Kind.FRAGMENT_DEFINITION) this.fragments.set(definition.name.value, definition)
  }

  collect(set: SelectionSetNode): void {
    for (const selection of set.selections) {
      if (selection.kind === Kind.FIELD) {
        const key = selection.alias?.value ?? selection.name.value
        if (this.included(selection) && !this.fields.has(key)) this.fields.set(key, selection)
      } else if (selection.kind === Kind.INLINE_FRAGMENT) {
        if (this.included(selection) && this.applies(selection.typeCondition?.name.value)) this.collect(selection.selectionSet)
      } else {
        const name = selection.name.value
        if (this.visited.has(name) || !this.included(selection)) continue
        this.visited.add(name)
        const fragment = this.fragments.get(name)
        if (fragment && this.applies(fragment.typeCondition.name.value)) this.collect(fragment.selectionSet)
      }
    }
  }

  private applies(condition: string | undefined): boolean {
    return condition === undefined || condition === this.rootName
  }

  private included(node: SelectionNode): boolean {
    if (!node.directives || node.directives.length === 0) return true
    if (getDirectiveValues(GraphQLSkipDirective, node, this.variables)?.if === true) return false
    return getDirectiveValues(GraphQLIncludeDirective, node, this.variables)?.if !== false
  }
}
