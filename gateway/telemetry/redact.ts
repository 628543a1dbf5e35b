import { LIMITS } from '../limits.ts'

const MASK = '[redacted]'

/** Names whose values never leave the process, compared without case, hyphens and underscores. */
const SECRET_NAME =
  /^(authorization|proxyauthorization|cookie|setcookie|password|passwd|passphrase|secret|clientsecret|clientassertion|assertion|token|accesstoken|refreshtoken|idtoken|subjecttoken|actortoken|apikey|xapikey|credentials?|privatekey|key|jwk|dpop|input|arguments|variables|body|headers)$/
const SECRET_SUFFIX = /(secret|password|token|assertion|apikey|privatekey)$/

/** What a credential looks like inside a longer text: an authorization value, a compact JWS, a query or form parameter, URL user information. */
const SECRET_SHAPES: readonly (readonly [RegExp, string])[] = [
  [/\b(bearer|basic|dpop)\s+[A-Za-z0-9._~+/=-]{4,}/gi, `$1 ${MASK}`],
  [/\beyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)*/g, MASK],
  [/\b((?:access|refresh|id|subject|actor)_token|client_(?:secret|assertion)|api_?key|password)=[^&\s"'\\]+/gi, `$1=${MASK}`],
  [/(\b[a-z][a-z0-9+.-]{1,20}:\/\/)[^\s/@"'\\]+@/gi, `$1${MASK}@`],
]

/** True for a field name that says that its value is secret or a payload. */
export function isSecretName(name: string): boolean {
  const plain = name.toLowerCase().replace(/[-_.]/g, '')
  return SECRET_NAME.test(plain) || SECRET_SUFFIX.test(plain)
}

/** The text with everything that looks like a credential masked. */
export function scrub(text: string): string {
  let clean = text
  for (const [shape, by] of SECRET_SHAPES) clean = clean.replace(shape, by)
  return clean
}

function cut(text: string): string {
  return text.length > LIMITS.logValueCharsMax ? `${text.slice(0, LIMITS.logValueCharsMax)}...` : text
}

function errorFields(error: Error, depth: number): Record<string, unknown> {
  const code: unknown = 'code' in error ? error.code : undefined
  return {
    type: error.name,
    ...(typeof code === 'string' || typeof code === 'number' ? { code } : {}),
    message: cut(error.message),
    stack: cut(error.stack ?? ''),
    ...(error.cause === undefined || depth <= 0 ? {} : { cause: clean(error.cause, depth - 1) }),
  }
}

/** A copy fit for a log line: secret names masked at every depth, errors as plain fields, long text cut, depth and breadth bounded. */
export function clean(value: unknown, depth: number = LIMITS.logDepthMax): unknown {
  if (typeof value === 'string') return cut(value)
  if (typeof value === 'bigint') return String(value)
  if (typeof value !== 'object' || value === null) return typeof value === 'function' || typeof value === 'symbol' ? undefined : value
  if (value instanceof Error) return errorFields(value, depth)
  if (value instanceof Date) return value.toISOString()
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`
  if (depth <= 0) return '[deeper]'
  if (Array.isArray(value)) return value.slice(0, LIMITS.logMembersMax).map((item) => clean(item, depth - 1))
  if ('toJSON' in value && typeof value.toJSON === 'function') return clean(value.toJSON(), depth - 1)
  const out: Record<string, unknown> = {}
  for (const [name, member] of Object.entries(value).slice(0, LIMITS.logMembersMax)) {
    out[name] = isSecretName(name) ? MASK : clean(member, depth - 1)
  }
  return out
}
