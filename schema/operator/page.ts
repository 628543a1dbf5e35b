import { type ClassType, Field, GraphQLISODateTime, ObjectType } from 'type-graphql'
import { GatewayError } from '../../gateway/core/errors.ts'
import { timeOfId } from '../../gateway/core/ids.ts'
import { LIMITS } from '../../gateway/limits.ts'
import type { Page, PageRequest } from '../../gateway/ports/call-store.ts'

@ObjectType('PageInfo', { description: 'Relay page information.' })
export class PageInfoType {
  @Field(() => Boolean)
  readonly hasNextPage: boolean
  @Field(() => Boolean)
  readonly hasPreviousPage: boolean
  @Field(() => String, { nullable: true })
  readonly startCursor: string | null
  @Field(() => String, { nullable: true })
  readonly endCursor: string | null
  @Field(() => GraphQLISODateTime, {
    nullable: true,
    description:
      'Where the page is short since too little of what was looked at fits: how far back it looked. The next page looks further.',
  })
  readonly lookedBackTo: Date | null

  constructor(cursors: readonly string[], hasNextPage: boolean, hasPreviousPage: boolean, looked?: { to: string; atMs: number }) {
    this.hasNextPage = hasNextPage
    this.hasPreviousPage = hasPreviousPage
    this.startCursor = cursors[0] ?? null
    this.endCursor = looked === undefined ? (cursors.at(-1) ?? null) : cursorOf(looked.to)
    this.lookedBackTo = looked === undefined ? null : new Date(looked.atMs)
  }
}

export interface Edge<T> {
  cursor: string
  node: T
}

export interface Connection<T> {
  edges: Edge<T>[]
  pageInfo: PageInfoType
}

/** The Relay connection and edge types of a node type, registered under `<name>Connection` and `<name>Edge`. */
export function connectionType<T extends object>(name: string, node: () => ClassType<T>): ClassType<Connection<T>> {
  @ObjectType(`${name}Edge`)
  class EdgeType implements Edge<T> {
    @Field(() => String)
    readonly cursor: string
    @Field(node)
    readonly node: T

    constructor(edge: Edge<T>) {
      this.cursor = edge.cursor
      this.node = edge.node
    }
  }

  @ObjectType(`${name}Connection`)
  class ConnectionType implements Connection<T> {
    @Field(() => [EdgeType])
    readonly edges: EdgeType[]
    @Field(() => PageInfoType)
    readonly pageInfo: PageInfoType

    constructor(connection: Connection<T>) {
      this.edges = connection.edges.map((edge) => new EdgeType(edge))
      this.pageInfo = connection.pageInfo
    }
  }
  return ConnectionType
}

/** Opaque to clients: base64url of the id, which is a keyset position since ids sort by time. */
/** What stands for an id in pages. */
export const cursorOf = (id: string): string => Buffer.from(id).toString('base64url')

/** Reads `first` and `after`. Throws BAD_INPUT for a count out of bounds or a cursor that did not come from this connection. */
export function pageRequest<Id extends string>(
  first: number | null | undefined,
  after: string | null | undefined,
  parse: (raw: string) => Id,
): PageRequest<Id> {
  const count = first ?? LIMITS.pageRowsDefault
  if (count < 1 || count > LIMITS.pageRowsMax) {
    throw new GatewayError('BAD_INPUT', `\`first\` must be from 1 to ${LIMITS.pageRowsMax}`)
  }
  return after === null || after === undefined ? { first: count } : { first: count, after: readCursor(after, parse) }
}

function readCursor<Id extends string>(after: string, parse: (raw: string) => Id): Id {
  try {
    const id = parse(Buffer.from(after.slice(0, 128), 'base64url').toString())
    if (cursorOf(id) === after) return id
  } catch {
    // Told below, in the words of a cursor: the id inside is no business of the client.
  }
  throw new GatewayError('BAD_INPUT', '`after` is not a cursor of this connection')
}

/** A page as a Relay connection. It ends where was looked to, also behind its last row. */
export function toConnection<Row extends { id: string }, T>(
  page: Page<Row> & { lookedTo?: string },
  request: PageRequest<string>,
  make: (row: Row) => T,
  timeOf: (id: string) => number = timeOfId,
): Connection<T> {
  const edges = page.rows.map((row) => ({ cursor: cursorOf(row.id), node: make(row) }))
  return {
    edges,
    pageInfo: new PageInfoType(
      edges.map(({ cursor }) => cursor),
      page.more,
      request.after !== undefined,
      page.lookedTo === undefined ? undefined : { to: page.lookedTo, atMs: timeOf(page.lookedTo) },
    ),
  }
}

export const firstArgument = {
  nullable: true,
  description: `At most ${LIMITS.pageRowsMax}; ${LIMITS.pageRowsDefault} where it is left out.`,
}
export const afterArgument = { nullable: true, description: 'The `cursor` of an edge: the page begins after it.' }
