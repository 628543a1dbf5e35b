import { compactVerify, type CryptoKey } from 'jose'
import { GatewayError } from '../core/errors.ts'
import { isJsonObject, type JsonObject } from '../core/json.ts'
import { decodeUtf8, parseJson } from '../core/json-text.ts'
import { LIMITS } from '../limits.ts'

/** A compact JWS (RFC 7515 3.1) whose text and header are well formed. Nothing in it is proven yet. */
export interface CompactJws {
  readonly text: string
  readonly header: JsonObject
  readonly encodedPayload: string
}

/** The refusal of a credential. The message names the check that failed and nothing of the credential. */
export const unauthenticated = (message: string): GatewayError => new GatewayError('UNAUTHENTICATED', message)

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const BASE64URL = /^[A-Za-z0-9_-]*$/

/** True where the text is the one base64url form of its bytes (RFC 4648 5, no padding): legal characters, legal length, unused bits zero. */
export function isCanonicalBase64Url(text: string): boolean {
  const rest = text.length % 4
  if (rest === 1 || !BASE64URL.test(text)) return false
  if (rest === 0) return true
  const last = ALPHABET.indexOf(text.charAt(text.length - 1))
  return (last & (rest === 2 ? 0b1111 : 0b11)) === 0
}

/** Decodes one part as a JSON object with exactly one reading. Throws UNAUTHENTICATED. */
export function jsonPart(encoded: string, what: string): JsonObject {
  try {
    const value = parseJson(decodeUtf8(Buffer.from(encoded, 'base64url')), LIMITS.tokenDepthMax)
    if (isJsonObject(value)) return value
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
  }
  throw unauthenticated(`the token's ${what} is not a JSON object with exactly one reading`)
}

/**
 * Reads a compact JWS: size, three parts (a JWE has five), canonical base64url in each, a header that is one JSON object.
 * Throws UNAUTHENTICATED.
 */
export function readCompactJws(text: string): CompactJws {
  if (text.length > LIMITS.tokenBytesMax) throw unauthenticated(`the token is longer than ${LIMITS.tokenBytesMax} bytes`)
  const parts = text.split('.', 4)
  const [encodedHeader, encodedPayload, signature] = parts
  if (parts.length !== 3 || !encodedHeader || encodedPayload === undefined || !signature)
    throw unauthenticated('the token is not a compact JWS of three parts')
  if (!parts.every(isCanonicalBase64Url)) throw unauthenticated('the token is not canonical base64url text')
  return { text, header: jsonPart(encodedHeader, 'header'), encodedPayload }
}

/** `alg` is one of those allowed (RFC 8725 3.1). Throws UNAUTHENTICATED. */
export function algorithmOf({ header }: CompactJws, allowed: ReadonlySet<string>): string {
  const { alg } = header
  if (typeof alg === 'string' && allowed.has(alg)) return alg
  throw unauthenticated('the token is signed with an algorithm that is not accepted from its issuer')
}

/** No extension has to be understood, and the payload is encoded the ordinary way (RFC 7515 4.1.11, RFC 7797). Throws UNAUTHENTICATED. */
export function assertNoExtensions({ header }: CompactJws): void {
  if (Object.hasOwn(header, 'crit') || Object.hasOwn(header, 'b64')) throw unauthenticated('the token asks for header extensions')
}

/** `kid` as text, or undefined where there is none. `jku`, `jwk`, `x5u` and `x5c` are never looked at. Throws UNAUTHENTICATED. */
export function keyIdOf({ header }: CompactJws): string | undefined {
  const { kid } = header
  if (kid === undefined || typeof kid === 'string') return kid
  throw unauthenticated('the `kid` of the token is not a string')
}

/** The signature is by this key under this algorithm. Resolves or throws UNAUTHENTICATED. */
export async function assertSignature(jws: CompactJws, key: CryptoKey | Uint8Array, algorithm: string): Promise<void> {
  try {
    await compactVerify(jws.text, key, { algorithms: [algorithm] })
  } catch {
    throw unauthenticated('the signature of the token does not verify')
  }
}
