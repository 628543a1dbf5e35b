import type { IncomingMessage, ServerResponse } from 'node:http'
import { GatewayError } from '../core/errors.ts'
import { isJsonObject } from '../core/json.ts'
import { decodeUtf8, parseJson } from '../core/json-text.ts'
import { LIMITS } from '../limits.ts'
import type { Operator } from '../ports/operator.ts'
import type { Log } from '../ports/telemetry.ts'
import { sendProblem, toProblem } from './error-response.ts'
import { readBody } from './request-body.ts'

/** Sessions of browsers, as the sign-in keeps them. */
export interface Sessions {
  /** Uses a link up. Throws UNAUTHENTICATED. */
  signIn(link: string): { person: string; secret: string; expiresAt: number }
  /** Whose session it is; without `use` the look does not keep it alive. */
  find(secret: string, use?: boolean): string | undefined
  signOut(secret: string): string | undefined
}

export interface PeopleDoorDeps {
  /** Null where people cannot sign in here: the issuer is not a development issuer. */
  sessions: Sessions | null
  /** Origins that people's browsers know the gateway by. */
  origins: ReadonlySet<string>
  /** The person behind a name as configuration has them now; undefined where there is none. */
  person(name: string): Operator | undefined
  /** Records a sign-in or sign-out. Throws UNAVAILABLE. */
  record(person: string, change: 'signed_in' | 'signed_out'): Promise<void>
  /** Tells cookies of gateways on one host apart: browsers do not, by port. */
  cookieName: string
  secure: boolean
  log: Log
}

/** Who a request's session stands for, and whether that session still lives. */
export interface SignedIn {
  by: Operator
  alive(): boolean
}

export interface PeopleDoor {
  /** `/operator/session`: GET tells who is signed in, POST `{link}` signs in, DELETE signs out. Never rejects. */
  handle(req: IncomingMessage, res: ServerResponse): Promise<void>
  /**
   * The session that a request carries; undefined where it has no cookie of ours. Throws FORBIDDEN where a page of another origin may have sent it and
   * UNAUTHENTICATED where the session ended.
   */
  signedIn(req: IncomingMessage): SignedIn | undefined
}

/**
 * Sign-in of browsers. The session is a cookie that scripts cannot read, sent by this site only, below `/operator` only; what it carries counts for POST
 * requests that name an origin of ours, so that no page of another origin, also one on another port of this host, speaks for a person.
 */
export function createPeopleDoor(deps: PeopleDoorDeps): PeopleDoor {
  const ended = (): GatewayError => new GatewayError('UNAUTHENTICATED', 'the session has ended: sign in again')
  const signedIn = (req: IncomingMessage): SignedIn | undefined => {
    const secret = cookieOf(req, deps.cookieName)
    const { sessions } = deps
    if (secret === undefined || !sessions) return undefined
    requireOwnOrigin(req, deps.origins)
    if (req.method !== 'POST') throw new GatewayError('FORBIDDEN', 'a session counts for POST requests only')
    const name = sessions.find(secret)
    const by = name === undefined ? undefined : deps.person(name)
    if (!by) throw ended()
    return { by, alive: () => sessions.find(secret, false) !== undefined }
  }
  return {
    signedIn,
    async handle(req, res) {
      try {
        if (req.method === 'GET') return tell(res, deps, cookieOf(req, deps.cookieName))
        if (req.method === 'POST') return await signIn(req, res, deps)
        if (req.method === 'DELETE') return await signOut(req, res, deps)
        throw new GatewayError('METHOD_NOT_ALLOWED', 'use GET, POST or DELETE here')
      } catch (error) {
        if (!(error instanceof GatewayError)) deps.log.error({ error }, 'a sign-in failed unexpectedly')
        req.resume()
        sendProblem(res, toProblem(error), { 'cache-control': 'no-store' })
      }
    },
  }
}

function tell(res: ServerResponse, { sessions, person }: PeopleDoorDeps, secret: string | undefined): void {
  const name = secret === undefined ? undefined : sessions?.find(secret)
  const known = name === undefined ? undefined : person(name)
  write(res, { development: sessions !== null, person: known?.name ?? null })
}

async function signIn(req: IncomingMessage, res: ServerResponse, deps: PeopleDoorDeps): Promise<void> {
  const { sessions } = deps
  if (!sessions) throw new GatewayError('FORBIDDEN', 'nobody signs in here: the issuer is not a development issuer')
  requireOwnOrigin(req, deps.origins)
  if (!/^application\/json\s*(;|$)/i.test(req.headers['content-type'] ?? ''))
    throw new GatewayError('UNSUPPORTED_MEDIA_TYPE', 'send the link as `application/json`')
  const body = parseJson(decodeUtf8(await readBody(req, LIMITS.tokenRequestBytesMax)), LIMITS.inputDepthMax)
  const link = isJsonObject(body) ? body.link : undefined
  if (typeof link !== 'string') throw new GatewayError('BAD_INPUT', 'send `{"link": "..."}`')
  const { person, secret, expiresAt } = sessions.signIn(link)
  // Written before the browser holds the session: one that is not on record does not exist.
  await deps.record(person, 'signed_in').catch((error: unknown) => {
    sessions.signOut(secret)
    throw error
  })
  const old = cookieOf(req, deps.cookieName)
  if (old !== undefined) sessions.signOut(old)
  setCookie(res, deps, secret, Math.floor(LIMITS.sessionLifeMs / 1_000))
  write(res, { development: true, person, expiresAt: new Date(expiresAt).toISOString() })
}

async function signOut(req: IncomingMessage, res: ServerResponse, deps: PeopleDoorDeps): Promise<void> {
  requireOwnOrigin(req, deps.origins)
  const secret = cookieOf(req, deps.cookieName)
  const person = secret === undefined ? undefined : deps.sessions?.signOut(secret)
  setCookie(res, deps, '', 0)
  if (person !== undefined) await deps.record(person, 'signed_out')
  write(res, { development: deps.sessions !== null, person: null })
}

function setCookie(res: ServerResponse, { cookieName, secure }: PeopleDoorDeps, value: string, maxAgeSeconds: number): void {
  const flags = `Path=/operator; HttpOnly; SameSite=Strict; Max-Age=${maxAgeSeconds}${secure ? '; Secure' : ''}`
  res.setHeader('set-cookie', `${cookieName}=${value}; ${flags}`)
}

function write(res: ServerResponse, body: object): void {
  const text = JSON.stringify(body)
  res.writeHead(200, {
    'content-type': 'application/json; charset=utf-8',
    'cache-control': 'no-store',
    'content-length': Buffer.byteLength(text),
  })
  res.end(text)
}

/** The value of a cookie; undefined where it is missing, malformed or given twice. */
function cookieOf(req: IncomingMessage, name: string): string | undefined {
  const values = (req.headers.cookie ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => pair.slice(name.length + 1))
  const [value] = values
  return values.length === 1 && value !== undefined && /^[A-Za-z0-9_-]{43}$/.test(value) ? value : undefined
}

/** Throws FORBIDDEN unless the request says that it comes from one of our pages, at the host that it was sent to (RFC 6454 7.3). */
function requireOwnOrigin(req: IncomingMessage, origins: ReadonlySet<string>): void {
  const { origin } = req.headers
  const site = req.headers['sec-fetch-site']
  const own = origin !== undefined && origins.has(origin) && origin.slice(origin.indexOf('//') + 2) === req.headers.host
  if (!own || (site !== undefined && site !== 'same-origin')) {
    throw new GatewayError('FORBIDDEN', 'a session counts only for requests of the dashboard itself: the origin is another one')
  }
}
