import { GatewayError } from '../core/errors.ts'
import { isJsonObject } from '../core/json.ts'
import { LIMITS } from '../limits.ts'
import type { Address } from '../config/address-file.ts'
import { ask } from './control-plane.ts'
import type { ExitCode, Output } from './output.ts'

export interface CredentialForm {
  kind: string
  header: string | undefined
  username: string | undefined
  parameter: string | undefined
}

const QUERY = `mutation ($connector: String!, $credential: String!, $kind: String!, $header: String, $username: String, $parameter: String, $value: String, $password: String) {
  setCredential(connector: $connector, credential: $credential, kind: $kind, header: $header, username: $username, parameter: $parameter, value: $value, password: $password) { version }
}`

/** Seals a credential. The secret comes on standard input, so it is in no process list and no shell history. */
export async function setCredential(
  output: Output,
  address: Address,
  input: AsyncIterable<Buffer | string>,
  connector: string,
  credential: string,
  { kind, header, username, parameter }: CredentialForm,
): Promise<ExitCode> {
  const secret = await readSecret(input)
  const fields = {
    header: header ?? null,
    username: username ?? null,
    parameter: parameter ?? null,
    value: kind === 'basic' ? null : secret,
    password: kind === 'basic' ? secret : null,
  }
  const { setCredential: done } = await ask(address, QUERY, { connector, credential, kind, ...fields })
  const version = isJsonObject(done) ? (done.version ?? null) : null
  output.print(`credential \`${credential}\` of \`${connector}\` is sealed as version ${String(version)}`, {
    connector,
    credential,
    version,
  })
  return 0
}

async function readSecret(input: AsyncIterable<Buffer | string>): Promise<string> {
  let text = ''
  for await (const chunk of input) {
    text += chunk.toString()
    if (text.length > LIMITS.tokenBytesMax) throw new GatewayError('BAD_INPUT', `a secret has at most ${LIMITS.tokenBytesMax} characters`)
  }
  const secret = text.replace(/\r?\n$/, '')
  if (secret === '') throw new GatewayError('BAD_INPUT', 'no secret came on standard input: pipe it in')
  return secret
}
