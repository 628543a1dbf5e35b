import type { CallToolResult } from '@modelcontextprotocol/server'
import { isJsonObject } from '../../core/json.ts'
import type { JsonObject, JsonValue } from '../../core/json.ts'

type Content = CallToolResult['content'][number]

/**
 * The content blocks of an operation whose answer is `content`: its text, then pictures, sound, links and embedded resources as what they are
 * (2025-11-25 server/tools, "Tool Result"). Null where the value is not of that form. Only the members that the specification gives a block are
 * kept: an upstream's `_meta` and annotations never reach an agent. What is masked of them is said in a text, or left out.
 */
export function mcpContent(value: JsonValue, isMasked: boolean): CallToolResult | null {
  if (!isJsonObject(value)) return null
  const text = isMasked && value.text === null ? MASKED : value.text
  const items = isMasked && value.items === null ? [] : (value.items ?? [])
  if (typeof text !== 'string' || !Array.isArray(items)) return null
  const content: Content[] = text === '' && items.length > 0 ? [] : [{ type: 'text', text }]
  for (const raw of items) {
    const block = isJsonObject(raw) ? blockOf(raw) : null
    if (block !== null) content.push(block)
    else if (!isMasked) return null
  }
  return { content: content.length === 0 ? [{ type: 'text', text: MASKED }] : content }
}

const MASKED = 'The answer is masked: you may not read it.'

function blockOf({ type, data, mimeType, uri, name, title, description, resource }: JsonObject): Content | null {
  if ((type === 'image' || type === 'audio') && typeof data === 'string' && typeof mimeType === 'string') return { type, data, mimeType }
  if (type === 'resource_link' && typeof uri === 'string' && typeof name === 'string')
    return { type, uri, name, ...words({ title, description, mimeType }) }
  if (type === 'resource' && isJsonObject(resource) && typeof resource.uri === 'string') {
    const at = { uri: resource.uri, ...words({ mimeType: resource.mimeType }) }
    if (typeof resource.text === 'string') return { type, resource: { ...at, text: resource.text } }
    if (typeof resource.blob === 'string') return { type, resource: { ...at, blob: resource.blob } }
  }
  return null
}

const words = (members: Record<string, JsonValue | undefined>): Record<string, string> =>
  Object.fromEntries(Object.entries(members).filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
