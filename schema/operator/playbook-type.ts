import { GraphQLJSON } from 'graphql-scalars'
import { Field, GraphQLISODateTime, ObjectType } from 'type-graphql'
import type { JsonObject } from '../../gateway/core/json.ts'
import type { ServedPlaybook } from '../../gateway/ports/playbook-store.ts'

@ObjectType('Playbook', { description: 'One version of a decision procedure, as agents could fetch it.' })
export class PlaybookType {
  @Field(() => String)
  readonly name: string
  @Field(() => String)
  readonly version: string
  @Field(() => String)
  readonly title: string
  @Field(() => String, { description: 'Markdown.' })
  readonly procedure: string
  @Field(() => [String])
  readonly outcomes: readonly string[]
  @Field(() => GraphQLJSON, { description: 'JSON Schema 2020-12 of its decision records.' })
  readonly record: JsonObject
  @Field(() => String, { description: 'SHA-256 over the canonical JSON of all of the above, hexadecimal.' })
  readonly digest: string
  @Field(() => String, { description: 'SHA-256 over the canonical JSON of `record`, hexadecimal.' })
  readonly schema: string
  @Field(() => GraphQLISODateTime, { description: 'When it was first served.' })
  readonly since: Date

  constructor({ name, version, title, procedure, outcomes, record, digest, schema, since }: ServedPlaybook) {
    this.name = name
    this.version = version
    this.title = title
    this.procedure = procedure
    this.outcomes = outcomes
    this.record = record
    this.digest = digest
    this.schema = schema
    this.since = new Date(since)
  }
}
