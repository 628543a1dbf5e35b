import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { extname, join, relative } from 'node:path'
import { GatewayError } from '../core/errors.ts'
import { LIMITS } from '../limits.ts'
import { sendProblem, toProblem } from './error-response.ts'
import type { Handler, Routes } from './server.ts'

/** Pages of the dashboard; what lies below them is theirs too. */
export const PAGES = [
  '/inbox',
  '/overview',
  '/calls',
  '/agents',
  '/policies',
  '/connectors',
  '/in-doubt',
  '/grants',
  '/sign-in',
  '/notice',
  '/approvers',
] as const

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
}

/** Only what the gateway itself serves runs or shows: no inline script or style, no frame around it, nowhere to send a form. */
const SECURITY = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; font-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
}

interface File {
  type: string
  plain: Buffer
  /** By content coding; made by the build. */
  coded: Readonly<Partial<Record<'br' | 'gzip', Buffer>>>
  etag: string
  /** Its name holds a digest of its content. */
  immutable: boolean
}

/** The built dashboard, in memory: a build that takes its place on disk changes nothing for a running gateway. */
export type Dashboard = ReadonlyMap<string, File>

/** Reads a built dashboard; undefined where the folder has none. Throws CONFIG_INVALID beyond `LIMITS.dashboardBytesMax`. */
export function readDashboard(folder: string): Dashboard | undefined {
  if (!existsSync(join(folder, 'index.html'))) return undefined
  const files = new Map<string, File>()
  let bytes = 0
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    const type = TYPES[extname(path)]
    if (!entry.isFile() || type === undefined) continue
    const plain = readFileSync(path)
    const br = existsSync(`${path}.br`) ? readFileSync(`${path}.br`) : undefined
    const gzip = existsSync(`${path}.gz`) ? readFileSync(`${path}.gz`) : undefined
    bytes += plain.byteLength + (br?.byteLength ?? 0) + (gzip?.byteLength ?? 0)
    if (bytes > LIMITS.dashboardBytesMax) throw new GatewayError('CONFIG_INVALID', 'the built dashboard is too large: build it again')
    const url = `/${relative(folder, path).replaceAll('\\', '/')}`
    files.set(url, {
      type,
      plain,
      coded: { ...(br && { br }), ...(gzip && { gzip }) },
      etag: `"${createHash('sha256').update(plain).digest('base64url').slice(0, 22)}"`,
      immutable: url.startsWith('/assets/'),
    })
  }
  return files
}

/** Serves the dashboard: its page at every path of its own, its files for ever where their name holds a digest. `welcome` is for clients that take no page. */
export function dashboardRoutes(dashboard: Dashboard, welcome: string): Routes {
  const page = dashboard.get('/index.html')
  const shown: Handler = async (req, res) => send(req, res, page)
  const root: Handler = async (req, res) => (takesPages(req) ? send(req, res, page) : sendText(req, res, welcome))
  const file: Handler = async (req, res) => send(req, res, dashboard.get((req.url ?? '').split('?')[0] ?? ''))
  const files = [...dashboard.keys()].filter((path) => path !== '/index.html' && !path.startsWith('/assets/'))
  return {
    '/': root,
    ...Object.fromEntries(PAGES.flatMap((path) => [[path, shown] as const, [`${path}/`, shown] as const])),
    ...Object.fromEntries(files.map((path) => [path, file])),
    '/assets/': file,
  }
}

const takesPages = ({ headers }: IncomingMessage): boolean => /(^|,)\s*text\/html\s*(;|,|$)/i.test(headers.accept ?? '')

function send(req: IncomingMessage, res: ServerResponse, file: File | undefined): void {
  if (!file) sendProblem(res, toProblem(new GatewayError('NOT_FOUND', 'no such path')))
  else if (readOnly(req, res)) sendFile(req, res, file)
}

function sendFile(req: IncomingMessage, res: ServerResponse, file: File): void {
  const coding = codingOf(req, file)
  const body = (coding && file.coded[coding]) ?? file.plain
  // One tag for each coding (RFC 9110 8.8.3.3).
  const etag = coding ? file.etag.replace(/"$/, `-${coding}"`) : file.etag
  const headers = {
    ...SECURITY,
    'content-type': file.type,
    'cache-control': file.immutable ? 'public, max-age=31536000, immutable' : 'no-cache',
    vary: 'accept, accept-encoding',
    etag,
  }
  if (req.headers['if-none-match'] === etag) {
    res.writeHead(304, headers)
    res.end()
    return
  }
  res.writeHead(200, { ...headers, 'content-length': body.byteLength, ...(coding && { 'content-encoding': coding }) })
  res.end(req.method === 'HEAD' ? undefined : body)
}

function sendText(req: IncomingMessage, res: ServerResponse, text: string): void {
  if (!readOnly(req, res)) return
  const headers = { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store', vary: 'accept' }
  res.writeHead(200, { ...headers, 'content-length': Buffer.byteLength(text) })
  res.end(req.method === 'HEAD' ? undefined : text)
}

function readOnly(req: IncomingMessage, res: ServerResponse): boolean {
  if (req.method === 'GET' || req.method === 'HEAD') return true
  sendProblem(res, toProblem(new GatewayError('METHOD_NOT_ALLOWED', 'use GET here')), { allow: 'GET, HEAD' })
  return false
}

/** The best coding that the client names without refusing it. */
function codingOf(req: IncomingMessage, file: File): 'br' | 'gzip' | undefined {
  const accepted = (req.headers['accept-encoding'] ?? '').toString().toLowerCase().split(',')
  const takes = (coding: string): boolean =>
    accepted.some((range) => {
      const [name, ...parameters] = range.split(';').map((part) => part.trim())
      return name === coding && !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter))
    })
  return (['br', 'gzip'] as const).find((coding) => file.coded[coding] && takes(coding))
}
