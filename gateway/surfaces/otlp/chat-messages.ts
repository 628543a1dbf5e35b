import type { AccountMessage } from '../../core/account.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../../core/json.ts'
import { parseJson } from '../../core/json-text.ts'
import { LIMITS } from '../../limits.ts'

type Side = AccountMessage['side']

const text = (value: JsonValue | undefined): string =>
  typeof value === 'string' ? value : value === undefined ? '' : JSON.stringify(value)

const firstText = (object: JsonObject, ...names: readonly string[]): string | null => {
  for (const name of names) if (typeof object[name] === 'string') return object[name]
  return null
}

/** A list or object that stands as JSON text, as attributes have to hold it where they hold texts only; any other value as it is. */
export function unwrapped(value: JsonValue): JsonValue {
  if (typeof value !== 'string' || !/^\s*[[{]/.test(value)) return value
  try {
    return parseJson(value, LIMITS.accountDepthMax)
  } catch {
    return value
  }
}

/**
 * Messages in any of the forms in which frameworks put them into attributes: GenAI conventions (`parts`), OpenAI and AI SDK (`content`, `tool_calls`), one text,
 * or a list of any of these. What is neither words nor about a tool is told by its type in brackets.
 */
export function messagesIn(value: JsonValue, side: Side, role: string): AccountMessage[] {
  const said = unwrapped(value)
  if (Array.isArray(said))
    return said.flatMap((item) => (isJsonObject(item) && !isPart(item) ? ofMessage(item, side, role) : ofPart(item, side, role)))
  return isJsonObject(said) && !isPart(said) ? ofMessage(said, side, role) : ofPart(said, side, role)
}

/** Parts have a type and no role; calls of tools in the AI SDK's own list have not even that. */
const isPart = ({ type, role, toolName }: JsonObject): boolean =>
  role === undefined && (typeof type === 'string' || typeof toolName === 'string')

function ofMessage(message: JsonObject, side: Side, fallback: string): AccountMessage[] {
  const inner = message.message
  if (isJsonObject(inner)) return ofMessage(inner, side, fallback)
  const role = firstText(message, 'role') ?? fallback
  const content = message.parts ?? message.content ?? message.contents ?? message.text ?? message.prompt
  const system = message.system === undefined ? [] : messagesIn(message.system, side, 'system')
  const nested = Array.isArray(message.messages) ? messagesIn(message.messages, side, role) : []
  const calls = message.tool_calls ?? message.toolCalls
  const asked = Array.isArray(calls) ? calls.flatMap((call) => (isJsonObject(call) ? [toolCall(call, side)] : [])) : []
  const isResult = role === 'tool' && typeof content === 'string'
  const said = isResult
    ? [{ side, role, text: content, tool: firstText(message, 'name', 'tool_call_id') ?? 'tool' }]
    : content === undefined || content === null
      ? []
      : partsOf(content, side, role)
  const all = [...system, ...nested, ...said, ...asked]
  return all.length > 0 || Object.keys(message).every((name) => name === 'role')
    ? all
    : [{ side, role, text: JSON.stringify(message), tool: null }]
}

const partsOf = (content: JsonValue, side: Side, role: string): AccountMessage[] =>
  Array.isArray(content) ? content.flatMap((part) => ofPart(part, side, role)) : ofPart(content, side, role)

const CALLS: ReadonlySet<string> = new Set(['tool_call', 'tool-call', 'tool_use', 'function_call', 'server_tool_call'])
const RESULTS: ReadonlySet<string> = new Set([
  'tool_call_response',
  'tool-result',
  'tool_result',
  'function_call_output',
  'server_tool_call_response',
])

function ofPart(part: JsonValue, side: Side, role: string): AccountMessage[] {
  if (!isJsonObject(part)) return part === null || part === '' ? [] : [{ side, role, text: text(part), tool: null }]
  const inner = part.message_content
  if (isJsonObject(inner)) return ofPart(inner, side, role)
  const type = firstText(part, 'type') ?? ''
  if (CALLS.has(type) || (type === '' && part.toolName !== undefined)) return [toolCall(part, side)]
  if (RESULTS.has(type)) {
    const result = part.response ?? part.result ?? part.output ?? part.content
    return [
      { side, role: 'tool', text: text(result), tool: firstText(part, 'name', 'toolName', 'id', 'tool_call_id', 'toolCallId') ?? 'tool' },
    ]
  }
  const words = firstText(part, 'content', 'text', 'thinking')
  if (words !== null)
    return words === '' ? [] : [{ side, role: type === 'reasoning' || type === 'thinking' ? 'reasoning' : role, text: words, tool: null }]
  return [{ side, role, text: `[${type || 'unknown'}]`, tool: null }]
}

function toolCall(call: JsonObject, side: Side): AccountMessage {
  const wrapped = call.tool_call ?? call
  const own = isJsonObject(wrapped) ? wrapped : call
  const named = isJsonObject(own.function) ? own.function : own
  const given = named.arguments ?? named.input ?? named.args
  return { side, role: 'assistant', text: text(given), tool: firstText(named, 'name', 'toolName') ?? 'tool' }
}
