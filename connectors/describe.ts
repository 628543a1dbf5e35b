import { createHash } from 'node:crypto'
import { operationId } from '../gateway/core/ids.ts'
import { atPointer, canonicalJson, isJsonObject, type JsonObject, type JsonValue } from '../gateway/core/json.ts'
import {
  type BusinessKey,
  type HttpRoute,
  type Idempotency,
  type JsonSchema,
  type Mode,
  type Operation,
  operationName,
  type Reversibility,
} from '../gateway/core/operation.ts'
import { LIMITS } from '../gateway/limits.ts'
import type { Manifest, OperationOverride } from '../gateway/ports/connector.ts'
import { withoutClasses } from './class-marks.ts'
import { didYouMean, type SourceFaults } from './faults.ts'
import { type ClassesByPlace, outputClasses } from './output-classes.ts'

const JOINT_NAME_CHARS_MAX = 56
const DIGEST_CHARS = 6

/** Headers that an operation, a parameter or an override never sets: they belong to the connection, the credential or the gateway. */
export const RESERVED_HEADERS: ReadonlySet<string> = new Set([
  ...['accept', 'accept-encoding', 'authorization', 'connection', 'content-encoding', 'content-length', 'content-type', 'cookie', 'expect'],
  ...['forwarded', 'host', 'keep-alive', 'proxy-authorization', 'proxy-connection', 'te', 'traceparent', 'tracestate', 'trailer'],
  ...['transfer-encoding', 'upgrade', 'via', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-port', 'x-forwarded-proto', 'x-real-ip'],
  ...['x-http-method-override', 'x-method-override', 'x-http-method', 'x-original-url', 'x-rewrite-url'],
])

/** One operation as its kind reads it from the reviewed document, before the manifest has its say. */
export interface Described {
  /** As the document spells it. */
  rawName: string
  /** Keys that lead to it in the document, for faults. */
  place: readonly string[]
  title?: string
  description: string
  mode: Mode
  inputSchema: JsonSchema
  publishedInput?: JsonSchema
  outputSchema?: JsonSchema
  /** Data classes that the document gives: by place in answers with a body in JSON, and those that other answers carry. */
  classes?: { places: readonly ClassesByPlace[]; others: readonly string[] }
  content?: true
  route: HttpRoute
  /** What else decides how the upstream request comes out; goes into the version. */
  binding: JsonObject
}

/** A name that the manifest can select by, with a way to read the rest only once it is selected. */
export interface Candidate {
  rawName: string
  place: readonly string[]
}

/**
 * The candidates that the manifest's `include` and `exclude` leave, by operation name. Names that no candidate has are faults, and so are
 * two selected candidates whose names become the same (the fault names both). Order is the document's.
 */
export function select<T extends Candidate>(manifest: Manifest, candidates: readonly T[], faults: SourceFaults): Map<string, T> {
  const { include, exclude, overrides } = manifest.operations
  const known = new Set(candidates.map(({ rawName }) => operationName(rawName)))
  const check = (names: readonly string[], at: (name: string, i: number) => readonly string[]): void =>
    names.forEach((name, i) => {
      if (!known.has(name)) faults.manifest(at(name, i), `there is no operation \`${name}\`${didYouMean(name, known)}`)
    })
  check(include ?? [], (_, i) => ['operations', 'include', String(i)])
  check(exclude ?? [], (_, i) => ['operations', 'exclude', String(i)])
  check(Object.keys(overrides), (name) => ['operations', 'overrides', name])
  const included = include && new Set(include)
  const excluded = new Set(exclude)
  const selected = new Map<string, T>()
  for (const candidate of candidates) {
    const name = operationName(candidate.rawName)
    if ((included && !included.has(name)) || excluded.has(name)) continue
    const other = selected.get(name)
    if (other)
      faults.source(
        candidate.place,
        `\`${other.rawName}\` and \`${candidate.rawName}\` would both be operation \`${name}\`: exclude or rename one`,
      )
    else selected.set(name, candidate)
  }
  for (const name of Object.keys(overrides))
    if (known.has(name) && !selected.has(name))
      faults.manifest(['operations', 'overrides', name], `operation \`${name}\` is not included, so its override has no effect`)
  if (selected.size > LIMITS.operationsMax) faults.manifest(['operations'], `more than ${LIMITS.operationsMax} operations`)
  return selected
}

/** `connector_operation`, at most 56 characters; a longer one ends in 6 hex digits of its SHA-256. */
export function jointName(connector: string, name: string): string {
  const full = `${connector}_${name}`
  if (full.length <= JOINT_NAME_CHARS_MAX) return full
  return `${full.slice(0, JOINT_NAME_CHARS_MAX - DIGEST_CHARS - 1)}_${sha256(full).slice(0, DIGEST_CHARS)}`
}

/**
 * The finished operation: name, version (SHA-256 over JCS of schemas and binding) and the reviewer's overrides. Reads are read-only and
 * idempotent, writes irreversible and not idempotent, unless an override says otherwise. Overrides that contradict themselves are faults.
 */
export function toOperation(manifest: Manifest, name: string, described: Described, faults: SourceFaults): Operation {
  const override = manifest.operations.overrides[name] ?? {}
  const mode = override.mode ?? described.mode
  const reversibility: Reversibility = override.reversibility ?? (mode === 'read' ? 'read-only' : 'irreversible')
  const { inputSchema, outputSchema, title, description, route, classes } = described
  checkOverride(name, override, { mode, reversibility, inputSchema }, faults)
  return Object.freeze({
    id: operationId(manifest.connector, name),
    connector: manifest.connector,
    name,
    jointName: jointName(manifest.connector, name),
    version: versionOf(inputSchema, classes && outputSchema ? withoutClasses(outputSchema) : outputSchema, described.binding),
    ...(title ? { title } : {}),
    description,
    mode,
    reversibility,
    inputSchema,
    ...(described.publishedInput ? { publishedInput: described.publishedInput } : {}),
    ...(outputSchema ? { outputSchema } : {}),
    ...(described.content ? { content: described.content } : {}),
    ...(override.businessKey ? { businessKey: override.businessKey } : {}),
    dataClasses: outputClasses(outputSchema, classes?.places ?? [], override.dataClasses ?? {}, (pointer, message) =>
      faults.manifest(['operations', 'overrides', name, 'dataClasses', pointer], message),
    ),
    ...(classes && classes.others.length > 0 ? { otherClasses: classes.others } : {}),
    labels: override.labels ?? [],
    idempotency: override.idempotency ?? defaultIdempotency(mode),
    timeoutMs: Math.min(override.timeoutMs ?? LIMITS.upstreamTimeoutMsDefault, LIMITS.upstreamTimeoutMsMax),
    region: manifest.region,
    route,
  })
}

/** JCS of `{binding, input, output}`, with the text of shared definitions made once: a large document has them in every operation. */
function versionOf(input: JsonSchema, output: JsonSchema | undefined, binding: JsonObject): string {
  return sha256(
    `{"binding":${canonicalJson(binding)},"input":${canonicalSchema(input)},"output":${output ? canonicalSchema(output) : 'null'}}`,
  )
}

const canonicalDefinitions = new WeakMap<object, string>()

function canonicalSchema(schema: JsonSchema): string {
  const members = Object.keys(schema)
    .sort()
    .map((key) => {
      const value = schema[key] ?? null
      return `${JSON.stringify(key)}:${key === '$defs' && isJsonObject(value) ? canonicalDefs(value) : canonicalJson(value)}`
    })
  return `{${members.join(',')}}`
}

function canonicalDefs(defs: JsonObject): string {
  const members = Object.keys(defs)
    .sort()
    .map((name) => {
      const definition = defs[name]
      if (!isJsonObject(definition)) return `${JSON.stringify(name)}:${canonicalJson(definition ?? null)}`
      const text = canonicalDefinitions.get(definition) ?? canonicalJson(definition)
      canonicalDefinitions.set(definition, text)
      return `${JSON.stringify(name)}:${text}`
    })
  return `{${members.join(',')}}`
}

const defaultIdempotency = (mode: Mode): Idempotency => (mode === 'read' ? { kind: 'idempotent' } : { kind: 'none' })

function checkOverride(
  name: string,
  { businessKey, idempotency }: OperationOverride,
  is: { mode: Mode; reversibility: Reversibility; inputSchema: JsonSchema },
  faults: SourceFaults,
): void {
  const at = (...keys: string[]): string[] => ['operations', 'overrides', name, ...keys]
  if ((is.mode === 'read') !== (is.reversibility === 'read-only'))
    faults.manifest(at('reversibility'), `mode \`${is.mode}\` and reversibility \`${is.reversibility}\` contradict each other`)
  if (businessKey && !declares(is.inputSchema, businessKey))
    faults.manifest(at('businessKey', 'at'), `the input of \`${name}\` declares nothing at \`${businessKey.at}\``)
  if (idempotency?.kind === 'key-header' && RESERVED_HEADERS.has(idempotency.header.toLowerCase()))
    faults.manifest(at('idempotency', 'header'), `header \`${idempotency.header}\` cannot carry a key`)
}

/** Follows a pointer through `properties` and local references. */
function declares(schema: JsonSchema, { at }: BusinessKey): boolean {
  let here: JsonValue | undefined = schema
  for (const raw of at.split('/').slice(1)) {
    const key = raw.replaceAll('~1', '/').replaceAll('~0', '~')
    here = deref(schema, here)
    const properties: JsonValue | undefined = isJsonObject(here) ? here.properties : undefined
    if (!isJsonObject(properties) || !Object.hasOwn(properties, key)) return false
    here = properties[key]
  }
  return true
}

/** The schema behind a local reference, at most a few steps away. */
export function deref(root: JsonSchema, schema: JsonValue | undefined): JsonValue | undefined {
  let here = schema
  for (let steps = 0; steps < LIMITS.schemaDepthMax && isJsonObject(here) && typeof here.$ref === 'string'; steps++)
    here = here.$ref.startsWith('#') ? atPointer(root, here.$ref.slice(1)) : undefined
  return here
}

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
