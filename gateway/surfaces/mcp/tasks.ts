import type { CallToolResult } from '@modelcontextprotocol/server'
import { GatewayError } from '../../core/errors.ts'
import { parseCallId } from '../../core/ids.ts'
import type { CallId } from '../../core/ids.ts'
import { isJsonObject } from '../../core/json.ts'
import type { Catalogue } from '../../core/operation.ts'
import type { Principal } from '../../core/principal.ts'
import { LIMITS } from '../../limits.ts'
import type { Answer, CallOutline, Calls } from '../../ports/calls.ts'
import { tellsEnd } from '../answer.ts'
import type { Exchange } from './exchange.ts'
import { inTime } from './in-time.ts'
import type { Request } from './message.ts'
import { waitForCall } from './own-tools.ts'
import { META, RPC, RpcError } from './rpc.ts'
import { sentence, toolResult } from './tool-result.ts'

/** The extension's name in the capabilities of clients and of ours (MCP ext-tasks 2026-07-28, "Extension Identifier"). */
export const TASKS = 'io.modelcontextprotocol/tasks'

export const TASK_METHODS: ReadonlySet<string> = new Set(['tasks/get', 'tasks/update', 'tasks/cancel'])

/** What every task says of itself ("Tasks"); its id is the id of the call. */
interface TaskFrame {
  taskId: CallId
  statusMessage?: string
  /** ISO 8601, UTC. */
  createdAt: string
  lastUpdatedAt: string
  /** From `createdAt` on; null where the call's time is not bound. */
  ttlMs: number | null
  pollIntervalMs?: number
}

/**
 * A call as a task. Never `input_required`: holds ask people, not the client. Never `failed`: that is for JSON-RPC errors, and what policy, people and
 * systems refuse is a tool result (`isError`), which ends a task as `completed` ("Task Execution Errors").
 */
export type Task = TaskFrame & ({ status: 'working' | 'cancelled' } | { status: 'completed'; result: CallToolResult })

/** A task, and what is told beside it. */
export interface TaskAnswer {
  task: Task
  callId: CallId
  traceparent: string
  /** The call's end is told here: `calls.delivered` is due once it is written. */
  final: boolean
}

/** Whether this request's client takes tasks for answers: each request says so anew ("Capability Negotiation"), which only revision 2026-07-28 can. */
export function takesTasks({ era, meta }: Request): boolean {
  const capabilities = meta[META.capabilities]
  const extensions = era === 'stateless' && isJsonObject(capabilities) ? capabilities.extensions : undefined
  return isJsonObject(extensions) && isJsonObject(extensions[TASKS])
}

/** The task that tools/call answers with ("Task Creation"). The call stands in the record already, so that tasks/get finds it. */
export async function createdTask(calls: Calls, principal: Principal, answer: AnswerOf): Promise<TaskAnswer> {
  return taskOf(await calls.outline(principal, answer.callId), answer)
}

/** An answer that names its call. */
type AnswerOf = Answer & { callId: CallId }

export interface TaskRequest {
  principal: Principal
  request: Request
  exchange: Exchange
  answerMsMax: number
}

/**
 * Answers tasks/get with a task, tasks/update and tasks/cancel with null: an acknowledgement without content. All of them are for whoever made the call,
 * for the same subject. Throws RpcError -32021 where the client did not declare the extension, and -32602, in the same words for ids that are malformed,
 * unknown, or another's.
 */
export async function answerTaskRequest(calls: Calls, asked: TaskRequest): Promise<TaskAnswer | null> {
  const { request, principal } = asked
  if (!takesTasks(request))
    throw new RpcError(400, RPC.missingCapability, `\`${request.method}\` is for clients that declare \`${TASKS}\``, {
      data: { requiredCapabilities: { extensions: { [TASKS]: {} } } },
    })
  const { taskId, inputResponses } = request.params
  if (typeof taskId !== 'string') throw invalid('`params.taskId` is not a string')
  if (request.method === 'tasks/update' && !isJsonObject(inputResponses)) throw invalid('`params.inputResponses` is not an object')
  try {
    const id = parseCallId(taskId)
    asked.exchange.setHeader('gatehouse-call', id)
    if (request.method === 'tasks/get') return await polled(calls, asked, id)
    if (request.method === 'tasks/cancel') await cancel(calls, principal, id)
    // Nothing is ever asked of the client, so whatever it answers is ignored ("Task Update Requests"): only people vote, and not here.
    else await calls.outline(principal, id)
    return null
  } catch (error) {
    if (error instanceof GatewayError && (error.code === 'NOT_FOUND' || error.code === 'ID_MALFORMED'))
      throw new RpcError(200, RPC.invalidParams, 'task not found', { refusal: 'NOT_FOUND' })
    throw error
  }
}

const invalid = (message: string) => new RpcError(200, RPC.invalidParams, message, { refusal: 'BAD_INPUT' })

/** As `gatehouse_call_wait` without its wait: an approved call that waits for its agent is claimed, one that runs is waited for a little. */
async function polled(calls: Calls, { principal, exchange, answerMsMax }: TaskRequest, callId: CallId): Promise<TaskAnswer> {
  const told = waitForCall(calls, principal, { id: callId, waitMs: 0 }, exchange.signal, () => exchange.waits())
  const answer = (await inTime(told, answerMsMax)) ?? { kind: 'running', traceparent: '' }
  return taskOf(await calls.outline(principal, callId), { ...answer, callId }, calls.catalogue())
}

/** `catalogue` is for results: they take the form that their operation gives them. */
function taskOf(outline: CallOutline, answer: AnswerOf, catalogue?: Catalogue): TaskAnswer {
  const { callId, traceparent } = answer
  const frame = {
    taskId: callId,
    createdAt: new Date(outline.createdAt).toISOString(),
    // The record's own clock may be a little behind the one that made the call.
    lastUpdatedAt: new Date(Math.max(outline.createdAt, outline.updatedAt)).toISOString(),
  }
  const final = tellsEnd(answer)
  const told = { callId, traceparent, final }
  if (!final) {
    const { createdAt, expiresAt } = outline
    const ttlMs = expiresAt === undefined ? null : expiresAt - createdAt + LIMITS.mcpTaskGraceMs
    const goesOn = { statusMessage: statusMessage(answer), ttlMs, pollIntervalMs: LIMITS.mcpTaskPollMs }
    return { task: { ...frame, status: 'working', ...goesOn }, ...told }
  }
  if (answer.kind === 'ended' && answer.code === 'CANCELLED')
    return { task: { ...frame, status: 'cancelled', statusMessage: sentence(answer), ttlMs: null }, ...told }
  const result = toolResult(answer, catalogue?.operations.get(outline.operation))
  const inlined = { resultType: 'complete', ...result, _meta: { ...result._meta, 'gatehouse/callId': callId } }
  return { task: { ...frame, status: 'completed', ttlMs: null, result: inlined }, ...told }
}

function statusMessage(answer: AnswerOf): string {
  if (answer.kind === 'running') return 'Approved and running; result not known yet.'
  if (answer.kind !== 'held') return answer.kind === 'result' ? '' : sentence(answer)
  return `NOT EXECUTED yet. ${answer.callId} waits for people to decide, at most until ${new Date(answer.expiresAt).toISOString()}.`
}

/** What runs already or has ended cannot be cancelled; the client learns that from tasks/get ("Task Cancellation": acknowledged in any case). */
async function cancel(calls: Calls, principal: Principal, id: CallId): Promise<void> {
  try {
    await calls.cancel(principal, id)
  } catch (error) {
    if (!(error instanceof GatewayError && error.code === 'HOLD_NOT_OPEN')) throw error
  }
}
