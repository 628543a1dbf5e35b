import { initGraphQLTada } from 'gql.tada'
import type { introspection } from './introspection.ts'

export type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue }

/** Makes a document whose variables and answer are inferred from the operator schema. */
export const graphql = initGraphQLTada<{
  introspection: introspection
  disableMasking: true
  scalars: { DateTimeISO: string; JSON: JsonValue; JSONObject: { [key: string]: JsonValue } }
}>()

export type { ResultOf, TadaDocumentNode, VariablesOf } from 'gql.tada'
