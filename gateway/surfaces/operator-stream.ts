import type { ServerResponse } from 'node:http'
import { type DocumentNode, type ExecutionResult, type GraphQLSchema, subscribe } from 'graphql'
import { GatewayError } from '../core/errors.ts'
import type { JsonObject } from '../core/json.ts'
import { LIMITS } from '../limits.ts'
import type { OperatorContext } from '../ports/operator.ts'
import type { Log } from '../ports/telemetry.ts'
import { publicFieldError } from './graphql/refused.ts'

export interface Subscribed {
  document: DocumentNode
  operationName: string | null
  variables: JsonObject
  context: OperatorContext
  /** False once the session behind it ended. */
  alive(): boolean
}

export interface OperatorStreams {
  /**
   * Answers one subscription by the GraphQL over SSE protocol, distinct connections mode: `next` events, then `complete`. Resolves once it is over: by the
   * client, by the end of its session, after `LIMITS.streamLifeMs` (clients come again), or at `close`. Throws LIMITED before the first byte.
   */
  answer(res: ServerResponse, subscribed: Subscribed): Promise<void>
  /** Ends all of them. */
  close(): void
}

/** Subscriptions of people. A client that does not read is let go: it reads the state again when it is back. */
export function createOperatorStreams(schema: GraphQLSchema, log: Log): OperatorStreams {
  const open = new Map<ServerResponse, { name: string; end: () => void }>()
  let closed = false
  const admit = (name: string): void => {
    if (closed) throw new GatewayError('UNAVAILABLE', 'the gateway is stopping', { retryAfterSeconds: 1 })
    const mine = [...open.values()].filter((stream) => stream.name === name).length
    if (open.size < LIMITS.streamsMax && mine < LIMITS.streamsPerPersonMax) return
    throw new GatewayError('LIMITED', 'too many live connections are open: close other pages, or ask again and again', {
      retryAfterSeconds: 30,
    })
  }
  const format = (result: ExecutionResult): string => {
    const { errors, ...rest } = result
    const unexpected = (error: unknown): void => log.error({ err: error }, 'a live field failed unexpectedly')
    const told = errors?.map((error) => publicFieldError(error.toJSON(), error, unexpected))
    return `event: next\ndata: ${JSON.stringify(told ? { errors: told, ...rest } : rest)}\n\n`
  }
  return {
    async answer(res, { document, operationName, variables, context, alive }) {
      admit(context.by.name)
      const ending = Promise.withResolvers<void>()
      open.set(res, { name: context.by.name, end: ending.resolve })
      res.once('close', ending.resolve)
      const life = setTimeout(ending.resolve, LIMITS.streamLifeMs).unref()
      const beat = setInterval(() => {
        if (!alive() || res.writableLength > LIMITS.streamUnsentBytesMax) ending.resolve()
        else res.write(':\n\n')
      }, LIMITS.streamBeatMs).unref()
      try {
        const events = await subscribe({ schema, document, variableValues: variables, operationName, contextValue: context })
        begin(res)
        if (Symbol.asyncIterator in events) await Promise.race([ending.promise, pour(events, res, format)]).finally(() => events.return?.())
        else res.write(format(events))
        if (!res.destroyed) res.end('event: complete\ndata:\n\n')
      } finally {
        clearTimeout(life)
        clearInterval(beat)
        open.delete(res)
      }
    },
    close() {
      closed = true
      for (const { end } of open.values()) end()
    },
  }
}

function begin(res: ServerResponse): void {
  res.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store', 'x-accel-buffering': 'no' })
  res.write(':\n\n')
}

async function pour(
  events: AsyncGenerator<ExecutionResult>,
  res: ServerResponse,
  format: (result: ExecutionResult) => string,
): Promise<void> {
  for await (const event of events) {
    if (res.destroyed) return
    if (res.writableLength <= LIMITS.streamUnsentBytesMax) res.write(format(event))
  }
}
