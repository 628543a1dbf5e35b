import type { IncomingMessage } from 'node:http'
import type { Asserted, DecisionRecord } from '../../core/call.ts'
import type { JsonObject, JsonValue } from '../../core/json.ts'
import { isJsonObject } from '../../core/json.ts'
import { decodeUtf8, parseJson } from '../../core/json-text.ts'
import { LIMITS } from '../../limits.ts'
import { DECISION_RECORD_FORM, decisionRecordHeader, decisionRecordOf } from '../decision-record.ts'
import { headerText } from '../header-text.ts'
import { readBody } from '../request-body.ts'
import { preferredWaitMs } from '../request-context.ts'
import { refuseRequest } from './refused.ts'

/** A GraphQL-over-HTTP request, strictly read. */
export interface GraphqlRequest {
  query: string
  operationName: string | null
  variables: JsonObject
  /** A GET may only read. */
  readOnly: boolean
  asserted: Asserted
  idempotencyKey?: string
  traceparent?: string
  /** From `Prefer: wait=N`, in milliseconds. */
  waitMs: number
}

/**
 * Reads a request of at most `bytesMax` bytes by GraphQL over HTTP: POST with a JSON object, or GET with parameters. Throws BAD_INPUT (with pointers), METHOD_NOT_ALLOWED,
 * UNSUPPORTED_MEDIA_TYPE and BODY_TOO_LARGE. JSON is read strictly: no duplicate keys, no integers that lose digits, UTF-8 only.
 */
export async function readRequest(req: IncomingMessage, bytesMax: number = LIMITS.requestBodyBytesMax): Promise<GraphqlRequest> {
  if (req.method === 'POST') return fromParameters(req, await postParameters(req, bytesMax), false)
  if (req.method === 'GET') return fromParameters(req, getParameters(req), true)
  throw refuseRequest('METHOD_NOT_ALLOWED', 'GraphQL takes POST, and GET for queries')
}

async function postParameters(req: IncomingMessage, bytesMax: number): Promise<JsonObject> {
  const type = (req.headers['content-type'] ?? '').toLowerCase()
  const [essence = '', ...parameters] = type.split(';').map((part) => part.trim())
  const charset = parameters.find((parameter) => parameter.startsWith('charset='))
  if (essence !== 'application/json' || (charset !== undefined && !/^charset="?utf-8"?$/.test(charset)))
    throw refuseRequest('UNSUPPORTED_MEDIA_TYPE', 'send the request as `application/json` in UTF-8')
  const body = parseJson(decodeUtf8(await readBody(req, bytesMax)), LIMITS.inputDepthMax)
  if (Array.isArray(body))
    throw refuseRequest('BAD_INPUT', 'batches are not taken: send one request at a time', [pointTo('', 'must be an object')])
  if (!isJsonObject(body)) throw refuseRequest('BAD_INPUT', 'the body must be a JSON object', [pointTo('', 'must be an object')])
  return body
}

function getParameters(req: IncomingMessage): JsonObject {
  const url = req.url ?? ''
  const question = url.indexOf('?')
  const search = new URLSearchParams(question < 0 ? '' : url.slice(question + 1))
  const parameters: JsonObject = {}
  for (const key of ['query', 'operationName', 'variables', 'extensions']) {
    const [value, second] = search.getAll(key)
    if (second !== undefined)
      throw refuseRequest('BAD_INPUT', `the parameter \`${key}\` is given twice`, [pointTo(`/${key}`, 'is given twice')])
    if (value === undefined || (value === '' && key !== 'query')) continue
    parameters[key] = key === 'variables' || key === 'extensions' ? parseJson(value, LIMITS.inputDepthMax) : value
  }
  return parameters
}

const pointTo = (pointer: string, message: string) => ({ pointer, message })

function fromParameters(req: IncomingMessage, body: JsonObject, readOnly: boolean): GraphqlRequest {
  const extensions = objectOf(body, 'extensions')
  const { query } = body
  if (query === undefined && extensions.persistedQuery !== undefined)
    throw refuseRequest('BAD_INPUT', 'PersistedQueryNotSupported', [pointTo('/extensions/persistedQuery', 'send the whole query')])
  if (typeof query !== 'string' || query.trim() === '')
    throw refuseRequest('BAD_INPUT', '`query` must be a text that is not empty', [pointTo('/query', 'must be a text that is not empty')])
  const { operationName = null } = body
  if (operationName !== null && typeof operationName !== 'string')
    throw refuseRequest('BAD_INPUT', '`operationName` must be a text or null', [pointTo('/operationName', 'must be a text or null')])
  return {
    query,
    operationName: operationName === '' ? null : operationName,
    variables: objectOf(body, 'variables'),
    readOnly,
    ...claims(req, extensions),
  }
}

function objectOf(body: JsonObject, key: 'variables' | 'extensions'): JsonObject {
  const value: JsonValue = body[key] ?? null
  if (value === null) return {}
  if (!isJsonObject(value))
    throw refuseRequest('BAD_INPUT', `\`${key}\` must be an object or null`, [pointTo(`/${key}`, 'must be an object or null')])
  return value
}

const CLAIMS = {
  rationale: { header: 'gatehouse-rationale', charsMax: LIMITS.rationaleCharsMax },
  run: { header: 'gatehouse-run', charsMax: LIMITS.runCharsMax },
  idempotencyKey: { header: 'idempotency-key', charsMax: LIMITS.idempotencyKeyCharsMax },
  traceparent: { header: 'traceparent', charsMax: 512 },
} as const

/** What the agent says about its request, from `extensions.gatehouse` or, where that is silent, from headers. */
function claims(
  req: IncomingMessage,
  extensions: JsonObject,
): Pick<GraphqlRequest, 'asserted' | 'idempotencyKey' | 'traceparent' | 'waitMs'> {
  const given = extensions.gatehouse ?? {}
  if (!isJsonObject(given))
    throw refuseRequest('BAD_INPUT', '`extensions.gatehouse` must be an object', [pointTo('/extensions/gatehouse', 'must be an object')])
  for (const key of Object.keys(given))
    if (key !== 'decisionRecord' && !Object.hasOwn(CLAIMS, key))
      throw refuseRequest('BAD_INPUT', 'unknown key in `extensions.gatehouse`', [
        pointTo(`/extensions/gatehouse/${key.slice(0, 64)}`, 'is not known'),
      ])
  const rationale = claim(req, given, 'rationale')
  const run = claim(req, given, 'run')
  const idempotencyKey = claim(req, given, 'idempotencyKey')
  const traceparent = claim(req, given, 'traceparent')
  const decisionRecord = claimedRecord(req, given)
  return {
    asserted: {
      ...(rationale !== undefined && { rationale }),
      ...(run !== undefined && { run }),
      ...(decisionRecord && { decisionRecord }),
    },
    ...(idempotencyKey !== undefined && { idempotencyKey }),
    ...(traceparent !== undefined && { traceparent }),
    waitMs: preferredWaitMs(req.headers.prefer?.toString()),
  }
}

function claim(req: IncomingMessage, given: JsonObject, key: keyof typeof CLAIMS): string | undefined {
  const { header, charsMax } = CLAIMS[key]
  const said = given[key]
  const value = said ?? headerText(req.headers, header)
  if (value === undefined) return undefined
  const place = said === undefined ? `the header \`${header}\`` : `\`extensions.gatehouse.${key}\``
  const faults = said === undefined ? [] : [pointTo(`/extensions/gatehouse/${key}`, `must be a text of 1 to ${charsMax} characters`)]
  if (typeof value !== 'string' || value === '' || value.length > charsMax)
    throw refuseRequest('BAD_INPUT', `${place} must be a text of 1 to ${charsMax} characters`, faults)
  return value
}

function claimedRecord(req: IncomingMessage, given: JsonObject): DecisionRecord | undefined {
  const said = given.decisionRecord
  const value = said ?? decisionRecordHeader(req.headers)
  if (value === undefined) return undefined
  const record = decisionRecordOf(value)
  if (record) return record
  if (said === undefined) throw refuseRequest('BAD_INPUT', `the header \`gatehouse-decision-record\` must be ${DECISION_RECORD_FORM}`)
  throw refuseRequest('BAD_INPUT', `\`extensions.gatehouse.decisionRecord\` must be ${DECISION_RECORD_FORM}`, [
    pointTo('/extensions/gatehouse/decisionRecord', `must be ${DECISION_RECORD_FORM}`),
  ])
}
