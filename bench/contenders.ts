import { Child } from './child.ts'
import { writeOrganisation } from './organisation.ts'
import type { Kind, Target } from './workload.ts'

/** One thing under test: a way in, and the process whose time counts. */
export interface Contender {
  id: string
  title: string
  server: Child
  target: Target
  /** Whose calls per core-second this one is measured against, and how much of them it aims at. */
  peer?: { id: string; aim: number }
}

export type DatabaseKind = 'postgres' | 'pglite'

export interface Field {
  contenders: readonly Contender[]
  load: Child
  gateways: ReadonlyMap<DatabaseKind, Child>
  close(): Promise<void>
}

export interface FieldOptions {
  apiKey: string
  /** Where each gateway's configuration and data go. */
  folderOf(kind: DatabaseKind): string
  databases: readonly { kind: DatabaseKind; url: string }[]
}

const TITLES: Readonly<Record<DatabaseKind, string>> = { postgres: 'PostgreSQL', pglite: 'PGlite' }
const DOORS: readonly { kind: Kind; title: string; peer: string; aim: number }[] = [
  { kind: 'read', title: '`/proxy` GET', peer: 'pass-read', aim: 0.3 },
  { kind: 'write', title: '`/proxy` POST', peer: 'pass-write', aim: 0.3 },
  { kind: 'write-fresh', title: '`/proxy` POST, each decided afresh', peer: 'pass-write', aim: 0.3 },
  { kind: 'graphql', title: '`/graphql`', peer: 'apollo', aim: 0.6 },
  { kind: 'mcp', title: '`/mcp`', peer: 'mcp-proxy', aim: 1 },
]

/** Starts every process under test, the upstream, and the one that makes the load. What was started is ended where one does not start. */
export async function openField(options: FieldOptions): Promise<Field> {
  const children: Child[] = []
  const close = async (): Promise<void> => {
    for (const child of children.splice(0).reverse()) await child.close()
  }
  const start = async <T>(module: string, args: readonly string[] = []) => {
    const started = await Child.start<T & { url: string }>(`./${module}.js`, args, options)
    children.push(started.child)
    return started
  }
  try {
    const upstream = await start('servers/upstream')
    const { url } = upstream.said
    const load = await start('load')
    const pass = await start('servers/pass-through', [url])
    const apollo = await start('servers/apollo', [url])
    const proxy = await start('servers/mcp-proxy', [url])
    const key = { 'x-api-key': options.apiKey }
    const at = (kind: Kind, to: string, headers: Record<string, string> = {}, prefix = ''): Target => ({ kind, url: to, prefix, headers })
    const session = await openSession(proxy.said.url)
    const contenders: Contender[] = [
      { id: 'direct-read', title: 'upstream itself, GET', server: upstream.child, target: at('read', url, key) },
      { id: 'direct-write', title: 'upstream itself, POST', server: upstream.child, target: at('write', url, key) },
      { id: 'pass-read', title: 'node:http + undici pass-through, GET', server: pass.child, target: at('read', pass.said.url) },
      { id: 'pass-write', title: 'node:http + undici pass-through, POST', server: pass.child, target: at('write', pass.said.url) },
      { id: 'apollo', title: 'Apollo Server on Express alone', server: apollo.child, target: at('graphql', apollo.said.url) },
      { id: 'mcp-proxy', title: 'mcp-proxy, stateless 2026-07-28', server: proxy.child, target: at('mcp', proxy.said.url) },
      {
        id: 'mcp-proxy-session',
        title: 'mcp-proxy, session 2025-11-25',
        server: proxy.child,
        target: at('mcp-session', proxy.said.url, session),
      },
    ]
    const gateways = new Map<DatabaseKind, Child>()
    for (const database of options.databases) {
      const folder = options.folderOf(database.kind)
      writeOrganisation(folder, url)
      const gateway = await start<{ token: string }>('servers/gatehouse', [folder, database.url])
      gateways.set(database.kind, gateway.child)
      contenders.push(...doorsOf(database.kind, gateway.child, gateway.said))
    }
    return { contenders, load: load.child, gateways, close }
  } catch (error) {
    await close()
    throw error
  }
}

function doorsOf(database: DatabaseKind, server: Child, { url, token }: { url: string; token: string }): Contender[] {
  const headers = { authorization: `Bearer ${token}` }
  return DOORS.map(({ kind, title, peer, aim }) => ({
    id: `${database}-${kind}`,
    title: `**Gatehouse** ${title}, ${TITLES[database]}`,
    server,
    target: { kind, url, prefix: kind === 'read' || kind.startsWith('write') ? '/proxy/crm' : '', headers },
    peer: { id: peer, aim },
  }))
}

/** A session of the 2025 revisions, as headers for its calls. */
async function openSession(url: string): Promise<Record<string, string>> {
  const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
  const post = (message: object, more: Record<string, string> = {}): Promise<Response> =>
    fetch(`${url}/mcp`, { method: 'POST', headers: { ...headers, ...more }, body: JSON.stringify({ jsonrpc: '2.0', ...message }) })
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'bench', version: '1' } }
  const answer = await post({ id: 0, method: 'initialize', params })
  const id = answer.headers.get('mcp-session-id')
  await answer.text()
  if (id === null) throw new Error(`mcp-proxy gave no session (${answer.status})`)
  await (await post({ method: 'notifications/initialized' }, { 'mcp-session-id': id })).text()
  return { 'mcp-session-id': id }
}
