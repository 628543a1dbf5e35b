import { isJsonObject, type JsonObject, type JsonValue } from '../../gateway/core/json.ts'

export const READ_CLASS = 'readClass'
export const DATA_CLASS = 'Gatehouse::DataClass'

/** Whether a policy's action scope names `Gatehouse::Action::"readClass"` alone, beside operations, or not at all. */
export function classScope(policy: JsonObject): 'alone' | 'beside' | 'none' {
  const { action } = policy
  if (!isJsonObject(action)) return 'none'
  const named: JsonValue[] = Array.isArray(action.entities) ? action.entities : action.entity === undefined ? [] : [action.entity]
  const classes = named.filter((entity) => {
    const { type, id } = isJsonObject(entity) ? (isJsonObject(entity.__entity) ? entity.__entity : entity) : {}
    return type === 'Gatehouse::Action' && id === READ_CLASS
  })
  if (classes.length === 0) return 'none'
  return classes.length === named.length ? 'alone' : 'beside'
}
