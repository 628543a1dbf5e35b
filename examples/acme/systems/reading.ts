import type { IncomingMessage } from 'node:http'
import type { DocumentedOperation, Parameter } from './document.ts'
import { Input } from './input.ts'
import { Problem } from './problem.ts'

const BODY_BYTES_MAX = 1_048_576

/** Reads a whole body, at most 1 MiB. Throws Problem 413. */
export async function readBytes(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > BODY_BYTES_MAX) throw new Problem(413, 'body_too_large', `a body has at most ${BODY_BYTES_MAX} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** Finds the operation of a method and path; `allow` lists the methods of a path that exists under another method. */
export function route(
  operations: readonly DocumentedOperation[],
  method: string,
  path: string,
): { operation: DocumentedOperation; path: Record<string, string> } | { operation: null; allow: readonly string[] } {
  const segments = path.slice(1).split('/')
  const allow: string[] = []
  const fits = operations.filter(
    (one) =>
      one.segments.length === segments.length &&
      one.segments.every((segment, i) => (segment.startsWith('{') ? segments[i] !== '' : segment === segments[i])),
  )
  // A literal segment is meant before a template one: `/contacts/export` is no contact.
  fits.sort((a, b) => a.segments.filter((s) => s.startsWith('{')).length - b.segments.filter((s) => s.startsWith('{')).length)
  for (const operation of fits) {
    allow.push(operation.method)
    if (operation.method !== method) continue
    const values = operation.segments.flatMap((segment, i) =>
      segment.startsWith('{') ? [[segment.slice(1, -1), decode(segments[i] ?? '')] as const] : [],
    )
    return { operation, path: Object.fromEntries(values) }
  }
  return { operation: null, allow }
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    throw new Problem(400, 'malformed_path', 'the path is not percent-encoded UTF-8')
  }
}

function cookiesOf(header: string | undefined): Map<string, string> {
  const pairs = (header ?? '').split(';').map((pair) => pair.trim().split('='))
  return new Map(pairs.flatMap(([name, ...rest]) => (name ? [[name, rest.join('=')] as const] : [])))
}

function sentValue(parameter: Parameter, request: IncomingMessage, query: URLSearchParams, path: Record<string, string>): unknown {
  if (parameter.in === 'path') return path[parameter.name]
  if (parameter.in === 'header') return request.headers[parameter.name.toLowerCase()]
  if (parameter.in === 'cookie') return cookiesOf(request.headers.cookie).get(parameter.name)
  const all = query.getAll(parameter.name)
  if (!parameter.isArray) {
    if (all.length > 1) throw new Problem(400, 'repeated_parameter', `query parameter \`${parameter.name}\` came twice`)
    return all[0]
  }
  return all.length === 0 ? undefined : parameter.explode ? all : all.flatMap((one) => one.split(','))
}

function readParameters(operation: DocumentedOperation, request: IncomingMessage, query: URLSearchParams, path: Record<string, string>) {
  const values: Record<string, unknown> = {}
  const declared = new Set(operation.parameters.filter((one) => one.in === 'query').map((one) => one.name))
  for (const name of query.keys())
    if (!declared.has(name)) throw new Problem(400, 'unknown_parameter', `query parameter \`${name}\` is not known here`)
  for (const parameter of operation.parameters) {
    const value = sentValue(parameter, request, query, path)
    if (value !== undefined) values[parameter.name] = value
  }
  const details = operation.checkParameters(values)
  if (details.length > 0) throw new Problem(400, 'invalid_parameters', 'a parameter is wrong', details)
  return values
}

function parsed(text: string, mediaType: string): Record<string, unknown> {
  if (mediaType === 'application/x-www-form-urlencoded') return Object.fromEntries(new URLSearchParams(text))
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    throw new Problem(400, 'malformed_json', 'the body is not JSON')
  }
}

function readBody(body: NonNullable<DocumentedOperation['body']>, request: IncomingMessage, text: string): Record<string, unknown> {
  if (text === '') {
    if (body.required) throw new Problem(400, 'body_missing', 'a body is needed')
    return {}
  }
  const mediaType = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase()
  if (mediaType !== body.mediaType) throw new Problem(415, 'unsupported_media_type', `the body must be \`${body.mediaType}\``)
  const value = parsed(text, mediaType)
  const details = body.check(value)
  if (details.length > 0) throw new Problem(422, 'invalid_body', 'the body does not fit its schema', details)
  return value
}

/** Reads and checks an operation's arguments. Throws Problem 400 (parameters), 415 or 422 (body). */
export function readInput(
  operation: DocumentedOperation,
  request: IncomingMessage,
  query: URLSearchParams,
  path: Record<string, string>,
  text: string,
): Input {
  const parameters = readParameters(operation, request, query, path)
  const body = operation.body ? readBody(operation.body, request, text) : {}
  const key = request.headers['idempotency-key']
  return new Input({ ...body, ...parameters }, typeof key === 'string' ? key : undefined)
}
