import { canonicalJson, isJsonObject, type JsonObject, type JsonValue } from '../../gateway/core/json.ts'
import { parseJson } from '../../gateway/core/json-text.ts'
import { GatewayError } from '../../gateway/core/errors.ts'
import { LIMITS } from '../../gateway/limits.ts'
import type { Manifest } from '../../gateway/ports/connector.ts'
import { sha256 } from '../describe.ts'
import type { SourceFaults } from '../faults.ts'

const NESTING_MAX = 200

/** A tool as its server describes it; what else the server says (annotations, icons, `_meta`) decides nothing. */
export interface ReviewedTool {
  name: string
  title?: string
  description: string
  inputSchema: JsonObject
  outputSchema?: JsonObject
}

/** The reviewed description of an MCP server: the file that `connector import mcp` writes and people read. */
export interface McpLock {
  kind: 'mcp'
  server?: { name: string; version: string }
  tools: ReviewedTool[]
}

/** The members of a tool that a review covers. Undefined where it is no tool. */
export function readTool(value: JsonValue | undefined): ReviewedTool | undefined {
  if (!isJsonObject(value) || typeof value.name !== 'string' || value.name === '' || !isJsonObject(value.inputSchema)) return undefined
  const { name, title, description, inputSchema, outputSchema } = value
  return {
    name,
    ...(typeof title === 'string' ? { title } : {}),
    description: typeof description === 'string' ? description : '',
    inputSchema,
    ...(isJsonObject(outputSchema) ? { outputSchema } : {}),
  }
}

/** SHA-256 hex over JCS of what was reviewed: equal exactly while nothing that an agent or a policy reads has changed. */
export function toolDigest({ name, title, description, inputSchema, outputSchema }: ReviewedTool): string {
  return sha256(canonicalJson({ name, title: title ?? null, description, inputSchema, outputSchema: outputSchema ?? null }))
}

/**
 * Reads a lock file: `{kind: 'mcp', server, tools}`, or a bare `tools/list` result. Malformed JSON, duplicate keys and tools that are none
 * are faults.
 */
export function readLock(source: Manifest['source'], faults: SourceFaults): ReviewedTool[] {
  let root: JsonValue
  try {
    root = parseJson(source.text, NESTING_MAX)
  } catch (error) {
    const [fault] = error instanceof GatewayError ? error.faults : []
    faults.source((fault?.pointer ?? '').split('/').slice(1), fault?.message ?? 'malformed JSON')
    return []
  }
  const list = isJsonObject(root) ? root.tools : undefined
  if (!isJsonObject(root) || !Array.isArray(list) || (root.kind !== undefined && root.kind !== 'mcp')) {
    faults.source([], 'not a lock file of an MCP server; make one with `gatehouse connector import mcp`')
    return []
  }
  if (list.length > LIMITS.operationsMax) faults.source(['tools'], `more than ${LIMITS.operationsMax} tools`)
  return list.slice(0, LIMITS.operationsMax).flatMap((item, i) => {
    const tool = readTool(item)
    if (!tool) faults.source(['tools', String(i)], 'a tool needs a `name` and an `inputSchema`')
    return tool ? [tool] : []
  })
}
