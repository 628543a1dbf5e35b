import type { IncomingHttpHeaders } from 'node:http'
import type { CallToolResult } from '@modelcontextprotocol/server'
import { GatewayError } from '../../core/errors.ts'
import type { ErrorCode, Fault } from '../../core/errors.ts'
import type { CallId } from '../../core/ids.ts'
import { isJsonObject } from '../../core/json.ts'
import type { JsonObject } from '../../core/json.ts'
import { isLogLevel } from '../../core/log-message.ts'
import type { LogReader } from '../../core/log-message.ts'
import type { Operation } from '../../core/operation.ts'
import type { Principal } from '../../core/principal.ts'
import { LIMITS } from '../../limits.ts'
import type { Answer, Calls } from '../../ports/calls.ts'
import type { Log } from '../../ports/telemetry.ts'
import { tellsEnd } from '../answer.ts'
import { publicError } from '../error-response.ts'
import { readAssertions } from './assertions.ts'
import type { Exchange } from './exchange.ts'
import { inTime } from './in-time.ts'
import type { Request } from './message.ts'
import { CANCEL_TOOL, readOwnArguments, waitForCall, WAIT_TOOL } from './own-tools.ts'
import { META, plain, quoted, RPC, RpcError } from './rpc.ts'
import type { Session } from './sessions.ts'
import { createdTask, takesTasks } from './tasks.ts'
import type { TaskAnswer } from './tasks.ts'
import { errorResult, runningSentence, toolResult } from './tool-result.ts'

export interface ToolCallParts {
  calls: Calls
  log: Log
  /** How long a held call waits for people, in milliseconds. */
  holdWaitMs: number
  /** When an answer is due at the latest, in milliseconds: most clients give up at 60 s. */
  answerMsMax: number
}

/** One tools/call on its way: who asks, what came, and where the answer goes. */
export interface ToolCall {
  principal: Principal
  request: Request
  headers: IncomingHttpHeaders
  exchange: Exchange
  /** The session of the 2025 revisions that it was made in. */
  session: Session | undefined
}

/** A tool result and the call that it tells of. */
export interface ToolAnswer {
  result: CallToolResult
  callId?: CallId
  traceparent?: string
  /** The call's end is told here: `calls.delivered` is due once it is written. */
  final: boolean
}

/**
 * Runs one tools/call (2026-07-28 and 2025-11-25 server/tools, "Calling Tools"). What policy, people, limits, arguments and upstreams refuse is
 * a tool result (`isError`), as models read those. To a client that takes tasks, a call that is held or still runs is told as a task. Throws RpcError
 * -32602, in the same words for tools that are unknown and that this agent may not see.
 */
export async function callTool(parts: ToolCallParts, call: ToolCall): Promise<ToolAnswer | TaskAnswer> {
  const { name, arguments: input = {} } = call.request.params
  if (typeof name !== 'string') throw new RpcError(200, RPC.invalidParams, '`params.name` is not a string', { refusal: 'BAD_INPUT' })
  if (name === WAIT_TOOL || name === CANCEL_TOOL) return await callOwnTool(parts, call, name, isJsonObject(input) ? input : null)
  const operation = parts.calls.find(call.principal, name)
  if (operation === undefined) throw new RpcError(200, RPC.invalidParams, `unknown tool ${quoted(name)}`, { refusal: 'NOT_FOUND' })
  if (!isJsonObject(input)) return await badInput(parts, call, name, [{ pointer: '', message: 'the arguments are not an object' }])
  return await callOperation(parts, call, operation, input)
}

async function callOperation(
  parts: ToolCallParts,
  call: ToolCall,
  operation: Operation,
  input: JsonObject,
): Promise<ToolAnswer | TaskAnswer> {
  const { principal, request, headers, exchange } = call
  const said = readAssertions(request.meta, headers)
  if ('faults' in said) return await badInput(parts, call, operation.jointName, said.faults)
  let known: { callId: CallId; traceparent?: string } | undefined
  const progress = progressOf(request.meta, exchange)
  const logs = readerOf(call)
  const asTask = takesTasks(request)
  try {
    const running = parts.calls.call(principal, {
      door: 'mcp',
      operation,
      input,
      ...said,
      waitMs: asTask ? 0 : parts.holdWaitMs,
      onAdmitted: (callId, traceparent) => {
        known = { callId, traceparent }
        announce(exchange, known)
      },
      onWaiting: (callId) => {
        if (known === undefined) announce(exchange, { callId })
        known ??= { callId }
        progress.waits(callId)
      },
      ...(progress.runs && { onProgress: progress.runs }),
      ...(logs && { logs }),
      signal: exchange.signal,
      delivery: 'buffered',
    })
    const answer = await inTime(running, parts.answerMsMax)
    const task = asTask ? await taskFor(parts, principal, answer ?? (known && { kind: 'running', traceparent: '', ...known })) : null
    if (task !== null) return task
    // It goes on without us: its result waits for `gatehouse_call_wait`, or for an equal call that joins it.
    if (answer === null) return { result: errorResult(runningSentence(known?.callId)), ...known, final: false }
    return tellOf(answer, operation)
  } catch (error) {
    parts.log.error({ err: error, tool: operation.jointName, callId: known?.callId }, 'a call ended in an unexpected error')
    const { code, message } = publicError(error)
    const sentence = `FAILED, and it is not known whether it was executed: ${message} (${code}). Do not retry it unless it only reads.`
    return { result: errorResult(sentence), ...known, final: false }
  }
}

/** A call that goes on as a task; null where it has ended, or nothing more can be said of it now. */
async function taskFor({ calls, log }: ToolCallParts, principal: Principal, answer: Answer | undefined): Promise<TaskAnswer | null> {
  if (answer?.kind !== 'held' && answer?.kind !== 'running') return null
  try {
    return await createdTask(calls, principal, answer)
  } catch (error) {
    log.error({ err: error, callId: answer.callId }, 'a call could not be told as a task')
    return null
  }
}

const tellOf = (answer: Answer, operation?: Operation): ToolAnswer => ({
  result: toolResult(answer, operation),
  ...(answer.callId !== undefined && { callId: answer.callId }),
  traceparent: answer.traceparent,
  final: tellsEnd(answer),
})

async function callOwnTool(parts: ToolCallParts, call: ToolCall, name: string, input: JsonObject | null): Promise<ToolAnswer> {
  const { calls } = parts
  const { principal, exchange } = call
  try {
    if (input === null) throw new GatewayError('BAD_INPUT', 'the arguments are not an object')
    const asked = readOwnArguments(name, input)
    announce(exchange, { callId: asked.id })
    if (name === CANCEL_TOOL) {
      await calls.cancel(principal, asked.id)
      const text = `Cancelled ${asked.id}: it will not be executed.`
      const structuredContent = { id: asked.id, state: 'cancelled' }
      return { result: { content: [{ type: 'text', text }], structuredContent }, callId: asked.id, final: false }
    }
    const progress = progressOf(call.request.meta, exchange)
    const answer = await inTime(
      waitForCall(calls, principal, asked, exchange.signal, () => progress.waits(asked.id)),
      parts.answerMsMax,
    )
    if (answer === null) return { result: errorResult(runningSentence(asked.id)), callId: asked.id, final: false }
    return { callId: asked.id, ...tellOf(answer, contentOf(calls, answer)) }
  } catch (error) {
    const { code, message, faults } = publicError(error)
    if (code === 'INTERNAL') parts.log.error({ err: error, tool: name }, 'a tool of the gateway ended in an unexpected error')
    else if (RECORDED.has(code)) await refuse(parts, principal, name, code, message, faults)
    const next = code === 'HOLD_NOT_OPEN' ? ' Nothing was cancelled; gatehouse_call_wait tells how the call stands.' : ''
    return { result: errorResult(`${name}: ${message} (${code}).${next}`, faults), final: false }
  }
}

/** The operation of a result where that is content; anything else is told the same whoever asks for it. */
function contentOf(calls: Calls, answer: Answer): Operation | undefined {
  const operation = answer.kind === 'result' && answer.operation ? calls.catalogue().operations.get(answer.operation) : undefined
  return operation?.content ? operation : undefined
}

const RECORDED: ReadonlySet<ErrorCode> = new Set(['BAD_INPUT', 'NOT_FOUND', 'ID_MALFORMED'])

async function badInput(parts: ToolCallParts, call: ToolCall, name: string, faults: readonly Fault[]): Promise<ToolAnswer> {
  const message = 'the call is malformed'
  await refuse(parts, call.principal, name, 'BAD_INPUT', message, faults)
  return { result: toolResult({ kind: 'refused', code: 'BAD_INPUT', message, faults, traceparent: '' }), final: false }
}

async function refuse(
  parts: ToolCallParts,
  principal: Principal,
  asked: string,
  code: ErrorCode,
  message: string,
  faults: readonly Fault[],
) {
  await parts.calls.refuse('mcp', principal, plain(asked), { code, message, faults }).catch((error: unknown) => {
    parts.log.error({ err: error, code }, 'a refusal could not be recorded')
  })
}

/** Puts the call's name into the headers while there are any to come. */
function announce(exchange: Exchange, { callId, traceparent }: { callId: CallId; traceparent?: string }): void {
  exchange.setHeader('gatehouse-call', callId)
  if (traceparent !== undefined && traceparent !== '') exchange.setHeader('traceparent', traceparent)
}

/**
 * Sends what the system says in the stream of the call's own answer: in a session from the level that its client set, else only where the request
 * itself asks for it (2026-07-28 server/utilities/logging, "Per-request log level").
 */
function readerOf({ request, exchange, session }: ToolCall): LogReader | undefined {
  const { [META.logLevel]: asked } = request.meta
  const tell: LogReader['tell'] = (message) => exchange.notify('notifications/message', { ...message })
  if (session)
    return {
      get level() {
        return session.logLevel
      },
      tell,
    }
  return isLogLevel(asked) ? { level: asked, tell } : undefined
}

/**
 * Progress, where the client gave a token (2025-11-25 basic/utilities/progress), ever increasing: `waits` about every second while people decide,
 * then on top of that what the system says (`runs`).
 */
function progressOf(meta: JsonObject, exchange: Exchange) {
  const { progressToken } = meta
  if (typeof progressToken !== 'string' && typeof progressToken !== 'number') return { waits: () => exchange.waits() }
  let waited = 0
  let last = -1
  let told = 0
  const tell = (progress: number, more: JsonObject): void => {
    if (!(progress > last) || told >= LIMITS.mcpProgressPerCallMax) return
    last = progress
    told += 1
    exchange.notify('notifications/progress', { progressToken, progress, ...more })
  }
  return {
    waits(callId: CallId): void {
      exchange.waits()
      waited += 1
      tell(waited, { message: `${callId} waits for people to decide` })
    },
    runs: (progress: number, total: number | undefined): void =>
      tell(waited + progress, total === undefined ? {} : { total: waited + total }),
  }
}
