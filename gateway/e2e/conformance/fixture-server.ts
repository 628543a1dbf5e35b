import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import { type EventStore, StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import {
  CallToolRequestSchema,
  type JSONRPCMessage,
  ListToolsRequestSchema,
  SetLevelRequestSchema,
} from '@modelcontextprotocol/sdk/types.js'
import { TOOLS, type FixtureTool } from './fixture-tools.ts'

export interface FixtureServer {
  /** Serves the tools under the names that the suite asks for. */
  url: string
  /** Serves the tools whose names begin with the connector's, without that beginning: behind the gateway they have the suite's names again. */
  urlFor(connector: string): string
  close(): Promise<void>
}

/** The tools of one connector, by the names they have at the system. */
export const toolsOf = (connector: string): readonly FixtureTool[] =>
  TOOLS.filter(({ name }) => name.startsWith(`${connector}_`)).map((tool) => ({ ...tool, name: tool.name.slice(connector.length + 1) }))

function serverOf(tools: readonly FixtureTool[]): Server {
  const server = new Server({ name: 'fixture', version: '1.0.0' }, { capabilities: { tools: {}, logging: {} } })
  server.setRequestHandler(ListToolsRequestSchema, () => ({
    tools: tools.map(({ name, description, inputSchema }) => ({ name, description, inputSchema })),
  }))
  server.setRequestHandler(SetLevelRequestSchema, () => ({}))
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
    const tool = tools.find(({ name }) => name === params.name)
    if (!tool) return { isError: true, content: [{ type: 'text', text: 'no such tool' }] }
    return await tool.run(params.arguments ?? {}, extra)
  })
  return server
}

/** The events of one session, so that streams can be resumed. */
class EventLog implements EventStore {
  readonly #events: { streamId: string; message: JSONRPCMessage }[] = []

  async storeEvent(streamId: string, message: JSONRPCMessage): Promise<string> {
    return String(this.#events.push({ streamId, message }) - 1)
  }

  async getStreamIdForEventId(id: string): Promise<string | undefined> {
    return this.#events[Number(id)]?.streamId
  }

  async replayEventsAfter(id: string, { send }: Parameters<EventStore['replayEventsAfter']>[1]): Promise<string> {
    const streamId = this.#events[Number(id)]?.streamId ?? ''
    // What opens a stream is stored as an event without a message.
    for (const [at, event] of this.#events.entries())
      if (at > Number(id) && event.streamId === streamId && 'jsonrpc' in event.message) await send(String(at), event.message)
    return streamId
  }
}

/** An MCP server on the official SDK: revision 2025-11-25 with sessions and streams that can be resumed, protected against DNS rebinding. */
export async function startFixtureServer(): Promise<FixtureServer> {
  const sessions = new Map<string, StreamableHTTPServerTransport>()
  let host = ''
  const handle = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const known = sessions.get(String(req.headers['mcp-session-id']))
    if (known) return await known.handleRequest(req, res)
    const connector = /^\/of\/(\w+)$/.exec(req.url ?? '')?.[1]
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void sessions.set(id, transport),
      enableDnsRebindingProtection: true,
      allowedHosts: [host],
      allowedOrigins: [`http://${host}`],
      eventStore: new EventLog(),
      retryInterval: 50,
    })
    // The declared types of this version do not satisfy exactOptionalPropertyTypes.
    await serverOf(connector === undefined ? TOOLS : toolsOf(connector)).connect(transport as Parameters<Server['connect']>[0])
    await transport.handleRequest(req, res)
  }
  const http = createServer((req, res) => void handle(req, res).catch(() => res.destroy()))
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  host = `127.0.0.1:${(http.address() as AddressInfo).port}`
  return {
    url: `http://${host}/mcp`,
    urlFor: (connector) => `http://${host}/of/${connector}`,
    close: () =>
      new Promise((resolve) => {
        http.close(() => resolve())
        http.closeAllConnections()
      }),
  }
}
