import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Ajv, type ValidateFunction } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import ajvFormats from 'ajv-formats'
import { parse } from 'yaml'
import type { ProblemDetail } from './problem.ts'

type Json = Record<string, unknown>

/** What is wrong with a value, empty where nothing is. Coercing checks change text to the declared type in place. */
export type Check = (data: unknown) => readonly ProblemDetail[]

export interface Parameter {
  name: string
  in: 'path' | 'query' | 'header' | 'cookie'
  required: boolean
  isArray: boolean
  /** `a=1&a=2` rather than `a=1,2`. */
  explode: boolean
}

export interface DocumentedOperation {
  name: string
  method: string
  /** Path segments; `{name}` stands for any one segment. */
  segments: readonly string[]
  parameters: readonly Parameter[]
  /** Takes the parameters as one object by name; coerces. */
  checkParameters: Check
  body: { mediaType: 'application/json' | 'application/x-www-form-urlencoded'; required: boolean; check: Check } | null
  /** Check of an answer's body, undefined where the document does not describe that status. */
  answerCheck(status: number): Check | undefined
}

export interface SystemDocument {
  version: '3.0' | '3.1'
  operations: readonly DocumentedOperation[]
}

const METHODS = ['get', 'put', 'post', 'delete', 'patch'] as const

const object = (value: unknown): Json => (typeof value === 'object' && value !== null ? (value as Json) : {})
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])
const escaped = (token: string): string => encodeURIComponent(token.replaceAll('~', '~0').replaceAll('/', '~1'))

/** Where a file beside `moduleUrl` lies in the source tree: documents are not copied to `dist`. */
export const sourceFile = (moduleUrl: string, name: string): string =>
  fileURLToPath(new URL(name, moduleUrl.replace(/\/dist(\.[^/]+)?\/examples\/acme\//, '/examples/acme/')))

/** OpenAPI 3.0 keeps the boolean `exclusiveMinimum` of JSON Schema draft 4; draft 7 wants the number itself. */
function modernBounds(node: unknown): void {
  if (typeof node !== 'object' || node === null) return
  const schema = node as Json
  for (const [flag, bound] of [
    ['exclusiveMinimum', 'minimum'],
    ['exclusiveMaximum', 'maximum'],
  ] as const) {
    if (schema[flag] === true) {
      schema[flag] = schema[bound]
      delete schema[bound]
    } else if (schema[flag] === false) delete schema[flag]
  }
  for (const child of Object.values(schema)) modernBounds(child)
}

/** A node of the document and where it stands, so that its schemas are compiled in place and their references resolve. */
interface Place {
  node: Json
  pointer: string
}

const at = (place: Place, ...keys: readonly string[]): Place => ({
  node: keys.reduce((node, key) => object(node[key]), place.node),
  pointer: `${place.pointer}${keys.map((key) => `/${escaped(key)}`).join('')}`,
})

function follow(root: Json, place: Place): Place {
  const reference = place.node.$ref
  if (typeof reference !== 'string') return place
  return follow(root, at({ node: root, pointer: '' }, ...reference.slice(2).split('/')))
}

const schemaAt = (place: Place): Json => ({ $ref: `document#${place.pointer}` })

type Compile = (schema: Json) => Check

/** Compiles on first use, so that a start compiles nothing. */
function lazily(compile: (schema: Json) => ValidateFunction): Compile {
  return (schema) => {
    let compiled: ValidateFunction | undefined
    return (data) => {
      compiled ??= compile(schema)
      if (compiled(data)) return []
      return (compiled.errors ?? []).map(({ instancePath, message, params }) => {
        const extra = (params as { additionalProperty?: string }).additionalProperty
        return { at: extra === undefined ? instancePath : `${instancePath}/${extra}`, message: message ?? 'is wrong' }
      })
    }
  }
}

function readParameters(root: Json, item: Place, operation: Place): { parameters: Parameter[]; schema: Json } {
  const found = [item, operation].flatMap((owner) =>
    list(owner.node.parameters).map((_, i) => follow(root, at(owner, 'parameters', String(i)))),
  )
  const parameters = found.map((place) => ({
    name: String(place.node.name),
    in: place.node.in as Parameter['in'],
    required: place.node.required === true,
    isArray: follow(root, at(place, 'schema')).node.type === 'array',
    explode: place.node.explode !== false,
  }))
  const properties = Object.fromEntries(found.map((place) => [String(place.node.name), schemaAt(at(place, 'schema'))]))
  const required = parameters.filter((parameter) => parameter.required).map((parameter) => parameter.name)
  return { parameters, schema: { type: 'object', properties, required, additionalProperties: false } }
}

function readBody(root: Json, operation: Place, strict: Compile, coercing: Compile): DocumentedOperation['body'] {
  if (operation.node.requestBody === undefined) return null
  const body = follow(root, at(operation, 'requestBody'))
  const mediaType = Object.keys(object(body.node.content))[0]
  if (mediaType !== 'application/json' && mediaType !== 'application/x-www-form-urlencoded')
    throw new TypeError(`media type \`${mediaType}\` of \`${operation.node.operationId}\` is not served`)
  const compile = mediaType === 'application/json' ? strict : coercing
  return { mediaType, required: body.node.required === true, check: compile(schemaAt(at(body, 'content', mediaType, 'schema'))) }
}

function answerChecks(root: Json, operation: Place, compile: Compile): (status: number) => Check | undefined {
  const answers = new Map<string, Check>()
  for (const status of Object.keys(object(operation.node.responses))) {
    const answer = follow(root, at(operation, 'responses', status))
    const mediaType = Object.keys(object(answer.node.content))[0]
    if (mediaType !== undefined) answers.set(status, compile(schemaAt(at(answer, 'content', mediaType, 'schema'))))
  }
  return (status) => answers.get(String(status)) ?? answers.get(`${Math.floor(status / 100)}XX`) ?? answers.get('default')
}

/** Reads an OpenAPI 3.0 or 3.1 document, YAML or JSON, as the table of operations that the system serves. Throws TypeError on a document it cannot serve. */
export function readDocument(path: string): SystemDocument {
  const text = readFileSync(path, 'utf8')
  const root = object(path.endsWith('.json') ? JSON.parse(text) : parse(text))
  const version = String(root.openapi).startsWith('3.1') ? '3.1' : '3.0'
  if (version === '3.0') modernBounds(root)
  const make = (coerceTypes: boolean): Compile => {
    const options = { strict: false, allErrors: true, coerceTypes, validateSchema: false } as const
    const ajv = version === '3.1' ? new Ajv2020(options) : new Ajv(options)
    ajvFormats.default(ajv)
    ajv.addSchema(root, 'document')
    return lazily((schema) => ajv.compile(schema))
  }
  const [strict, coercing] = [make(false), make(true)]
  const operations: DocumentedOperation[] = []
  for (const path of Object.keys(object(root.paths)))
    for (const method of METHODS) {
      const item = at({ node: root, pointer: '' }, 'paths', path)
      const operation = at(item, method)
      if (typeof operation.node.operationId !== 'string') continue
      const { parameters, schema } = readParameters(root, item, operation)
      operations.push({
        name: operation.node.operationId,
        method: method.toUpperCase(),
        segments: path.slice(1).split('/'),
        parameters,
        checkParameters: coercing(schema),
        body: readBody(root, operation, strict, coercing),
        answerCheck: answerChecks(root, operation, strict),
      })
    }
  return { version, operations }
}
