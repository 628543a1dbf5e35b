import type { IncomingMessage, ServerResponse } from 'node:http'
import { GatewayError } from '../core/errors.ts'
import type { JsonObject } from '../core/json.ts'
import { LIMITS } from '../limits.ts'
import type { TokenEndpoint } from '../ports/token-endpoint.ts'
import { sendProblem, toProblem } from './error-response.ts'
import { readBody, UnreadBodyError } from './request-body.ts'

export type OAuthHandler = (req: IncomingMessage, res: ServerResponse) => Promise<void>

/** Keys and addresses change rarely; a new key is found by its unknown id long before this runs out. */
const CACHED = { 'cache-control': 'public, max-age=300' }

/**
 * Handlers by exact path: `POST /oauth/token` (RFC 6749 3.2) and the GET documents of RFC 8414, RFC 7517 and RFC 9728. They look at method,
 * body, `Authorization` and `Content-Type` and at nothing else, so no header can change what they answer. Other methods get 405, a GET with a
 * body 400. Handlers never reject.
 */
export function createOAuthHandlers(endpoint: TokenEndpoint): ReadonlyMap<string, OAuthHandler> {
  return new Map([
    ['/oauth/token', tokenHandler(endpoint)],
    ['/.well-known/oauth-authorization-server', documentHandler(() => endpoint.authorizationServerMetadata())],
    ['/.well-known/jwks.json', documentHandler(() => endpoint.jwks())],
    ['/.well-known/oauth-protected-resource', documentHandler(() => endpoint.protectedResourceMetadata(''))],
    ['/.well-known/oauth-protected-resource/mcp', documentHandler(() => endpoint.protectedResourceMetadata('/mcp'))],
  ])
}

function tokenHandler(endpoint: TokenEndpoint): OAuthHandler {
  return guarded(async (req, res) => {
    if (req.method !== 'POST') return refuseMethod(res, 'POST')
    if (req.url?.includes('?')) throw new GatewayError('BAD_INPUT', 'parameters of a token request go into the body')
    const { authorization: credentials = [] } = req.headersDistinct
    if (credentials.length > 1) throw new GatewayError('BAD_INPUT', 'more than one authorization header')
    const body = await readBody(req, LIMITS.tokenRequestBytesMax)
    const answer = await endpoint.exchange({
      ...(credentials[0] === undefined ? {} : { authorization: credentials[0] }),
      ...(req.headers['content-type'] === undefined ? {} : { contentType: req.headers['content-type'] }),
      body,
    })
    send(req, res, answer.status, answer.headers, answer.body)
  })
}

function documentHandler(document: () => JsonObject): OAuthHandler {
  return guarded(async (req, res) => {
    if (req.method !== 'GET' && req.method !== 'HEAD') return refuseMethod(res, 'GET, HEAD')
    await refuseBody(req)
    send(req, res, 200, { 'content-type': 'application/json', ...CACHED }, document())
  })
}

/** A body at a GET has no meaning (RFC 9110 9.3.1) and may be there to be read by somebody else; it is read to its end and refused. */
async function refuseBody(req: IncomingMessage): Promise<void> {
  try {
    await readBody(req, 0)
  } catch (error) {
    if (!(error instanceof GatewayError) || error instanceof UnreadBodyError || error.code !== 'BODY_TOO_LARGE') throw error
    throw new GatewayError('BAD_INPUT', 'this address takes no body')
  }
}

function refuseMethod(res: ServerResponse, allow: string): void {
  sendProblem(res, toProblem(new GatewayError('METHOD_NOT_ALLOWED', 'this address does not take that method')), { allow })
}

function send(
  req: IncomingMessage,
  res: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>>,
  body: JsonObject,
): void {
  const bytes = Buffer.from(JSON.stringify(body))
  res.writeHead(status, { ...headers, 'content-length': String(bytes.byteLength) })
  res.end(req.method === 'HEAD' ? undefined : bytes)
}

function guarded(work: OAuthHandler): OAuthHandler {
  return async (req, res) => {
    try {
      await work(req, res)
    } catch (error) {
      sendProblem(res, toProblem(error))
    }
  }
}
