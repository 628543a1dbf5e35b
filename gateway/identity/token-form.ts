import { GatewayError } from '../core/errors.ts'
import { decodeUtf8 } from '../core/json-text.ts'

/** The error words of RFC 6749 5.2 and RFC 8707 2, and the one of RFC 6749 4.1.2.1 for a server that cannot answer now. */
export type TokenErrorWord =
  | 'invalid_request'
  | 'invalid_client'
  | 'unsupported_grant_type'
  | 'invalid_scope'
  | 'invalid_target'
  | 'temporarily_unavailable'

/** A refusal of the token endpoint. The message goes into `error_description` and holds nothing of the request. */
export class TokenRefusal extends GatewayError {
  readonly word: TokenErrorWord
  readonly status: number

  constructor(word: TokenErrorWord, message: string, status = 400, retryAfterSeconds?: number) {
    super('TOKEN_REQUEST_REFUSED', message, retryAfterSeconds === undefined ? {} : { retryAfterSeconds })
    this.word = word
    this.status = status
  }
}

export const invalidRequest = (message: string): TokenRefusal => new TokenRefusal('invalid_request', message)

/** One reason for every failed proof: the answer does not tell a wrong secret from an unknown or a suspended client. */
export const invalidClient = (): TokenRefusal => new TokenRefusal('invalid_client', 'client authentication failed', 401)

/**
 * Reads a form (RFC 6749 appendix B). Parameters without a value count as absent (RFC 6749 3.2). Throws `invalid_request` on a parameter that
 * comes twice, on broken escapes and on bytes that are not UTF-8.
 */
export function readForm(body: Uint8Array): ReadonlyMap<string, string> {
  const seen = new Set<string>()
  const form = new Map<string, string>()
  for (const pair of formText(body).split('&')) {
    if (pair === '') continue
    const equals = pair.indexOf('=')
    const name = unescapeForm(equals === -1 ? pair : pair.slice(0, equals))
    const value = equals === -1 ? '' : unescapeForm(pair.slice(equals + 1))
    if (seen.has(name)) throw invalidRequest('a parameter comes more than once')
    seen.add(name)
    if (value !== '') form.set(name, value)
  }
  return form
}

function formText(body: Uint8Array): string {
  try {
    return decodeUtf8(body)
  } catch {
    throw invalidRequest('the form is not UTF-8')
  }
}

/** `application/x-www-form-urlencoded` to text. Throws `invalid_request`. */
export function unescapeForm(raw: string): string {
  try {
    return decodeURIComponent(raw.replaceAll('+', ' '))
  } catch {
    throw invalidRequest('a parameter has a broken escape')
  }
}
