import type { IncomingMessage, ServerResponse } from 'node:http'
import type { HTTPGraphQLRequest } from '@apollo/server'
import { HeaderMap } from '@apollo/server'
import type { DocumentNode, OperationDefinitionNode } from 'graphql'
import { GraphQLError, getOperationAST, getVariableValues } from 'graphql'
import type { Principal } from '../../core/principal.ts'
import type { Calls } from '../../ports/calls.ts'
import type { Log } from '../../ports/telemetry.ts'
import { bearerChallenge } from '../error-response.ts'
import { UnreadBodyError } from '../request-body.ts'
import type { MediaType } from './negotiation.ts'
import { negotiate } from './negotiation.ts'
import type { GraphqlRequest } from './read-request.ts'
import { readRequest } from './read-request.ts'
import { asRefused, refuseRequest } from './refused.ts'
import type { RootCalls } from './root-fields.ts'
import { rootCalls } from './root-fields.ts'
import { DocumentRun } from './run-document.ts'
import { variableFaults } from './variable-faults.ts'
import type { BuildView, View } from './views.ts'
import { Views } from './views.ts'

export interface GraphqlDoor {
  /** Answers one request to its end; never rejects. */
  handle(req: IncomingMessage, res: ServerResponse): Promise<void>
  /** Stops the views' servers as their requests end. */
  close(): Promise<void>
}

/**
 * GraphQL for agents over HTTP (GraphQL over HTTP, October 2021 GraphQL): each agent sees the view of its own operations, and every governed root field is
 * one call through `calls`. `baseUrl` is without a final slash. Refusals of a whole request are 4xx with `errors` and recorded; those of a field are its error.
 */
export function createGraphqlDoor(parts: { calls: Calls; baseUrl: string; log: Log; buildView: BuildView }): GraphqlDoor {
  const { calls, baseUrl, log } = parts
  const views = new Views(calls, parts.buildView, log)
  return {
    handle: async (req, res) => {
      const media = negotiate(req.headers.accept)
      let principal: Principal | null = null
      try {
        principal = await calls.authenticate(req.headers.authorization, 'graphql')
        if (media === null) throw refuseRequest('BAD_INPUT', 'accept `application/json` or `application/graphql-response+json`', [], 406)
        const request = await readRequest(req)
        const gone = abortOnLeave(res)
        const known = principal
        await views.use(known, (view) => answer({ calls, baseUrl, view, principal: known, request, media, gone, req, res }))
      } catch (error) {
        await refuse({ calls, baseUrl, log, principal, error, media: media ?? 'application/json', req, res }).catch((failure: unknown) => {
          log.error({ err: failure }, 'a refusal could not be answered')
          res.destroy()
        })
      }
    },
    close: async () => views.close(),
  }
}

/** Aborts when the client leaves before the response is written. */
function abortOnLeave(res: ServerResponse): AbortSignal {
  const controller = new AbortController()
  res.once('close', () => {
    if (!res.writableFinished) controller.abort()
  })
  if (res.destroyed) controller.abort()
  return controller.signal
}

interface Turn {
  calls: Calls
  baseUrl: string
  view: View
  principal: Principal
  request: GraphqlRequest
  media: MediaType
  gone: AbortSignal
  req: IncomingMessage
  res: ServerResponse
}

async function answer(turn: Turn): Promise<void> {
  const { calls, baseUrl, view, principal, request, media, gone, req, res } = turn
  const { document } = view.documents.prepare(request.query)
  const operation = chosenOperation(document, request)
  const { runnable, faulty } = plan(view, document, operation, request)
  for (const { asked, message } of faulty) await calls.refuse('graphql', principal, asked, { code: 'BAD_INPUT', message })
  const run = new DocumentRun(calls, principal, request, gone, baseUrl)
  try {
    await run.admitAll(runnable)
    const response = await view.server.executeHTTPGraphQLRequest({
      httpGraphQLRequest: toApollo(request, media, req),
      context: async () => ({ ...run.context(), responseExtensions: () => callMap(run) }),
    })
    if (response.body.kind !== 'complete') throw new Error('incremental delivery is not offered')
    const ids = [...run.callIds().values()]
    const traceparent = run.traceparent() ?? request.traceparent
    res.once('finish', () => run.delivered())
    write(res, response.status ?? 200, response.body.string, {
      'content-type': response.headers.get('content-type') ?? `${media}; charset=utf-8`,
      ...(ids.length > 0 && { 'gatehouse-call': ids.join(', ') }),
      ...(traceparent !== undefined && { traceparent }),
    })
  } finally {
    await run.abandonRest()
  }
}

function callMap(run: DocumentRun): Record<string, unknown> | undefined {
  const ids = run.callIds()
  const masked = run.masked()
  const edited = run.edited()
  if (ids.size === 0) return undefined
  return {
    gatehouse: {
      calls: Object.fromEntries(ids),
      ...(masked.size > 0 ? { masked: Object.fromEntries(masked) } : {}),
      ...(edited.size > 0 ? { edited: Object.fromEntries(edited) } : {}),
    },
  }
}

function chosenOperation(document: DocumentNode, { operationName, readOnly }: GraphqlRequest): OperationDefinitionNode {
  const operation = getOperationAST(document, operationName)
  if (!operation) {
    const message =
      operationName === null
        ? '`operationName` is needed: the query has several operations or none'
        : '`operationName` names no operation of the query'
    throw refuseRequest('BAD_INPUT', message, [{ pointer: '/operationName', message: 'must name an operation of the query' }])
  }
  if (readOnly && operation.operation !== 'query') throw refuseRequest('METHOD_NOT_ALLOWED', 'GET only reads: send mutations by POST')
  return operation
}

/** What execution will call. Throws BAD_INPUT with a pointer for every variable that does not coerce. */
function plan({ schema }: View, document: DocumentNode, operation: OperationDefinitionNode, request: GraphqlRequest): RootCalls {
  const definitions = operation.variableDefinitions ?? []
  const variables = getVariableValues(schema, definitions, request.variables)
  if (variables.errors) {
    const faults = variableFaults(schema, definitions, request.variables)
    throw refuseRequest('BAD_INPUT', faults[0]?.message ?? 'a variable does not have its type', faults, undefined, fieldsOf(operation))
  }
  const root = schema.getRootType(operation.operation)
  if (!root) throw refuseRequest('BAD_INPUT', `there is no ${operation.operation} here`)
  try {
    return rootCalls(document, operation, root, variables.coerced)
  } catch (error) {
    if (error instanceof GraphQLError) throw refuseRequest('BAD_INPUT', error.message)
    throw error
  }
}

/** Names of the root fields as they stand in the document, for the record. */
const fieldsOf = ({ selectionSet }: OperationDefinitionNode): string =>
  selectionSet.selections.map((selection) => ('name' in selection ? selection.name.value : '...')).join(', ')

/** The request as it was judged, whatever way it came (GET was held to queries before), with the headers that the CSRF check looks at. */
function toApollo({ query, operationName, variables }: GraphqlRequest, media: MediaType, req: IncomingMessage): HTTPGraphQLRequest {
  const headers = new HeaderMap([['accept', media]])
  for (const name of ['content-type', 'authorization', 'apollo-require-preflight']) {
    const value = req.headers[name]
    if (typeof value === 'string') headers.set(name, value)
  }
  return { method: 'POST', headers, search: '', body: { query, operationName, variables } }
}

interface Refusing {
  calls: Calls
  baseUrl: string
  log: Log
  principal: Principal | null
  error: unknown
  media: MediaType
  req: IncomingMessage
  res: ServerResponse
}

/** Records what never became a call, then says so. What cannot be recorded is UNAVAILABLE. Failed authentication is recorded where it fails. */
async function refuse({ calls, baseUrl, log, principal, error, media, req, res }: Refusing): Promise<void> {
  let refused = asRefused(error)
  if (refused.code === 'INTERNAL') log.error({ err: error }, 'a request failed unexpectedly')
  if (principal) {
    try {
      await calls.refuse('graphql', principal, refused.details.asked ?? null, {
        code: refused.code,
        message: refused.message,
        faults: refused.faults,
      })
    } catch (unrecorded) {
      log.error({ err: unrecorded }, 'a refusal could not be recorded')
      refused = refuseRequest('UNAVAILABLE', 'the record cannot be written: nothing was executed')
    }
  }
  const { code, status } = refused
  write(res, status, JSON.stringify({ errors: refused.errors }), {
    'content-type': `${media}; charset=utf-8`,
    ...(code === 'UNAUTHENTICATED' && { 'www-authenticate': bearerChallenge(baseUrl, '', req.headers.authorization !== undefined) }),
    ...(code === 'METHOD_NOT_ALLOWED' && { allow: req.method === 'GET' ? 'POST' : 'GET, POST' }),
    ...(refused.retryAfterSeconds !== undefined && { 'retry-after': String(refused.retryAfterSeconds) }),
    ...(error instanceof UnreadBodyError && { connection: 'close' }),
  })
}

function write(res: ServerResponse, status: number, body: string, headers: Record<string, string>): void {
  if (res.headersSent || res.destroyed) return
  res.writeHead(status, { ...headers, 'cache-control': 'no-store', 'content-length': String(Buffer.byteLength(body)) })
  res.end(body)
}
