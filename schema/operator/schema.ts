import 'reflect-metadata'
import { type GraphQLSchema, printSchema } from 'graphql'
import { buildSchemaSync } from 'type-graphql'
import { AgentResolver } from './agent-resolver.ts'
import { CallResolver } from './call-resolver.ts'
import { ConnectorResolver } from './connector-resolver.ts'
import { PlaybookResolver } from './playbook-resolver.ts'
import { ErasureResolver } from './erasure-resolver.ts'
import { GrantResolver } from './grant-resolver.ts'
import { HoldResolver } from './hold-resolver.ts'
import { LiveResolver } from './live-resolver.ts'
import { MetricsResolver } from './metrics-resolver.ts'
import { NoticeResolver } from './notice-resolver.ts'
import { LogResolver } from './log-resolver.ts'
import { PolicyChangeResolver } from './policy-change-resolver.ts'
import { PolicyDraftResolver } from './policy-draft-resolver.ts'
import { PolicyResolver } from './policy-resolver.ts'
import { RecordResolver } from './record-resolver.ts'
import { RegistryResolver } from './registry-resolver.ts'

async function* nothing(): AsyncGenerator<never> {}

/** The control plane's schema. It resolves against an `OperatorContext`; build it once. */
export function buildOperatorSchema(): GraphQLSchema {
  const schema = buildSchemaSync({
    resolvers: [
      CallResolver,
      HoldResolver,
      NoticeResolver,
      GrantResolver,
      PolicyResolver,
      PolicyChangeResolver,
      PolicyDraftResolver,
      AgentResolver,
      ConnectorResolver,
      PlaybookResolver,
      RegistryResolver,
      LiveResolver,
      MetricsResolver,
      LogResolver,
      ErasureResolver,
      RecordResolver,
    ],
    validate: false,
    // Subscriptions bring their own sources; the schema only asks that there be something.
    pubSub: { publish: () => undefined, subscribe: () => nothing() },
  })
  for (const type of [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()]) {
    // Decorators of parameters run from the last to the first (TypeScript): arguments are put back in the order they are written in.
    for (const field of Object.values(type?.getFields() ?? {})) field.args = field.args.toReversed()
  }
  return schema
}

/** The schema as SDL, as it is committed at `schema/operator.graphql`. */
export const operatorSdl = (): string =>
  `# Operator GraphQL of Gatehouse, printed from schema/operator/: change it there.\n\n${printSchema(buildOperatorSchema())}\n`
