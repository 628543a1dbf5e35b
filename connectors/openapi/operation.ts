import { isJsonObject, type JsonObject, type JsonValue } from '../../gateway/core/json.ts'
import type { JsonSchema, Mode } from '../../gateway/core/operation.ts'
import { LIMITS } from '../../gateway/limits.ts'
import { markedClasses, withClasses } from '../class-marks.ts'
import { type Candidate, type Described, RESERVED_HEADERS } from '../describe.ts'
import type { SourceFaults } from '../faults.ts'
import { type ClassesByPlace, declaredPlaces } from '../output-classes.ts'
import { type SchemaLibrary, SchemaReader } from '../schema-reader.ts'
import { type BodyCodec, compileBody, formatOf } from './body.ts'
import { type OpenapiDocument, resolve } from './document.ts'
import { compileParameter, defaultStyle, type Location, type Parameter } from './parameter.ts'
import { parseTemplate, type TemplateSegment } from './route.ts'
import { type Shape, shapeOf } from './scalar.ts'

const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace'] as const
const LOCATIONS: readonly string[] = ['path', 'query', 'header', 'cookie']
/** A body whose schema says no more than this has properties that can stand beside the parameters. */
const FLAT_KEYWORDS: ReadonlySet<string> = new Set([
  'type',
  'properties',
  'required',
  'additionalProperties',
  'title',
  'description',
  'deprecated',
  'default',
])
/** What no path argument may look like (see `segmentFault`), so that validation says it before anything is decided. */
const PATH_TEXT = '^(?!.*%[0-9a-fA-F]{2})[^/\\\\\\u0000-\\u001f\\u007f]*[^./\\\\\\u0000-\\u001f\\u007f]$'

/** An operation of the document that may or may not be selected. */
export interface OpenapiCandidate extends Candidate {
  method: string
  path: string
  item: JsonObject
  node: JsonObject
}

/** The body of an operation: beside the parameters (`names`) or whole in one property. */
export interface BodyBinding {
  codec: BodyCodec
  required: boolean
  layout: { kind: 'flat'; names: readonly string[] } | { kind: 'whole'; property: string }
}

export interface CompiledOperation {
  method: string
  segments: readonly TemplateSegment[]
  parameters: readonly Parameter[]
  body: BodyBinding | null
  described: Described
}

/** Every operation of the document, in its order. An operation without `operationId` is named `<method>_<path>`. */
export function candidates(document: OpenapiDocument, faults: SourceFaults): OpenapiCandidate[] {
  const found: OpenapiCandidate[] = []
  for (const [path, raw] of Object.entries(isJsonObject(document.root.paths) ? document.root.paths : {})) {
    const item = resolve(document, raw, ['paths', path], faults)
    if (!item) continue
    for (const method of METHODS) {
      const node = item[method]
      if (!isJsonObject(node)) continue
      const rawName = typeof node.operationId === 'string' && node.operationId !== '' ? node.operationId : `${method} ${path}`
      found.push({ rawName, place: ['paths', path, method], method: method.toUpperCase(), path, item, node })
    }
  }
  return found
}

/** What compiling needs beside the operation itself. */
export interface CompileContext {
  document: OpenapiDocument
  faults: SourceFaults
  input: SchemaLibrary
  output: SchemaLibrary
  /** The document gives data classes somewhere: all responses are read for them. */
  classed: boolean
  /** Lower-case headers that the gateway sets itself. */
  ownHeaders: ReadonlySet<string>
  /** `in:name` of parameters that carry credentials. */
  credentials: ReadonlySet<string>
}

/** Compiles one operation; undefined, with faults, where it cannot be carried. */
export function compileOperation(candidate: OpenapiCandidate, context: CompileContext): CompiledOperation | undefined {
  const { faults } = context
  const { node, method, path, place } = candidate
  const reader = new SchemaReader(context.input)
  const parameters = compileParameters(candidate, reader, context)
  const matrix = new Set(parameters.filter(({ style }) => style === 'matrix').map(({ name }) => name))
  const segments = parseTemplate(path, matrix)
  if (!segments) {
    faults.source(
      place.slice(0, 2),
      'the path has a segment with several parameters or with characters that are no URL text; exclude its operations',
    )
    return undefined
  }
  checkTemplate(segments, parameters, place, faults)
  const body = compileRequestBody(candidate, parameters, reader, context)
  const inputSchema = inputOf(parameters, body, reader)
  const output = outputOf(candidate, context)
  const mode: Mode = method === 'GET' || method === 'HEAD' ? 'read' : 'write'
  const title = typeof node.summary === 'string' ? node.summary : undefined
  const binding: JsonObject = {
    kind: 'openapi',
    method,
    path,
    parameters: parameters.map((p) => [p.in, p.name, p.property, p.style, p.explode]),
    body: body ? { mediaType: body.binding.codec.mediaType, layout: body.binding.layout.kind, required: body.binding.required } : null,
  }
  return {
    method,
    segments,
    parameters,
    body: body?.binding ?? null,
    described: {
      rawName: candidate.rawName,
      place,
      ...(title ? { title } : {}),
      description: typeof node.description === 'string' ? node.description : (title ?? ''),
      mode,
      inputSchema,
      ...output,
      route: { method, path },
      binding,
    },
  }
}

function checkTemplate(
  segments: readonly TemplateSegment[],
  parameters: readonly Parameter[],
  place: readonly string[],
  faults: SourceFaults,
): void {
  const inPath = new Set(segments.flatMap((segment) => ('parameter' in segment ? [segment.parameter] : [])))
  const declared = new Set(parameters.filter((p) => p.in === 'path').map((p) => p.name))
  for (const name of inPath) if (!declared.has(name)) faults.source(place, `path parameter \`${name}\` is not declared`)
  for (const name of declared) if (!inPath.has(name)) faults.source(place, `path parameter \`${name}\` is not in the path`)
}

/** Parameters of the path item and the operation; the operation's own replace those of the item (same `in` and `name`). */
function compileParameters(candidate: OpenapiCandidate, reader: SchemaReader, context: CompileContext): Parameter[] {
  const { document, faults } = context
  const nodes = new Map<string, { node: JsonObject; place: readonly string[] }>()
  for (const [list, place] of [
    [candidate.item.parameters, candidate.place.slice(0, 2)],
    [candidate.node.parameters, candidate.place],
  ] as const)
    for (const [i, raw] of (Array.isArray(list) ? list : []).entries()) {
      const at = [...place, 'parameters', String(i)]
      const node = resolve(document, raw, at, faults)
      if (node && (typeof node.name !== 'string' || !LOCATIONS.includes(String(node.in))))
        faults.source(at, 'a parameter needs a `name` and an `in`')
      else if (node) nodes.set(`${node.in}:${node.in === 'header' ? String(node.name).toLowerCase() : node.name}`, { node, place: at })
    }
  const compiled: Parameter[] = []
  const taken = new Set<string>()
  for (const location of LOCATIONS)
    for (const [key, { node, place }] of nodes) {
      if (node.in !== location || isGatewayOwn(key, context)) continue
      const parameter = compileOne(node, location as Location, taken, reader, place)
      if (typeof parameter === 'string') faults.source(place, parameter)
      else compiled.push(parameter)
    }
  checkNames(compiled, candidate.place, faults)
  return compiled
}

function isGatewayOwn(key: string, { ownHeaders, credentials }: CompileContext): boolean {
  if (credentials.has(key)) return true
  if (!key.startsWith('header:')) return false
  const name = key.slice('header:'.length)
  return RESERVED_HEADERS.has(name) || ownHeaders.has(name)
}

function compileOne(
  node: JsonObject,
  location: Location,
  taken: Set<string>,
  reader: SchemaReader,
  place: readonly string[],
): Parameter | string {
  const rawName = String(node.name)
  const name = location === 'header' ? rawName.toLowerCase() : rawName
  if (location === 'header' && !/^[\w!#$%&'*+.^`|~-]+$/.test(name)) return `\`${rawName}\` is no header name`
  const property = taken.has(rawName) ? `${location}_${rawName}` : rawName
  if (taken.has(property)) return `the input would have two properties \`${property}\``
  taken.add(property)
  const [media] = isJsonObject(node.content) ? Object.entries(node.content) : []
  if (media && formatOf(media[0].toLowerCase()) !== 'json') return 'a parameter described by `content` must be JSON'
  const json = media !== undefined
  const read = reader.read(isJsonObject(media?.[1]) ? media[1].schema : node.schema, [...place, json ? 'content' : 'schema'])
  const shape = shapeOf(reader.root, read)
  const style = typeof node.style === 'string' ? node.style : defaultStyle(location)
  const schema: JsonSchema = {
    ...(location === 'path' && !json ? pathText(read, shape) : read),
    ...(typeof node.description === 'string' ? { description: node.description } : {}),
  }
  const explode = typeof node.explode === 'boolean' ? node.explode : style === 'form'
  return compileParameter(
    { in: location, name, property, required: location === 'path' || node.required === true, schema, style, explode },
    shape,
    json,
  )
}

function pathText(schema: JsonSchema, shape: Shape): JsonSchema {
  const free =
    shape.kind === 'scalar' &&
    shape.scalar === 'string' &&
    schema.type === 'string' &&
    schema.pattern === undefined &&
    schema.enum === undefined
  return free ? { ...schema, pattern: PATH_TEXT } : schema
}

/** Two parameters that share a query or cookie name could not be told apart. */
function checkNames(parameters: readonly Parameter[], place: readonly string[], faults: SourceFaults): void {
  const owner = new Map<string, string>()
  for (const parameter of parameters)
    for (const name of parameter.names) {
      const key = `${parameter.in} ${name}`
      const other = owner.get(key)
      if (other !== undefined)
        faults.source(place, `parameters \`${other}\` and \`${parameter.name}\` both use the ${parameter.in} name \`${name}\``)
      owner.set(key, parameter.name)
    }
}

interface CompiledBody {
  binding: BodyBinding
  schema: JsonSchema
}

function compileRequestBody(
  candidate: OpenapiCandidate,
  parameters: readonly Parameter[],
  reader: SchemaReader,
  context: CompileContext,
): CompiledBody | undefined {
  if (candidate.node.requestBody === undefined) return undefined
  const place = [...candidate.place, 'requestBody']
  const node = resolve(context.document, candidate.node.requestBody, place, context.faults)
  const content = isJsonObject(node?.content) ? Object.entries(node.content) : []
  const chosen = chooseMedia(content.map(([type]) => type.split(';')[0]?.trim().toLowerCase() ?? ''))
  const media = content[chosen.index]?.[1]
  if (!node || !isJsonObject(media)) return undefined
  const required = node.required === true
  const at = [...place, 'content', content[chosen.index]?.[0] ?? '', 'schema']
  const format = formatOf(chosen.mediaType)
  const schema = format === 'json' || format === 'form' ? reader.readTop(media.schema, at) : opaqueSchema(format, chosen.mediaType)
  const codec = compileBody(
    chosen.mediaType,
    chosen.accepts,
    format === 'form' ? formShapes(media, schema, reader, at, context) : new Map(),
  )
  const layout = layoutOf(schema, format === 'json' || format === 'form', required, parameters)
  if (layout) return { binding: { codec, required, layout }, schema }
  context.faults.source(place, 'parameters are called both `body` and `requestBody`, so the body has no name left')
  return undefined
}

/** JSON before forms before anything else; all JSON types are read alike. */
function chooseMedia(types: readonly string[]): { index: number; mediaType: string; accepts: ReadonlySet<string> } {
  const json = types.filter((type) => formatOf(type) === 'json')
  const exact = types.indexOf('application/json')
  const index =
    exact !== -1 ? exact : json[0] !== undefined ? types.indexOf(json[0]) : Math.max(types.indexOf('application/x-www-form-urlencoded'), 0)
  const mediaType = types[index] ?? ''
  return { index, mediaType, accepts: new Set(formatOf(mediaType) === 'json' ? json : mediaType.includes('*') ? [] : [mediaType]) }
}

function opaqueSchema(format: string, mediaType: string): JsonSchema {
  return format === 'text'
    ? { type: 'string', contentMediaType: mediaType }
    : { type: 'string', contentEncoding: 'base64', contentMediaType: mediaType }
}

function formShapes(
  media: JsonObject,
  schema: JsonSchema,
  reader: SchemaReader,
  place: readonly string[],
  { faults }: CompileContext,
): ReadonlyMap<string, Shape> {
  const shapes = new Map<string, Shape>()
  if (!isJsonObject(schema.properties)) faults.source(place, 'a form body must declare its properties')
  else for (const [name, property] of Object.entries(schema.properties)) shapes.set(name, shapeOf(reader.root, property))
  for (const [name, encoding] of Object.entries(isJsonObject(media.encoding) ? media.encoding : {}))
    if (isJsonObject(encoding) && (encoding.explode === false || (encoding.style !== undefined && encoding.style !== 'form')))
      faults.source(place, `the encoding of form property \`${name}\` is not supported`)
  return shapes
}

/** Beside the parameters where no name is taken and an absent body cannot be mistaken for an empty one, else whole. */
function layoutOf(
  schema: JsonSchema,
  structured: boolean,
  required: boolean,
  parameters: readonly Parameter[],
): BodyBinding['layout'] | undefined {
  const taken = new Set(parameters.map(({ property }) => property))
  const plain =
    structured &&
    schema.type === 'object' &&
    schema.additionalProperties === false &&
    Object.keys(schema).every((key) => FLAT_KEYWORDS.has(key))
  if (plain && isJsonObject(schema.properties) && (required || schema.required === undefined)) {
    const names = Object.keys(schema.properties)
    if (!names.some((name) => taken.has(name))) return { kind: 'flat', names }
  }
  const property = ['body', 'requestBody'].find((name) => !taken.has(name))
  return property === undefined ? undefined : { kind: 'whole', property }
}

function inputOf(parameters: readonly Parameter[], body: CompiledBody | undefined, reader: SchemaReader): JsonSchema {
  const properties: Record<string, JsonValue> = {}
  const required: string[] = []
  for (const parameter of parameters) {
    properties[parameter.property] = parameter.schema
    if (parameter.required) required.push(parameter.property)
  }
  if (body?.binding.layout.kind === 'flat') {
    Object.assign(properties, body.schema.properties)
    if (Array.isArray(body.schema.required)) required.push(...body.schema.required.map(String))
  } else if (body?.binding.layout.kind === 'whole') {
    properties[body.binding.layout.property] = body.schema
    if (body.binding.required) required.push(body.binding.layout.property)
  }
  return {
    type: 'object',
    properties,
    ...(required.length > 0 ? { required } : {}),
    additionalProperties: false,
    ...(reader.names.size > 0 ? { $defs: reader.defs } : {}),
  }
}

type Output = Pick<Described, 'outputSchema' | 'classes'>

/** The schema of the lowest 2xx response that is JSON, and the data classes of all responses. */
function outputOf(candidate: OpenapiCandidate, context: CompileContext): Output {
  const bodies = responseBodies(candidate, context)
  const chosen = bodies.find(({ status, isJson, schema }) => isJson && schema !== undefined && /^2(\d\d|XX)$/i.test(status))
  const outputSchema = chosen && readBody(chosen, context)
  if (!context.classed) return outputSchema ? { outputSchema } : {}
  const places: ClassesByPlace[] = []
  const others = new Set<string>()
  for (const body of bodies) {
    const schema = body === chosen && outputSchema ? outputSchema : readBody(body, context)
    const declared = declaredPlaces(schema)
    if (!declared)
      context.faults.source(body.place, `more than ${LIMITS.classedPlacesMax} places have data classes: class what they stand in`)
    else if (body.isJson && body.status.startsWith('2')) places.push(declared)
    else for (const name of Object.values(declared).flat()) others.add(name)
  }
  return { ...(outputSchema ? { outputSchema } : {}), classes: { places, others: [...others].sort() } }
}

interface ResponseBody {
  status: string
  isJson: boolean
  schema: JsonValue | undefined
  /** Classes that stand at the response or the media type, around the schema. */
  classes: readonly string[]
  place: readonly string[]
}

/** All bodies with a schema, lowest status first; where the document gives classes, those of refusals and without a schema too. */
function responseBodies(candidate: OpenapiCandidate, { document, faults, classed }: CompileContext): ResponseBody[] {
  const responses = isJsonObject(candidate.node.responses) ? candidate.node.responses : {}
  const statuses = Object.keys(responses).filter((key) => /^2(\d\d|XX)$/i.test(key) || (classed && !key.startsWith('x-')))
  return statuses.sort().flatMap((status) => {
    const at = [...candidate.place, 'responses', status]
    const response = resolve(document, responses[status], at, faults)
    const around = classed && response ? markedClasses(response, at, faults) : []
    const content = isJsonObject(response?.content) ? Object.entries(response.content) : []
    return content.flatMap(([type, media]): ResponseBody[] => {
      const place = [...at, 'content', type]
      if (!isJsonObject(media) || (media.schema === undefined && !classed)) return []
      const isJson = formatOf(type.split(';')[0]?.trim().toLowerCase() ?? '') === 'json'
      const classes = classed ? [...around, ...markedClasses(media, place, faults)] : []
      return media.schema === undefined && isJson && classes.length === 0 ? [] : [{ status, isJson, schema: media.schema, classes, place }]
    })
  })
}

function readBody({ schema, classes, place }: ResponseBody, { output }: CompileContext): JsonSchema {
  const reader = new SchemaReader(output)
  const read = withClasses(reader.readTop(schema, [...place, 'schema']), classes)
  return reader.names.size > 0 ? { ...read, $defs: reader.defs } : read
}
