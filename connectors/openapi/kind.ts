import { GatewayError, type Fault } from '../../gateway/core/errors.ts'
import { isJsonObject, type JsonObject, pointerToken } from '../../gateway/core/json.ts'
import type { Operation } from '../../gateway/core/operation.ts'
import type { Connector, ConnectorKind, ExecuteContext, Manifest, ProxiedRequest, UpstreamAnswer } from '../../gateway/ports/connector.ts'
import type { Outbound } from '../../gateway/ports/dialer.ts'
import type { Lease } from '../../gateway/ports/vault.ts'
import { hasMarks } from '../class-marks.ts'
import { select, toOperation } from '../describe.ts'
import { SourceFaults } from '../faults.ts'
import { SchemaLibrary } from '../schema-reader.ts'
import { readContentType } from './body.ts'
import { parseOpenapi, type OpenapiDocument } from './document.ts'
import { candidates, type CompiledOperation, compileOperation } from './operation.ts'
import type { Incoming } from './parameter.ts'
import { percentDecode, readPairs } from './query.ts'
import { RequestBuilder } from './request.ts'
import { parseTemplate, Router, type Template } from './route.ts'
import { badInput, unsendable } from './scalar.ts'

const METHOD_OVERRIDES = ['x-http-method-override', 'x-method-override', 'x-http-method'] as const

/**
 * OpenAPI 3.0 and 3.1 documents. An operation's input is one flat object: parameters by name (`<in>_<name>` where another parameter has the
 * name), and the properties of an object body beside them, or the whole body as `body` where names collide, the body is optional with
 * required members, or it is no closed object. Text bodies are strings, binary ones base64.
 */
export const openapiKind: ConnectorKind = { kind: 'openapi', load }

interface Bound {
  compiled: CompiledOperation
  operation: Operation
  template: Template<Bound | null>
}

function load(manifest: Manifest, outbound: Outbound): Connector {
  const faults = new SourceFaults(manifest)
  const base = baseOf(manifest, faults)
  const document = parseOpenapi(manifest.source, faults)
  const router = new Router<Bound | null>()
  const operations = document ? bind(manifest, document, router, faults) : new Map<Operation, Bound>()
  faults.refuse()
  return new OpenapiConnector(manifest, operations, router, new RequestBuilder(base, router), outbound)
}

function baseOf({ baseUrl, file }: Manifest, faults: SourceFaults): string {
  const url = baseUrl === undefined ? null : URL.parse(baseUrl)
  if (!url || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '' || url.username !== '' || url.password !== '') {
    faults.manifest(['baseUrl'], `\`${file}\` needs a plain http or https base address without query and user`)
    return ''
  }
  return url.href.replace(/\/+$/, '')
}

function bind(manifest: Manifest, document: OpenapiDocument, router: Router<Bound | null>, faults: SourceFaults): Map<Operation, Bound> {
  const all = candidates(document, faults)
  // Every path of the document takes part in routing, so an operation that was left out is never reached through another's parameter.
  for (const { path, method } of all) {
    const segments = parseTemplate(path, new Set())
    if (segments) router.add(segments).byMethod.set(method, null)
  }
  const operations = new Map<Operation, Bound>()
  const input = new SchemaLibrary(document, 'input', faults)
  const output = new SchemaLibrary(document, 'output', faults)
  const classed = hasMarks(document.root)
  const credentials = credentialParameters(document)
  for (const [name, candidate] of select(manifest, all, faults)) {
    const idempotency = manifest.operations.overrides[name]?.idempotency
    const ownHeaders = new Set(idempotency?.kind === 'key-header' ? [idempotency.header.toLowerCase()] : [])
    const compiled = compileOperation(candidate, { document, faults, input, output, classed, ownHeaders, credentials })
    if (!compiled) continue
    const template = router.add(compiled.segments)
    if (template.byMethod.get(compiled.method) || !sameParameters(template, compiled))
      faults.source(candidate.place, 'another path is the same but for the names of its parameters')
    const operation = toOperation(manifest, name, compiled.described, faults)
    const bound = { compiled, operation, template }
    template.segments = compiled.segments
    template.byMethod.set(compiled.method, bound)
    operations.set(operation, bound)
  }
  return operations
}

function sameParameters(template: Template<unknown>, { segments }: CompiledOperation): boolean {
  const names = (list: readonly object[]): string => JSON.stringify(list.map((s) => ('parameter' in s ? s.parameter : null)))
  return names(template.segments) === names(segments)
}

/** `in:name` of the parameters that the document's security schemes carry credentials in. */
function credentialParameters({ root }: OpenapiDocument): Set<string> {
  const schemes = isJsonObject(root.components) && isJsonObject(root.components.securitySchemes) ? root.components.securitySchemes : {}
  const found = new Set<string>()
  for (const scheme of Object.values(schemes))
    if (isJsonObject(scheme) && scheme.type === 'apiKey' && typeof scheme.name === 'string')
      found.add(`${String(scheme.in)}:${scheme.in === 'header' ? scheme.name.toLowerCase() : scheme.name}`)
  return found
}

class OpenapiConnector implements Connector {
  readonly kind = 'openapi'
  readonly name: string
  readonly region: string
  readonly operations: readonly Operation[]
  readonly #bound: ReadonlyMap<Operation, Bound>
  readonly #router: Router<Bound | null>
  readonly #builder: RequestBuilder
  readonly #outbound: Outbound

  constructor(
    manifest: Manifest,
    bound: ReadonlyMap<Operation, Bound>,
    router: Router<Bound | null>,
    builder: RequestBuilder,
    outbound: Outbound,
  ) {
    this.name = manifest.connector
    this.region = manifest.region
    this.operations = [...bound.keys()]
    this.#bound = bound
    this.#router = router
    this.#builder = builder
    this.#outbound = outbound
  }

  match(request: ProxiedRequest, sees: (operation: Operation) => boolean = () => true): ReturnType<Connector['match']> {
    for (const header of METHOD_OVERRIDES)
      if (request.headers[header] !== undefined) throw badInput('', `has the header \`${header}\`, which is not accepted`)
    const found = this.#router.match(request.rawPath)
    if (!found) return { operation: null, allow: [] }
    const bound = found.template.byMethod.get(request.method)
    if (!bound || !sees(bound.operation)) {
      const others = [...found.template.byMethod].filter(([method, other]) => other && method !== request.method && sees(other.operation))
      return { operation: null, allow: others.map(([method]) => method) }
    }
    return { operation: bound.operation, input: readInput(bound.compiled, found.values, request) }
  }

  async execute(operation: Operation, input: JsonObject, lease: Lease | null, context: ExecuteContext): Promise<UpstreamAnswer> {
    const bound = this.#bound.get(operation)
    if (!bound) throw unsendable(`operation \`${operation.id}\` is not one of this connector`)
    const { url, headers, body } = this.#builder.build(bound, input, lease, context)
    return this.#outbound.request({
      method: bound.compiled.method,
      url,
      headers,
      ...(body === undefined ? {} : { body }),
      signal: context.signal,
      headersTimeoutMs: operation.timeoutMs,
      bodyTimeoutMs: operation.timeoutMs,
    })
  }

  close(): Promise<void> {
    return this.#outbound.close()
  }
}

/** The canonical arguments of a proxied request. Throws BAD_INPUT with every fault of its parameters, or UNSUPPORTED_MEDIA_TYPE. */
function readInput({ parameters, body }: CompiledOperation, path: Readonly<Record<string, string>>, request: ProxiedRequest): JsonObject {
  if (/[^\x21-\x7e]/.test(request.rawQuery)) throw badInput('', 'has a query with characters that a URL encodes')
  const incoming: Incoming = {
    path,
    query: readPairs(request.rawQuery),
    headers: request.headers,
    cookies: readCookies(request.headers.cookie),
  }
  const faults: Fault[] = []
  const declared = { query: new Set<string>(), cookie: new Set<string>() }
  const input: JsonObject = {}
  for (const parameter of parameters) {
    if (parameter.in === 'query' || parameter.in === 'cookie') for (const name of parameter.names) declared[parameter.in].add(name)
    try {
      const value = parameter.read(incoming)
      if (value !== undefined) input[parameter.property] = value
    } catch (error) {
      if (!(error instanceof GatewayError) || error.code !== 'BAD_INPUT') throw error
      faults.push(...error.faults)
    }
  }
  for (const name of incoming.query.keys())
    if (!declared.query.has(name)) faults.push({ pointer: `/${pointerToken(name)}`, message: 'is not a declared query parameter' })
  for (const name of incoming.cookies.keys())
    if (!declared.cookie.has(name)) faults.push({ pointer: `/${pointerToken(name)}`, message: 'is not a declared cookie' })
  if (faults.length > 0) throw new GatewayError('BAD_INPUT', 'parameters are malformed', { faults })
  readBody(body, request, input)
  return input
}

function readBody(body: CompiledOperation['body'], request: ProxiedRequest, input: JsonObject): void {
  if (request.body.byteLength === 0) return
  if (!body) throw badInput('', 'has a body, and this operation takes none')
  const raw = request.headers['content-type']
  const type = typeof raw === 'string' ? readContentType(raw) : undefined
  const accepted = [...body.codec.accepts].map((one) => `\`${one}\``).join(', ')
  if (!type || !body.codec.accepts.has(type.mediaType))
    throw new GatewayError('UNSUPPORTED_MEDIA_TYPE', `the content type must be ${accepted} in UTF-8`)
  const value = body.codec.read(request.body, type.parameters)
  if (body.layout.kind === 'whole') {
    input[body.layout.property] = value
    return
  }
  if (!isJsonObject(value)) throw badInput('', 'must have an object as its body')
  const names = new Set(body.layout.names)
  const faults = Object.keys(value).flatMap((key) =>
    names.has(key) ? [] : [{ pointer: `/${pointerToken(key)}`, message: 'is not declared' }],
  )
  if (faults.length > 0) throw new GatewayError('BAD_INPUT', 'the body has properties that are not declared', { faults })
  Object.assign(input, value)
}

/** RFC 6265 5.4 as browsers and clients write it. */
function readCookies(raw: ProxiedRequest['headers'][string]): Map<string, string[]> {
  const cookies = new Map<string, string[]>()
  if (raw === undefined || raw === '') return cookies
  const text = typeof raw === 'string' ? raw : raw.join('; ')
  for (const pair of text.split(';')) {
    const at = pair.indexOf('=')
    if (at === -1) throw badInput('', 'has a malformed cookie')
    const name = percentDecode(pair.slice(0, at).trim())
    const value = percentDecode(pair.slice(at + 1).trim())
    const values = cookies.get(name)
    if (values) values.push(value)
    else cookies.set(name, [value])
  }
  return cookies
}
