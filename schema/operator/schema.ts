import 'reflect-metadata'
import { type GraphQLSchema, printSchema } from 'graphql'
import { buildSchemaSync } from 'type-graphql'
import { CallResolver } from './call-resolver.ts'
import { HoldResolver } from './hold-resolver.ts'
import { PolicyResolver } from './policy-resolver.ts'
import { RegistryResolver } from './registry-resolver.ts'

/** The control plane's schema. It resolves against an `OperatorContext`; build it once. */
export function buildOperatorSchema(): GraphQLSchema {
  return buildSchemaSync({ resolvers: [CallResolver, HoldResolver, PolicyResolver, RegistryResolver], validate: false })
}

/** The schema as SDL, as it is committed at `schema/operator.graphql`. */
export const operatorSdl = (): string =>
  `# Operator GraphQL of Gatehouse, printed from schema/operator/: change it there.\n\n${printSchema(buildOperatorSchema())}\n`
