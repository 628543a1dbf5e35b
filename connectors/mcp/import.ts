import { Client } from '@modelcontextprotocol/client'
import { GatewayError } from '../../gateway/core/errors.ts'
import { isJsonObject, type JsonObject } from '../../gateway/core/json.ts'
import { LIMITS } from '../../gateway/limits.ts'
import type { Manifest } from '../../gateway/ports/connector.ts'
import type { Outbound } from '../../gateway/ports/dialer.ts'
import type { Lease } from '../../gateway/ports/vault.ts'
import { SourceFaults } from '../faults.ts'
import { type Imported, imported } from '../imported.ts'
import { endpointOf, mcpKind } from './kind.ts'
import { type McpLock, readTool } from './lock.ts'

export interface McpImport {
  connector: string
  region: string
  /** Path of the manifest to be: relative arguments of a process are read from there. */
  file: string
  /** Path of the lock file as the manifest will name it. */
  source: string
  baseUrl?: string
  stdio?: { command: string; args: readonly string[] }
  /** For `baseUrl`: what the connector may reach, and its credential where it needs one. */
  outbound: Outbound
  lease?: Lease
}

/**
 * Connects to an MCP server once, reads its tools, and gives the lock file and a manifest for review; calls no tool. Throws CONFIG_INVALID where the server
 * cannot be reached or described.
 */
export async function importMcp({ lease, outbound, source, ...draft }: McpImport): Promise<Imported> {
  const lock = await readServer(draft, source, outbound, lease ?? null)
  const text = `${JSON.stringify(lock, null, 2)}\n`
  const manifest: Manifest = { ...draft, kind: 'mcp', source: { path: source, text }, egress: [], operations: { overrides: {} } }
  const connector = mcpKind.load(manifest, outbound)
  const { file: _, ...rest } = draft
  return { ...imported({ ...rest, kind: 'mcp', source }, connector), lock: text }
}

async function readServer(
  draft: Omit<McpImport, 'outbound' | 'lease' | 'source'>,
  source: string,
  outbound: Outbound,
  lease: Lease | null,
): Promise<McpLock> {
  const faults = new SourceFaults({ file: draft.file, source: { path: source, text: '' } })
  const endpoint = endpointOf(draft, outbound, faults)
  faults.refuse()
  const client = new Client(
    { name: 'gatehouse', version: '1' },
    {
      capabilities: {},
      versionNegotiation: { mode: endpoint.stdio ? 'legacy' : 'auto', probe: { timeoutMs: LIMITS.mcpConnectTimeoutMsMax } },
    },
  )
  const transport = endpoint.open(lease)
  try {
    await client.connect(transport, { timeout: LIMITS.mcpConnectTimeoutMsMax })
    const { tools } = await client.listTools(undefined, { timeout: LIMITS.mcpConnectTimeoutMsMax, cacheMode: 'bypass' })
    const server: unknown = client.getServerVersion()
    return {
      kind: 'mcp',
      ...(isJsonObject(server) ? { server: { name: String(server.name), version: String(server.version) } } : {}),
      tools: tools.flatMap((tool) => readTool(tool as unknown as JsonObject) ?? []),
    }
  } catch (cause) {
    throw new GatewayError('CONFIG_INVALID', `the MCP server of \`${draft.connector}\` cannot be reached or does not speak MCP`, { cause })
  } finally {
    await client.close().catch(() => undefined)
    await transport.close().catch(() => undefined)
  }
}
