import { GatewayError } from '../core/errors.ts'
import { invalidClient, invalidRequest, unescapeForm } from './token-form.ts'

/** How a request says who its client is. Exactly one way is used (RFC 6749 2.3). */
export type PresentedClient =
  | { kind: 'secret'; client: string; secret: string }
  | { kind: 'assertion'; assertion: string; client: string | undefined }

const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/**
 * Reads the client's credential: HTTP Basic, `client_secret` or `client_assertion`. Throws `invalid_request` on more than one at a time and on
 * malformed ones, `invalid_client` where there is none.
 */
export function presentedClient(authorization: string | undefined, form: ReadonlyMap<string, string>): PresentedClient {
  const client = form.get('client_id')
  const secret = form.get('client_secret')
  const assertion = form.get('client_assertion')
  const type = form.get('client_assertion_type')
  const ways = [authorization, secret, assertion ?? type].filter((way) => way !== undefined).length
  if (ways > 1) throw invalidRequest('the client authenticates in more than one way')
  if (authorization !== undefined) return basic(authorization, client)
  if (assertion !== undefined || type !== undefined) {
    if (type !== JWT_BEARER || assertion === undefined) throw invalidRequest(`a client assertion comes with the type ${JWT_BEARER}`)
    return { kind: 'assertion', assertion, client }
  }
  if (client === undefined || secret === undefined) throw invalidClient()
  return { kind: 'secret', client, secret }
}

/** RFC 6749 2.3.1: id and secret are form-encoded before they go into the header. */
function basic(authorization: string, formClient: string | undefined): PresentedClient {
  const encoded = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(authorization)?.[1]
  if (encoded === undefined) throw invalidClient()
  const text = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  if (colon === -1) throw invalidClient()
  const client = unescapeForm(text.slice(0, colon))
  const secret = unescapeForm(text.slice(colon + 1))
  if (formClient !== undefined && formClient !== client) throw invalidRequest('the request names two clients')
  return { kind: 'secret', client, secret }
}

/** Whether an error says that a proof failed, not that something broke. */
export const isFailedProof = (error: unknown): boolean => error instanceof GatewayError && error.code === 'UNAUTHENTICATED'
