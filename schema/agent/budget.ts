import type { FragmentDefinitionNode, GraphQLResolveInfo, SelectionSetNode } from 'graphql'
import { GraphQLError, Kind } from 'graphql'
import type { JsonValue } from '../../gateway/core/json.ts'
import type { AnswerBudget } from '../../gateway/ports/agent-view.ts'

const FIELD_CHARS = 16

/** What a value that cannot stand gives way to: an error while the answer has room for errors, else null alone. */
export function gap(budget: AnswerBudget, code: 'UPSTREAM' | 'WITHHELD', message: string): GraphQLError | null {
  return budget.errorsLeft-- > 0 ? new GraphQLError(message, { extensions: { code } }) : null
}

/**
 * Takes one value of an answer out of its budget, so that no document, by aliases, makes an answer much larger than what upstream sent.
 * False where it no longer fits. Lists have to fit with all fields that are selected of their items, before the first is looked at.
 */
export function fits(
  budget: AnswerBudget,
  value: JsonValue,
  isJson: boolean,
  info: Pick<GraphQLResolveInfo, 'fieldNodes' | 'fragments'>,
): boolean {
  budget.charsLeft -= FIELD_CHARS
  if (typeof value === 'string') budget.charsLeft -= value.length
  else if (isJson) budget.charsLeft -= jsonChars(value)
  else if (Array.isArray(value)) {
    const fields = info.fieldNodes.reduce((sum, { selectionSet }) => sum + (selectionSet ? selected(selectionSet, info.fragments) : 1), 0)
    return value.length * fields * FIELD_CHARS <= budget.charsLeft
  }
  return budget.charsLeft >= 0
}

const measured = new WeakMap<object, number>()

function jsonChars(value: JsonValue): number {
  if (value === null || typeof value !== 'object') return typeof value === 'string' ? value.length + 2 : FIELD_CHARS
  const known = measured.get(value)
  if (known !== undefined) return known
  let chars = 2
  if (Array.isArray(value)) for (const item of value) chars += 1 + jsonChars(item)
  else for (const [key, member] of Object.entries(value)) chars += key.length + 4 + jsonChars(member)
  measured.set(value, chars)
  return chars
}

const counted = new WeakMap<SelectionSetNode, number>()

/** Fields of a selection set, fragments expanded. Documents are validated before they run, so fragments have no cycles. */
function selected(set: SelectionSetNode, fragments: Readonly<Record<string, FragmentDefinitionNode>>): number {
  const known = counted.get(set)
  if (known !== undefined) return known
  let count = 0
  for (const selection of set.selections) {
    if (selection.kind === Kind.FIELD) count += 1 + (selection.selectionSet ? selected(selection.selectionSet, fragments) : 0)
    else {
      const inner = selection.kind === Kind.INLINE_FRAGMENT ? selection : fragments[selection.name.value]
      count += inner ? selected(inner.selectionSet, fragments) : 0
    }
  }
  counted.set(set, count)
  return count
}
