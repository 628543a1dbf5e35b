import type { IncomingMessage, ServerResponse } from 'node:http'
import { type ApolloServer, HeaderMap, type HTTPGraphQLRequest } from '@apollo/server'
import { type GraphQLSchema, getOperationAST } from 'graphql'
import { GatewayError } from '../core/errors.ts'
import { LIMITS } from '../limits.ts'
import type { Operator, OperatorContext, OperatorUseCases } from '../ports/operator.ts'
import type { Log } from '../ports/telemetry.ts'
import { Documents } from './graphql/documents.ts'
import { type MediaType, negotiate } from './graphql/negotiation.ts'
import { quietApollo } from './graphql/quiet-apollo.ts'
import { type GraphqlRequest, readRequest } from './graphql/read-request.ts'
import { asRefused, refuseRequest } from './graphql/refused.ts'
import { createOperatorStreams, type OperatorStreams } from './operator-stream.ts'
import type { SignedIn } from './people-door.ts'
import { UnreadBodyError } from './request-body.ts'

export interface OperatorDoorDeps {
  /** The control plane's schema; it resolves against an `OperatorContext`. */
  schema: GraphQLSchema
  cases: OperatorUseCases
  /** Who stands behind an `Authorization` header: a person, or the local operator. Throws UNAUTHENTICATED. */
  authenticateOperator(authorization: string | undefined): Promise<Operator>
  /** The browser session of a request; undefined where it carries none. Asked only where there is no `Authorization`. Throws FORBIDDEN, UNAUTHENTICATED. */
  signedIn?(req: IncomingMessage): SignedIn | undefined
  log: Log
}

export interface OperatorDoor {
  /** Answers one request. Never rejects. */
  handle(req: IncomingMessage, res: ServerResponse): Promise<void>
  close(): Promise<void>
}

/**
 * GraphQL over HTTP for people at `/operator/graphql`: POST, and GET for queries. Nothing of a request is read before its sender is known; agents'
 * tokens have another audience and are refused. Subscriptions are answered as server-sent events. Documents have the bounds of the agents' door. Introspection is open to everyone who is signed in.
 */
export function createOperatorDoor(deps: OperatorDoorDeps): OperatorDoor {
  const documents = new Documents(deps.schema)
  const server = quietApollo<OperatorContext>(deps.schema, documents, deps.log)
  const streams = createOperatorStreams(deps.schema, deps.log)
  const started = server.start()
  started.catch((error: unknown) => deps.log.error({ err: error }, 'the control plane could not start'))
  return {
    async handle(req, res) {
      const turn = { req, res, media: negotiate(req.headers.accept) }
      try {
        const { authorization } = req.headers
        const session = authorization === undefined ? deps.signedIn?.(req) : undefined
        const by = session?.by ?? (await deps.authenticateOperator(authorization))
        await started
        await answer({ server, documents, streams }, { by, cases: deps.cases }, session?.alive ?? (() => true), turn)
      } catch (error) {
        if (!(error instanceof GatewayError)) deps.log.error({ err: error }, 'a request at the control plane failed unexpectedly')
        else if (error.code === 'UNAUTHENTICATED') await deps.cases.refused(error)
        refuse(turn, error)
      }
    },
    async close() {
      streams.close()
      await started
      await server.stop()
    },
  }
}

interface Turn {
  req: IncomingMessage
  res: ServerResponse
  media: MediaType | null
}

interface Engine {
  server: ApolloServer<OperatorContext>
  documents: Documents
  streams: OperatorStreams
}

const takesEvents = ({ headers }: IncomingMessage): boolean => /(^|,)\s*text\/event-stream\s*(;|,|$)/i.test(headers.accept ?? '')

async function answer({ server, documents, streams }: Engine, context: OperatorContext, alive: () => boolean, turn: Turn): Promise<void> {
  const { req, res, media } = turn
  if (media === null && !takesEvents(req))
    throw refuseRequest('BAD_INPUT', 'accept `application/json` or `application/graphql-response+json`', [], 406)
  // Proposals bring whole sets of policies.
  const request = await readRequest(req, LIMITS.operatorBodyBytesMax)
  const { document } = documents.prepare(request.query)
  if (getOperationAST(document, request.operationName)?.operation === 'subscription') {
    if (!takesEvents(req)) throw refuseRequest('BAD_INPUT', 'accept `text/event-stream` for a subscription', [], 406)
    const { operationName, variables } = request
    return streams.answer(res, { document, operationName, variables, context, alive })
  }
  if (media === null) throw refuseRequest('BAD_INPUT', 'only a subscription is answered as `text/event-stream`', [], 406)
  const { status, headers, body } = await server.executeHTTPGraphQLRequest({
    httpGraphQLRequest: toApollo(req, request, media),
    context: async () => context,
  })
  if (body.kind !== 'complete') throw new Error('incremental delivery is not offered')
  const allow = headers.get('allow')
  write(res, status ?? 200, body.string, {
    'content-type': headers.get('content-type') ?? `${media}; charset=utf-8`,
    ...(allow === undefined ? {} : { allow }),
  })
}

/** The request as it was read; a GET stays one, so that Apollo Server refuses mutations by it. */
function toApollo(
  req: IncomingMessage,
  { query, operationName, variables, readOnly }: GraphqlRequest,
  media: MediaType,
): HTTPGraphQLRequest {
  const headers = new HeaderMap([
    ['accept', media],
    ['apollo-require-preflight', 'true'],
  ])
  if (!readOnly)
    return {
      method: 'POST',
      headers: headers.set('content-type', 'application/json'),
      search: '',
      body: { query, operationName, variables },
    }
  const url = req.url ?? ''
  return { method: 'GET', headers, search: url.slice(url.indexOf('?')), body: {} }
}

/** Refuses a whole request in the form the client reads. */
function refuse({ req, res, media }: Turn, error: unknown): void {
  const { code, status, errors, retryAfterSeconds } = asRefused(error)
  const tokenSent = req.headers.authorization !== undefined
  write(res, status, JSON.stringify({ errors }), {
    'content-type': `${media ?? 'application/json'}; charset=utf-8`,
    // RFC 6750 3: `error` is given only where a token was sent.
    ...(code === 'UNAUTHENTICATED' && {
      'www-authenticate': `Bearer realm="gatehouse operators"${tokenSent ? ', error="invalid_token"' : ''}`,
    }),
    ...(code === 'METHOD_NOT_ALLOWED' && { allow: 'GET, POST' }),
    ...(retryAfterSeconds !== undefined && { 'retry-after': String(retryAfterSeconds) }),
    ...(error instanceof UnreadBodyError && { connection: 'close' }),
  })
}

function write(res: ServerResponse, status: number, body: string, headers: Readonly<Record<string, string>>): void {
  if (res.headersSent || res.destroyed) return
  res.writeHead(status, { ...headers, 'cache-control': 'no-store', 'content-length': String(Buffer.byteLength(body)) })
  res.end(body)
}
