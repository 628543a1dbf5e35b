import { describe } from 'vitest'
import { connectorConformance } from '../connector.conformance.ts'
import { httpServer, loadMcp, type McpTestServer, mcpManifest, processServer } from './fixture-mcp.ts'

const operations = { overrides: { echo: { idempotency: { kind: 'key-header', header: 'X-Idempotency' } as const } } }
const subject = (start: () => Promise<McpTestServer>, credentials: boolean) => ({
  credentials,
  start,
  manifest: (upstream: unknown) => mcpManifest(upstream as McpTestServer, { operations }),
  load: loadMcp,
  hugeKind: 'too_large' as const,
  failStatus: 500,
})

describe('mcp over HTTP with JSON answers', () => {
  connectorConformance(subject(() => httpServer(), true))
})
describe('mcp over HTTP with event streams', () => {
  connectorConformance(subject(() => httpServer({ sse: true }), true))
})
describe('mcp as a process', () => {
  connectorConformance(subject(() => processServer(), false))
})
