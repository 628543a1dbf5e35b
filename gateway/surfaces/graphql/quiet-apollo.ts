import { ApolloServer, type ApolloServerPlugin, type BaseContext } from '@apollo/server'
import {
  ApolloServerPluginCacheControlDisabled,
  ApolloServerPluginInlineTraceDisabled,
  ApolloServerPluginLandingPageDisabled,
  ApolloServerPluginSchemaReportingDisabled,
  ApolloServerPluginUsageReportingDisabled,
} from '@apollo/server/plugin/disabled'
import type { GraphQLSchema } from 'graphql'
import { LIMITS } from '../../limits.ts'
import type { Log } from '../../ports/telemetry.ts'
import type { Documents } from './documents.ts'
import { publicFieldError } from './refused.ts'

/**
 * An Apollo server with nothing that talks to anyone: no reporting, no landing page, no traces, no persisted queries, no batches, no stack traces. Its CSRF
 * check stays on; faults of a field that are not ours go to the log and reach nobody. Both GraphQL doors are made of it.
 */
export function quietApollo<Context extends BaseContext>(
  schema: GraphQLSchema,
  documents: Documents,
  log: Log,
  plugins: readonly ApolloServerPlugin<Context>[] = [],
): ApolloServer<Context> {
  const unexpected = (error: unknown): void => log.error({ err: error }, 'a field failed unexpectedly')
  return new ApolloServer<Context>({
    schema,
    documentStore: documents.store,
    nodeEnv: 'production',
    introspection: true,
    allowBatchedHttpRequests: false,
    persistedQueries: false,
    csrfPrevention: { requestHeaders: ['authorization', 'apollo-require-preflight'] },
    includeStacktraceInErrorResponses: false,
    hideSchemaDetailsFromClientErrors: true,
    stopOnTerminationSignals: false,
    parseOptions: { maxTokens: LIMITS.graphqlTokensMax },
    formatError: (formatted, thrown) => publicFieldError(formatted, thrown, unexpected),
    logger: {
      debug: () => undefined,
      info: () => undefined,
      warn: (message: unknown) => log.warn({ from: 'apollo' }, String(message)),
      error: (message: unknown) => log.error({ from: 'apollo' }, String(message)),
    },
    plugins: [
      ApolloServerPluginCacheControlDisabled(),
      ApolloServerPluginInlineTraceDisabled(),
      ApolloServerPluginLandingPageDisabled(),
      ApolloServerPluginSchemaReportingDisabled(),
      ApolloServerPluginUsageReportingDisabled(),
      ...plugins,
    ],
  })
}
