import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import { Pool } from 'undici'
import { z } from 'zod'

/** The MCP server that stands behind `mcp-proxy`: the same tool, the same upstream call. */
const [upstreamUrl = '', apiKey = ''] = process.argv.slice(2)
process.stdin.on('end', () => process.exit(0))
const pool = new Pool(upstreamUrl, { connections: 128 })
const server = new McpServer({ name: 'crm', version: '1.0.0' })
const inputSchema = { customerId: z.string(), limit: z.number().int().optional() }
server.registerTool('crm_getCustomer', { description: 'Reads a customer.', inputSchema }, async ({ customerId, limit }) => {
  const path = `/customers/${encodeURIComponent(customerId)}?limit=${limit}`
  const { body } = await pool.request({ method: 'GET', path, headers: { accept: 'application/json', 'x-api-key': apiKey } })
  const value = (await body.json()) as Record<string, unknown>
  return { content: [{ type: 'text', text: JSON.stringify(value) }], structuredContent: value }
})
await server.connect(new StdioServerTransport())
