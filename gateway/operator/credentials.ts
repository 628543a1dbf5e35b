import { type Fault, GatewayError } from '../core/errors.ts'
import type { JsonObject } from '../core/json.ts'
import { LIMITS } from '../limits.ts'
import type { Operator } from '../ports/operator.ts'
import type { StaticCredential } from '../ports/vault.ts'
import type { OperatorDeps } from './deps.ts'
import { requireRole } from './roles.ts'

const NAME = /^[a-z][a-z0-9-]{0,63}$/
/** RFC 9110 5.1 token. */
const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/
/** RFC 9110 5.5 field value, without obs-text, and without white space at its ends. */
const HEADER_VALUE = /^[!-~](?:[\t -~]*[!-~])?$/

/** Seals a new version of a connector's credential; calls made from then on use it. Throws FORBIDDEN, NOT_FOUND, BAD_INPUT (never with the value). */
export async function setCredential(
  deps: OperatorDeps,
  by: Operator,
  connector: string,
  credential: string,
  value: JsonObject,
): Promise<{ version: number }> {
  requireRole(by, 'setting a credential', 'local')
  if (!deps.catalogue().connectors.some(({ name }) => name === connector)) {
    throw new GatewayError('NOT_FOUND', `no connector \`${connector}\``)
  }
  if (!NAME.test(credential))
    throw new GatewayError('BAD_INPUT', 'a credential name is a lower-case letter, then letters, digits and hyphens, at most 64')
  return deps.vault.set(connector, credential, readCredential(value), by.name)
}

type Fields = Readonly<Record<string, RegExp>>

const KINDS: Readonly<Record<StaticCredential['kind'], Fields>> = {
  header: { header: HEADER_NAME, value: HEADER_VALUE },
  // RFC 7617 2: no colon in the user name, no control characters in either.
  basic: { username: /^[^\p{Cc}:]{1,512}$/u, password: /^[^\p{Cc}]+$/u },
  query: { parameter: /^[A-Za-z0-9._~-]{1,128}$/, value: /^[^\p{Cc}]+$/u },
}

/** Reads `{kind: header, header, value} | {kind: basic, username, password} | {kind: query, parameter, value}`; unknown members are faults. */
export function readCredential(raw: JsonObject): StaticCredential {
  const { kind } = raw
  if (kind !== 'header' && kind !== 'basic' && kind !== 'query')
    throw bad([{ pointer: '/kind', message: 'must be `header`, `basic` or `query`' }])
  const fields = KINDS[kind]
  const faults: Fault[] = []
  const text = (name: string): string => {
    const value = raw[name]
    if (typeof value === 'string' && value.length <= LIMITS.tokenBytesMax && fields[name]?.test(value)) return value
    faults.push({ pointer: `/${name}`, message: value === undefined ? 'is missing' : 'is malformed' })
    return ''
  }
  for (const name of Object.keys(raw)) {
    if (name !== 'kind' && !Object.hasOwn(fields, name))
      faults.push({ pointer: `/${name}`, message: `is no member of a \`${kind}\` credential` })
  }
  const credential = read(kind, text)
  if (faults.length > 0) throw bad(faults)
  return credential
}

function read(kind: StaticCredential['kind'], text: (name: string) => string): StaticCredential {
  if (kind === 'header') return { kind, header: text('header'), value: text('value') }
  if (kind === 'basic') return { kind, username: text('username'), password: text('password') }
  return { kind, parameter: text('parameter'), value: text('value') }
}

const bad = (faults: readonly Fault[]): GatewayError =>
  new GatewayError('BAD_INPUT', `malformed credential: ${faults.map((f) => `\`${f.pointer}\` ${f.message}`).join('; ')}`, { faults })
