import { isJsonObject, type JsonObject, type JsonValue } from '../../gateway/core/json.ts'
import type { JsonSchema } from '../../gateway/core/operation.ts'
import type { UpstreamAnswer } from '../../gateway/ports/connector.ts'

/**
 * What a tool without an `outputSchema` answers with: its texts, joined by a blank line, and its other content (images, audio, links,
 * resources) as items.
 */
export const TEXT_SCHEMA: JsonSchema = {
  type: 'object',
  properties: { text: { type: 'string' }, items: { type: 'array', items: { type: 'object', additionalProperties: true } } },
  required: ['text'],
}

/** Members of a content item that are handed on. `_meta` and whatever else an upstream adds are dropped. */
const ITEM_MEMBERS = ['type', 'data', 'mimeType', 'uri', 'name', 'title', 'description', 'size'] as const
const RESOURCE_MEMBERS = ['uri', 'mimeType', 'text', 'blob'] as const

/**
 * A tool's result (MCP 2026-07-28, server/tools) as an answer: 200 with `structuredContent` where there is one, else `TEXT_SCHEMA`; a tool's own error
 * is 422 with `{text}`.
 */
export function answerOf(result: { content?: unknown; structuredContent?: unknown; isError?: unknown }): UpstreamAnswer {
  const content = (Array.isArray(result.content) ? result.content : []).filter(isJsonObject)
  const text = content.flatMap((item) => (item.type === 'text' && typeof item.text === 'string' ? [item.text] : [])).join('\n\n')
  if (result.isError === true) return jsonAnswer(422, { text })
  if (result.structuredContent !== undefined) return jsonAnswer(200, result.structuredContent as JsonValue)
  const items = content.filter((item) => item.type !== 'text').map(itemOf)
  return jsonAnswer(200, items.length > 0 ? { text, items } : { text })
}

function itemOf(item: JsonObject): JsonObject {
  const kept = pick(item, ITEM_MEMBERS)
  return isJsonObject(item.resource) ? { ...kept, resource: pick(item.resource, RESOURCE_MEMBERS) } : kept
}

function pick(from: JsonObject, members: readonly string[]): JsonObject {
  const kept: JsonObject = {}
  for (const member of members) {
    const value = Object.hasOwn(from, member) ? from[member] : undefined
    if (value !== undefined) kept[member] = value
  }
  return kept
}

/** A JSON answer with one chunk. */
export function jsonAnswer(status: number, value: JsonValue): UpstreamAnswer {
  const bytes = Buffer.from(JSON.stringify(value))
  return { status, headers: { 'content-type': 'application/json' }, body: oneChunk(bytes) }
}

async function* oneChunk(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
