import { type Address, readAddress } from '../config/address-file.ts'
import { jsonOf } from '../audit/exported-line.ts'
import { ERRORS, type ErrorCode, GatewayError } from '../core/errors.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../core/json.ts'
import { LIMITS } from '../limits.ts'

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

/**
 * One answer of the gateway, all of it, or the same failure whether it does not answer, breaks off, or takes longer than it gives any request itself. Throws
 * CONFIG_INVALID.
 */
export async function answerFrom<T>(
  { url }: Address,
  path: string,
  init: RequestInit,
  read: (response: Response) => Promise<T>,
): Promise<{ response: Response; body: T }> {
  try {
    const response = await fetch(`${url}${path}`, { ...init, redirect: 'error', signal: AbortSignal.timeout(LIMITS.requestTimeoutMsMax) })
    return { response, body: await read(response) }
  } catch (cause) {
    throw new GatewayError('CONFIG_INVALID', `no gateway answers at \`${url}\`: is it running?`, { cause })
  }
}

/** Asks the operator GraphQL. Throws the gateway's own code and message where it refuses, CONFIG_INVALID where nobody answers. */
export async function ask(address: Address, query: string, variables: JsonObject = {}): Promise<JsonObject> {
  const headers = { 'content-type': 'application/json', accept: 'application/json', authorization: `Bearer ${address.token}` }
  const init = { method: 'POST', headers, body: JSON.stringify({ query, variables }) }
  const { response, body } = await answerFrom(address, '/operator/graphql', init, (each) => each.text())
  const answer = jsonOf(body)
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
