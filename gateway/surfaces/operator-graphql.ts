import type { IncomingMessage, ServerResponse } from 'node:http'
import { ApolloServer, HeaderMap, type HTTPGraphQLRequest } from '@apollo/server'
import {
  ApolloServerPluginCacheControlDisabled,
  ApolloServerPluginInlineTraceDisabled,
  ApolloServerPluginLandingPageDisabled,
  ApolloServerPluginSchemaReportingDisabled,
  ApolloServerPluginUsageReportingDisabled,
} from '@apollo/server/plugin/disabled'
import type { GraphQLFormattedError, GraphQLSchema } from 'graphql'
import { GatewayError } from '../core/errors.ts'
import { isJsonObject, type JsonValue } from '../core/json.ts'
import { decodeUtf8, parseJson } from '../core/json-text.ts'
import { LIMITS } from '../limits.ts'
import type { Operator, OperatorContext, OperatorUseCases } from '../ports/operator.ts'
import type { Log } from '../ports/telemetry.ts'
import { sendProblem, toProblem } from './error-response.ts'
import { Documents } from './graphql/documents.ts'
import { asRefused, publicFieldError, refuseRequest, type RequestRefused } from './graphql/refused.ts'
import { readBody, UnreadBodyError } from './request-body.ts'

export interface OperatorDoorDeps {
  /** The control plane's schema; it resolves against an `OperatorContext`. */
  schema: GraphQLSchema
  cases: OperatorUseCases
  /** Who stands behind an `Authorization` header: a person, or the local operator. Throws UNAUTHENTICATED. */
  authenticateOperator(authorization: string | undefined): Promise<Operator>
  log: Log
}

export interface OperatorDoor {
  /** Answers one request. Never rejects. */
  handle(req: IncomingMessage, res: ServerResponse): Promise<void>
  close(): Promise<void>
}

const JSON_TYPE = 'application/json; charset=utf-8'
const RESPONSE_TYPE = 'application/graphql-response+json; charset=utf-8'

/**
 * GraphQL over HTTP for people at `/operator/graphql`: POST, and GET for queries. Nothing of a request is read before its sender is known; agents'
 * tokens have another audience and are refused. Documents have the bounds of the agents' door. Introspection is open to everyone who is signed in.
 */
export function createOperatorDoor(deps: OperatorDoorDeps): OperatorDoor {
  const documents = new Documents(deps.schema)
  const server = createServer(deps, documents)
  server.startInBackgroundHandlingStartupErrorsByLoggingAndFailingAllRequests()
  return {
    async handle(req, res) {
      try {
        const by = await signIn(deps, req, res)
        if (by) await answer(server, documents, { by, cases: deps.cases }, req, res)
      } catch (error) {
        if (!(error instanceof GatewayError)) deps.log.error({ err: error }, 'a request at the control plane failed')
        refuse(req, res, asRefused(error), error instanceof UnreadBodyError)
      }
    },
    close: () => server.stop(),
  }
}

/** The operator, or undefined once a 401 is out. RFC 6750 3: `error` is given only where a token was sent. */
async function signIn(deps: OperatorDoorDeps, req: IncomingMessage, res: ServerResponse): Promise<Operator | undefined> {
  const { authorization } = req.headers
  try {
    return await deps.authenticateOperator(authorization)
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'UNAUTHENTICATED') throw error
    await deps.cases.refused(error)
    const challenge = `Bearer realm="gatehouse operators"${authorization === undefined ? '' : ', error="invalid_token"'}`
    sendProblem(res, toProblem(error, { challenge }))
    return undefined
  }
}

function createServer({ schema, log }: OperatorDoorDeps, documents: Documents): ApolloServer<OperatorContext> {
  const unexpected = (error: unknown): void => log.error({ err: error }, 'a field at the control plane failed')
  return new ApolloServer<OperatorContext>({
    schema,
    introspection: true,
    csrfPrevention: { requestHeaders: ['authorization', 'apollo-require-preflight'] },
    includeStacktraceInErrorResponses: false,
    hideSchemaDetailsFromClientErrors: true,
    allowBatchedHttpRequests: false,
    persistedQueries: false,
    documentStore: documents.store,
    stopOnTerminationSignals: false,
    nodeEnv: 'production',
    formatError: (formatted: GraphQLFormattedError, thrown: unknown) => publicFieldError(formatted, thrown, unexpected),
    logger: {
      debug: () => undefined,
      info: () => undefined,
      warn: (message: string) => log.warn({ from: 'apollo' }, String(message)),
      error: (message: string) => log.error({ from: 'apollo' }, String(message)),
    },
    plugins: [
      ApolloServerPluginCacheControlDisabled(),
      ApolloServerPluginInlineTraceDisabled(),
      ApolloServerPluginLandingPageDisabled(),
      ApolloServerPluginSchemaReportingDisabled(),
      ApolloServerPluginUsageReportingDisabled(),
    ],
  })
}

async function answer(
  server: ApolloServer<OperatorContext>,
  documents: Documents,
  context: OperatorContext,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const httpGraphQLRequest = await readRequest(req)
  const query = queryOf(httpGraphQLRequest)
  if (query !== undefined) documents.prepare(query)
  const { status, headers, body } = await server.executeHTTPGraphQLRequest({ httpGraphQLRequest, context: async () => context })
  if (body.kind !== 'complete') throw refuseRequest('BAD_INPUT', 'answers in parts are not given here')
  send(req, res, status ?? 200, { ...Object.fromEntries(headers), 'cache-control': 'no-store' }, body.string)
}

async function readRequest(req: IncomingMessage): Promise<HTTPGraphQLRequest> {
  const headers = new HeaderMap()
  for (const [name, value] of Object.entries(req.headers)) {
    if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(', ') : value)
  }
  const url = req.url ?? ''
  const mark = url.indexOf('?')
  const request = { method: req.method ?? 'GET', headers, search: mark < 0 ? '' : url.slice(mark) }
  if (request.method !== 'POST') return { ...request, body: {} }
  const bytes = await readBody(req, LIMITS.requestBodyBytesMax)
  const media = (headers.get('content-type') ?? '').split(';', 1)[0]?.trim().toLowerCase()
  if (media !== 'application/json') throw refuseRequest('UNSUPPORTED_MEDIA_TYPE', 'send the request as `application/json`')
  return { ...request, body: readJson(bytes) }
}

function readJson(bytes: Uint8Array): JsonValue {
  const body = parseJson(decodeUtf8(bytes), LIMITS.inputDepthMax)
  if (Array.isArray(body)) throw refuseRequest('BAD_INPUT', 'batches are not taken: send one query a request')
  return body
}

/** The query's text, undefined where there is none in its place: Apollo Server says what is wrong with such a request. */
function queryOf({ method, search, body }: HTTPGraphQLRequest): string | undefined {
  if (method === 'GET')
    return new URLSearchParams(search).getAll('query').length === 1 ? (new URLSearchParams(search).get('query') ?? undefined) : undefined
  const parsed = body as JsonValue
  return isJsonObject(parsed) && typeof parsed.query === 'string' ? parsed.query : undefined
}

/**
 * Refuses a whole request in the form the client reads. GraphQL over HTTP 6.4: with `application/graphql-response+json` a request error has a 4xx
 * status; with `application/json` clients that only know 200 still find `errors`.
 */
function refuse(req: IncomingMessage, res: ServerResponse, { status, errors }: RequestRefused, close: boolean): void {
  if (res.headersSent) return void res.destroy()
  const accept = req.headers.accept ?? ''
  const type = accept.includes('application/graphql-response+json') ? RESPONSE_TYPE : JSON_TYPE
  const headers = { 'content-type': type, 'cache-control': 'no-store', ...(close ? { connection: 'close' } : {}) }
  send(req, res, status, headers, JSON.stringify({ errors }))
}

function send(req: IncomingMessage, res: ServerResponse, status: number, headers: Readonly<Record<string, string>>, body: string): void {
  if (res.destroyed) return
  res.writeHead(status, { ...headers, 'content-length': String(Buffer.byteLength(body)) })
  res.end(req.method === 'HEAD' ? undefined : body)
}
