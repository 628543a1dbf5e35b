import { type Address, readAddress } from '../config/address-file.ts'
import { ERRORS, type ErrorCode, GatewayError } from '../core/errors.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../core/json.ts'

/** How to find a running gateway: an address and token given, or what it wrote into its data directory. Throws CONFIG_INVALID. */
export function findGateway(options: { url?: string; token?: string; data: string }): Address {
  if (options.url !== undefined) {
    if (options.token === undefined) throw new GatewayError('CONFIG_INVALID', '--url needs a token: set GATEHOUSE_TOKEN or give --token')
    return { url: options.url.replace(/\/$/, ''), token: options.token }
  }
  const found = readAddress(options.data)
  if (!found) {
    throw new GatewayError(
      'CONFIG_INVALID',
      `no gateway runs on the data directory \`${options.data}\`: start one with \`gatehouse serve\`, or give --data or --url`,
    )
  }
  return found
}

/** Asks the operator GraphQL. Throws the gateway's own code and message where it refuses, CONFIG_INVALID where nobody answers. */
export async function ask(address: Address, query: string, variables: JsonObject = {}): Promise<JsonObject> {
  let response: Response
  try {
    response = await fetch(`${address.url}/operator/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json', authorization: `Bearer ${address.token}` },
      body: JSON.stringify({ query, variables }),
      redirect: 'error',
    })
  } catch (cause) {
    throw new GatewayError('CONFIG_INVALID', `no gateway answers at \`${address.url}\`: is it running?`, { cause })
  }
  const answer: JsonValue = JSON.parse(await response.text())
  if (!isJsonObject(answer)) throw new GatewayError('INTERNAL', 'the gateway answered in an unknown form')
  const first = Array.isArray(answer.errors) ? answer.errors[0] : undefined
  if (isJsonObject(first)) {
    const { code, errors } = isJsonObject(first.extensions) ? first.extensions : {}
    const faults = (Array.isArray(errors) ? errors.filter(isJsonObject) : []).map((fault) => ({
      pointer: String(fault.pointer),
      message: String(fault.detail),
    }))
    throw new GatewayError(isCode(code) ? code : 'DENIED', String(first.message), { faults })
  }
  if (!response.ok || !isJsonObject(answer.data))
    throw new GatewayError('UNAUTHENTICATED', `the gateway refused: ${String(answer.detail ?? response.status)}`)
  return answer.data
}

const isCode = (code: JsonValue | undefined): code is ErrorCode => typeof code === 'string' && Object.hasOwn(ERRORS, code)
