import { dirname, isAbsolute, resolve } from 'node:path'
import { type Fault, GatewayError } from '../../gateway/core/errors.ts'
import { isJsonObject, type JsonObject } from '../../gateway/core/json.ts'
import { decodeUtf8, parseJson } from '../../gateway/core/json-text.ts'
import type { JsonSchema, Operation } from '../../gateway/core/operation.ts'
import { LIMITS } from '../../gateway/limits.ts'
import {
  type Connector,
  type ConnectorKind,
  type ExecuteContext,
  type LiveDescription,
  type Manifest,
  type ProxiedRequest,
  type UpstreamAnswer,
  UpstreamError,
} from '../../gateway/ports/connector.ts'
import type { Outbound } from '../../gateway/ports/dialer.ts'
import type { Lease } from '../../gateway/ports/vault.ts'
import { hasMarks } from '../class-marks.ts'
import { type Candidate, type Described, select, toOperation } from '../describe.ts'
import { SourceFaults } from '../faults.ts'
import { declaredPlaces } from '../output-classes.ts'
import { SchemaLibrary, SchemaReader } from '../schema-reader.ts'
import { TEXT_SCHEMA } from './answer.ts'
import { httpTransport } from './http.ts'
import { type ReviewedTool, readLock, toolDigest } from './lock.ts'
import { StdioServer } from './stdio.ts'
import { type Endpoint, Upstream } from './upstream.ts'

/**
 * MCP servers over Streamable HTTP (`baseUrl`) or as a process of their own (`stdio`), described by a reviewed lock file. Every tool is a write and irreversible
 * until the manifest says otherwise, whatever it hints at. At the proxy an operation is `POST /<name>` with a JSON object. Answers: see `answerOf`.
 * A tool whose live description differs from the reviewed one is refused; the others go on.
 */
export const mcpKind: ConnectorKind = { kind: 'mcp', load }

interface ToolCandidate extends Candidate {
  tool: ReviewedTool
}

function load(manifest: Manifest, outbound: Outbound): Connector {
  const faults = new SourceFaults(manifest)
  const endpoint = endpointOf(manifest, outbound, faults)
  const lock = readLock(manifest.source, faults)
  const tools = lock.map((tool, i): ToolCandidate => ({ rawName: tool.name, place: ['tools', String(i)], tool }))
  const operations = new Map<Operation, ReviewedTool>()
  for (const [name, candidate] of select(manifest, tools, faults))
    operations.set(toOperation(manifest, name, describe(name, candidate, faults), faults), candidate.tool)
  faults.refuse()
  return new McpConnector(manifest, lock, operations, endpoint, outbound)
}

function describe(name: string, { rawName, place, tool }: ToolCandidate, faults: SourceFaults): Described {
  const input = convert(tool.inputSchema, 'input', [...place, 'inputSchema'], faults)
  if (input.type !== 'object') faults.source([...place, 'inputSchema'], `the input of tool \`${rawName}\` must be an object`)
  return {
    rawName,
    place,
    ...(tool.title ? { title: tool.title } : {}),
    description: tool.description,
    mode: 'write',
    inputSchema: {
      ...input,
      properties: isJsonObject(input.properties) ? input.properties : {},
      additionalProperties: input.additionalProperties ?? false,
    },
    ...published(tool.inputSchema),
    ...(tool.outputSchema ? output(tool.outputSchema, [...place, 'outputSchema'], faults) : { outputSchema: TEXT_SCHEMA, content: true }),
    route: { method: 'POST', path: `/${name}` },
    binding: { kind: 'mcp', tool: rawName, digest: toolDigest(tool) },
  }
}

/** Beside their own properties these say what else an object may have, so that it cannot be closed at its top. */
const OPEN = ['$ref', 'allOf', 'anyOf', 'oneOf', 'if', 'dependentSchemas', 'unevaluatedProperties']

/** The server's own wording, closed where it is silent about other properties, as they are refused. Nothing where that would say something else. */
function published(schema: JsonObject): { publishedInput?: JsonSchema } {
  if (schema.type !== 'object' || !isJsonObject(schema.properties) || OPEN.some((keyword) => Object.hasOwn(schema, keyword))) return {}
  return { publishedInput: { ...schema, additionalProperties: schema.additionalProperties ?? false } }
}

function output(schema: JsonObject, place: readonly string[], faults: SourceFaults): Pick<Described, 'outputSchema' | 'classes'> {
  const outputSchema = convert(schema, 'output', place, faults)
  if (!hasMarks(schema)) return { outputSchema }
  const places = declaredPlaces(outputSchema)
  if (!places) faults.source(place, `more than ${LIMITS.classedPlacesMax} places have data classes: class what they stand in`)
  return { outputSchema, classes: { places: places ? [places] : [], others: [] } }
}

/** A tool's schema as JSON Schema 2020-12 with its references inside. */
function convert(schema: JsonObject, use: 'input' | 'output', place: readonly string[], faults: SourceFaults): JsonSchema {
  const document = { root: schema, dialect: '2020-12' } as const
  const reader = new SchemaReader(new SchemaLibrary(document, use, faults))
  const read = reader.readTop(schema, place)
  // A tool without parameters is often described by an object that declares nothing; it takes nothing.
  const closed =
    use === 'input' && read.type === 'object' && !isJsonObject(read.properties) && schema.additionalProperties === undefined
      ? { ...read, additionalProperties: false }
      : read
  return reader.names.size > 0 ? { ...closed, $defs: reader.defs } : closed
}

/** How the manifest says to reach the server. Starts and sends nothing. */
export function endpointOf(
  { stdio, baseUrl, file, credential }: Pick<Manifest, 'stdio' | 'baseUrl' | 'file' | 'credential'>,
  outbound: Outbound,
  faults: SourceFaults,
): Endpoint {
  if (!stdio === !baseUrl) faults.manifest(['baseUrl'], 'an `mcp` connector needs exactly one of `baseUrl` and `stdio`')
  if (stdio) {
    const command = stdio.command === 'node' ? process.execPath : stdio.command
    if (!isAbsolute(command))
      faults.manifest(['stdio', 'command'], `\`${stdio.command}\` must be \`node\` or an absolute path: the process has no search path`)
    if (credential) faults.manifest(['credential'], 'a process takes no credential: it has an empty environment')
    const args = stdio.args.map((arg) => (/^\.\.?\//.test(arg) ? resolve(dirname(file), arg) : arg))
    return { stdio: true, open: () => new StdioServer(command, args) }
  }
  const url = baseUrl === undefined ? null : URL.parse(baseUrl)
  if (baseUrl !== undefined && (!url || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== ''))
    faults.manifest(['baseUrl'], 'must be a plain http or https address without user')
  return { stdio: false, open: (lease) => httpTransport(baseUrl ?? '', outbound, lease) }
}

class McpConnector implements Connector {
  readonly kind = 'mcp'
  readonly name: string
  readonly region: string
  readonly operations: readonly Operation[]
  readonly #tools: ReadonlyMap<Operation, ReviewedTool>
  readonly #byPath: ReadonlyMap<string, Operation>
  readonly #upstream: Upstream
  readonly #outbound: Outbound

  constructor(
    manifest: Manifest,
    lock: readonly ReviewedTool[],
    tools: ReadonlyMap<Operation, ReviewedTool>,
    endpoint: Endpoint,
    outbound: Outbound,
  ) {
    this.name = manifest.connector
    this.region = manifest.region
    this.operations = [...tools.keys()]
    this.#tools = tools
    this.#byPath = new Map(this.operations.map((operation) => [operation.route.path, operation]))
    this.#upstream = new Upstream(endpoint, lock, new Map([...tools].map(([operation, tool]) => [tool.name, operation.id])))
    this.#outbound = outbound
  }

  get live(): LiveDescription {
    return this.#upstream
  }

  match(request: ProxiedRequest, sees: (operation: Operation) => boolean = () => true): ReturnType<Connector['match']> {
    const operation = this.#byPath.get(request.rawPath)
    if (!operation || !sees(operation)) return { operation: null, allow: [] }
    if (request.method !== 'POST') return { operation: null, allow: ['POST'] }
    const faults: Fault[] = []
    if (request.rawQuery !== '') faults.push({ pointer: '', message: 'takes no query' })
    if (request.headers.cookie) faults.push({ pointer: '', message: 'takes no cookies' })
    if (faults.length > 0) throw new GatewayError('BAD_INPUT', 'the request takes no query and no cookies', { faults })
    return { operation, input: readBody(request) }
  }

  execute(operation: Operation, input: JsonObject, lease: Lease | null, context: ExecuteContext): Promise<UpstreamAnswer> {
    const tool = this.#tools.get(operation)
    if (!tool) return Promise.reject(new UpstreamError('refused', `operation \`${operation.id}\` is not one of this connector`, false))
    return this.#upstream.call(tool.name, operation, input, lease, context)
  }

  async close(): Promise<void> {
    await this.#upstream.close()
    await this.#outbound.close()
  }
}

function readBody({ body, headers }: ProxiedRequest): JsonObject {
  if (body.byteLength === 0) return {}
  const type = headers['content-type']
  if (typeof type !== 'string' || !/^application\/json\s*(;\s*charset="?utf-?8"?\s*)?$/i.test(type))
    throw new GatewayError('UNSUPPORTED_MEDIA_TYPE', 'the content type must be `application/json` in UTF-8')
  const value = parseJson(decodeUtf8(body), LIMITS.inputDepthMax)
  if (isJsonObject(value)) return value
  throw new GatewayError('BAD_INPUT', 'the body must be an object with the arguments', {
    faults: [{ pointer: '', message: 'must be an object' }],
  })
}
