import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Tool } from '@modelcontextprotocol/server'
import { isJsonObject } from '../../core/json.ts'
import type { JsonObject, JsonValue } from '../../core/json.ts'
import type { Operation } from '../../core/operation.ts'
import { LIMITS } from '../../limits.ts'
import type { Log } from '../../ports/telemetry.ts'
import { publishedOutput } from './output-schema.ts'
import { OWN_TOOLS } from './own-tools.ts'
import { quoted, RPC, RpcError } from './rpc.ts'

/** One page of tools/list as JSON text: the array, and the cursor of the next page where there is one. */
export interface ToolPage {
  tools: string
  nextCursor?: string
}

/**
 * The tools of a view as prebuilt pages. A view is listed once and remembered under its key, bounded by count and size; a tool's text is built
 * once for each operation. Order: by name, our own two last (2026-07-28 server/tools, "Capabilities": deterministic).
 */
export class ToolLists {
  private readonly views = new LRUCache<string, readonly ToolPage[]>({
    max: LIMITS.mcpViewsMax,
    maxSize: LIMITS.mcpViewsCharsMax,
    sizeCalculation: (pages) => pages.reduce((sum, page) => sum + page.tools.length, 1),
  })
  private readonly texts = new WeakMap<Operation, string>()
  private readonly log: Log

  constructor(log: Log) {
    this.log = log
  }

  /** The page at this cursor, the first without one. Throws RpcError -32602 for a cursor that this view never gave. */
  page(view: { key: string; operations: readonly Operation[] }, cursor: JsonValue | undefined): ToolPage {
    const pages = this.views.get(view.key) ?? this.build(view)
    if (cursor === undefined) return pages[0] ?? { tools: '[]' }
    const page = typeof cursor === 'string' ? pages[pages.findIndex((p) => p.nextCursor === cursor) + 1] : undefined
    if (page === undefined || page === pages[0])
      throw new RpcError(200, RPC.invalidParams, `unknown cursor ${quoted(String(cursor))}: list again from the start`)
    return page
  }

  private build(view: { key: string; operations: readonly Operation[] }): readonly ToolPage[] {
    const sorted = [...view.operations].sort((a, b) => (a.jointName < b.jointName ? -1 : 1))
    const texts = [...sorted.map((operation) => this.text(operation)), ...OWN_TOOLS.map((tool) => JSON.stringify(tool))]
    const pages: ToolPage[] = []
    for (let from = 0; from < texts.length; from += LIMITS.mcpToolsPerPageMax) {
      const tools = `[${texts.slice(from, from + LIMITS.mcpToolsPerPageMax).join(',')}]`
      const more = from + LIMITS.mcpToolsPerPageMax < texts.length
      // Bound to the page's text, so that a cursor of an older view is refused instead of skipping tools.
      pages.push(more ? { tools, nextCursor: createHash('sha256').update(tools).digest('base64url').slice(0, 22) } : { tools })
    }
    if (pages.length > 1)
      this.log.warn(
        { tools: texts.length, perPage: LIMITS.mcpToolsPerPageMax, pages: pages.length },
        'an agent may use more tools than fit on one page of tools/list: clients that read only the first page miss the rest',
      )
    this.views.set(view.key, pages)
    return pages
  }

  private text(operation: Operation): string {
    const known = this.texts.get(operation)
    if (known !== undefined) return known
    const text = JSON.stringify(toolOf(operation))
    this.texts.set(operation, text)
    return text
  }
}

/** An operation as a tool. Hints come from the reviewed manifest, never from the upstream's own claims. */
export function toolOf(operation: Operation): Tool {
  const { mode, reversibility, idempotency } = operation
  const outputSchema = publishedOutput(operation)
  const effect = EFFECT[mode === 'read' ? 'read-only' : reversibility]
  return {
    name: operation.jointName,
    ...(operation.title !== undefined && { title: operation.title }),
    description: operation.description === '' ? effect : `${operation.description}\n\n${effect}`,
    inputSchema: withoutHeaderMarks(operation.publishedInput ?? operation.inputSchema) as Tool['inputSchema'],
    ...(outputSchema !== undefined && { outputSchema: outputSchema as NonNullable<Tool['outputSchema']> }),
    annotations: {
      ...(operation.title !== undefined && { title: operation.title }),
      readOnlyHint: mode === 'read',
      destructiveHint: mode === 'write' && reversibility !== 'reversible',
      idempotentHint: mode === 'read' || idempotency.kind !== 'none',
      openWorldHint: true,
    },
  }
}

const EFFECT: Readonly<Record<Operation['reversibility'], string>> = {
  'read-only': 'Reads only.',
  reversible: 'Changes data; can be undone.',
  'externally-reversible': 'Changes data; can be undone only outside this system.',
  irreversible: 'Changes data; cannot be undone.',
}

/**
 * Drops `x-mcp-header` marks that came with an upstream's description: who publishes one has to check the mirrored headers
 * (2026-07-28 transports/streamable-http, "Server Behavior for Custom Headers"), and nothing here is routed by them.
 */
function withoutHeaderMarks(schema: JsonObject): JsonObject {
  if (!JSON.stringify(schema).includes('"x-mcp-header"')) return schema
  const clean = (value: JsonValue): JsonValue => {
    if (Array.isArray(value)) return value.map(clean)
    if (!isJsonObject(value)) return value
    const kept = Object.entries(value).filter(([key, inner]) => key !== 'x-mcp-header' || typeof inner !== 'string')
    return Object.fromEntries(kept.map(([key, inner]) => [key, clean(inner)]))
  }
  return clean(schema) as JsonObject
}
