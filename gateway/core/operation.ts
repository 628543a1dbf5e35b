import type { OperationId } from './ids.ts'
import type { JsonObject, JsonValue } from './json.ts'

export type Mode = 'read' | 'write'
export type Reversibility = 'read-only' | 'reversible' | 'externally-reversible' | 'irreversible'
export type JsonSchema = JsonObject

/** How the system behind the connector treats a repeated request. `key-header` names the header that carries the call id as key. */
export type Idempotency = { kind: 'none' } | { kind: 'idempotent' } | { kind: 'key-header'; header: string }

/** A business object named by the arguments: the Cedar resource `<Connector>::<type>::"<value at pointer>"`. */
export interface BusinessKey {
  type: string
  /** RFC 6901 pointer into the arguments. */
  at: string
}

/** The plain-HTTP form of an operation below `/proxy/{connector}`. Kinds without HTTP use `POST /<name>` with a JSON body. */
export interface HttpRoute {
  method: string
  /** Template with `{name}` segments, starting with a slash. */
  path: string
}

/**
 * One thing an agent can do at one connector, as reviewed. Immutable; a change of schema or binding is another `version`.
 * `inputSchema` is always an object schema; `$ref`s stay inside it (`#/$defs/...`).
 */
export interface Operation {
  readonly id: OperationId
  readonly connector: string
  /** `[A-Za-z0-9_]+`, unique in its connector; the Cedar action is `<Connector>::Action::"<name>"`. */
  readonly name: string
  /** `connector_operation`, at most 56 characters: the GraphQL field and MCP tool name. */
  readonly jointName: string
  /** SHA-256, lower-case hex, over JCS of input schema, output schema and upstream binding. */
  readonly version: string
  readonly title?: string
  readonly description: string
  readonly mode: Mode
  readonly reversibility: Reversibility
  readonly inputSchema: JsonSchema
  /** `inputSchema` as the reviewed description words it, with `$schema`, `$defs` and references: what a door with JSON Schemas publishes. */
  readonly publishedInput?: JsonSchema
  readonly outputSchema?: JsonSchema
  /** The answer is what an MCP tool without an output schema gives, `{text, items?}`: the MCP door hands it on as content blocks. */
  readonly content?: true
  readonly businessKey?: BusinessKey
  /**
   * Output pointer (with `*` for items and for members without a name of their own, empty for the whole) to data classes, from the reviewed description and the
   * manifest. An empty list takes away what the output schema itself says of that place.
   */
  readonly dataClasses: Readonly<Record<string, readonly string[]>>
  /** Classes that only answers of another kind carry: the system's refusals, and bodies that are no JSON. */
  readonly otherClasses?: readonly string[]
  /** Labels that whoever receives a result carries from then on, beside the data classes that were not masked. */
  readonly labels: readonly string[]
  readonly idempotency: Idempotency
  readonly timeoutMs: number
  readonly region: string
  readonly route: HttpRoute
}

/** A configured connector as policy and people see it. */
export interface ConnectorInfo {
  readonly name: string
  readonly kind: string
  readonly region: string
}

/** All operations of all connectors, one immutable snapshot. */
export interface Catalogue {
  /** SHA-256, lower-case hex, over the sorted ids and versions. */
  readonly version: string
  readonly connectors: readonly ConnectorInfo[]
  readonly operations: ReadonlyMap<OperationId, Operation>
  readonly byJointName: ReadonlyMap<string, Operation>
}

/** `erp` to `Erp`: the Cedar namespace and GraphQL type prefix of a connector. */
export const namespaceOf = (connector: string): string => connector.charAt(0).toUpperCase() + connector.slice(1)

/** Maps a name of an outside description to an operation name: runs of other characters become one `_`. */
export const operationName = (raw: string): string => raw.replace(/[^A-Za-z0-9_]+/g, '_').replace(/^_+|_+$/g, '') || '_'

/** All data classes that an operation's answers may carry, sorted. */
export const classesOf = ({ dataClasses, otherClasses = [] }: Pick<Operation, 'dataClasses' | 'otherClasses'>): readonly string[] =>
  [...new Set([...Object.values(dataClasses).flat(), ...otherClasses])].sort()

/** What an input asks to touch: the business object where the operation declares one and the arguments name it. */
export function resourceOf(
  operation: Operation,
  input: JsonObject,
  read: (root: JsonValue, pointer: string) => JsonValue | undefined,
): string | undefined {
  if (!operation.businessKey) return undefined
  const value = read(input, operation.businessKey.at)
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined
}
