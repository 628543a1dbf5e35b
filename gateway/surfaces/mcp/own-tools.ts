import type { Tool } from '@modelcontextprotocol/server'
import { GatewayError } from '../../core/errors.ts'
import type { Fault } from '../../core/errors.ts'
import { parseCallId } from '../../core/ids.ts'
import type { CallId } from '../../core/ids.ts'
import { pointerToken } from '../../core/json.ts'
import type { JsonObject } from '../../core/json.ts'
import type { Principal } from '../../core/principal.ts'
import { LIMITS } from '../../limits.ts'
import type { Answer, Calls } from '../../ports/calls.ts'

const ID = { type: 'string', description: 'The call id from the held or running answer, such as call_...', pattern: '^call_[0-9a-z]{26}$' }

export const WAIT_TOOL = 'gatehouse_call_wait'
export const CANCEL_TOOL = 'gatehouse_call_cancel'

/** The two tools of the gateway itself. No connector can take their names: `gatehouse` is reserved. */
export const OWN_TOOLS: readonly Tool[] = [
  {
    name: WAIT_TOOL,
    title: 'Wait for a call',
    description:
      'Waits for a call that was held for people or is still running, and gives its result. Held calls are executed by the gateway once approved, never by this tool twice.',
    inputSchema: {
      type: 'object',
      properties: {
        id: ID,
        waitSeconds: {
          type: 'integer',
          minimum: 0,
          maximum: LIMITS.mcpHoldWaitSecondsMax,
          default: LIMITS.mcpWaitSecondsDefault,
          description: 'How long to wait, in seconds.',
        },
      },
      required: ['id'],
      additionalProperties: false,
    },
    annotations: { title: 'Wait for a call', readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  },
  {
    name: CANCEL_TOOL,
    title: 'Cancel a held call',
    description: 'Gives up a call of yours that is held or approved and was not executed yet. What runs already cannot be cancelled.',
    inputSchema: { type: 'object', properties: { id: ID }, required: ['id'], additionalProperties: false },
    annotations: { title: 'Cancel a held call', readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
  },
]

/**
 * Reads the arguments of both tools; `waitMs` is bounded by `LIMITS.mcpHoldWaitSecondsMax`.
 * Throws BAD_INPUT with pointers.
 */
export function readOwnArguments(tool: string, input: JsonObject): { id: CallId; waitMs: number } {
  const faults: Fault[] = []
  const allowed = tool === WAIT_TOOL ? ['id', 'waitSeconds'] : ['id']
  for (const key of Object.keys(input))
    if (!allowed.includes(key)) faults.push({ pointer: `/${pointerToken(key)}`, message: 'is not a parameter of this tool' })
  const { id, waitSeconds = LIMITS.mcpWaitSecondsDefault } = input
  let callId: CallId | undefined
  if (typeof id === 'string') {
    try {
      callId = parseCallId(id)
    } catch (error) {
      faults.push({ pointer: '/id', message: error instanceof GatewayError ? error.message : 'is malformed' })
    }
  } else faults.push({ pointer: '/id', message: id === undefined ? 'is missing' : 'is not a string' })
  if (typeof waitSeconds !== 'number' || !Number.isInteger(waitSeconds) || waitSeconds < 0 || waitSeconds > LIMITS.mcpHoldWaitSecondsMax)
    faults.push({ pointer: '/waitSeconds', message: `is not an integer from 0 to ${LIMITS.mcpHoldWaitSecondsMax}` })
  if (callId === undefined || faults.length > 0) throw new GatewayError('BAD_INPUT', `malformed arguments of ${tool}`, { faults })
  return { id: callId, waitMs: Number(waitSeconds) * 1_000 }
}

/**
 * The answer of a call once it is known, or as it stands after `waitMs`. An approved call that waits for its agent is claimed: the agent is here,
 * freshly authenticated (semantics, "Holds"). Throws NOT_FOUND for calls of others.
 */
export async function waitForCall(
  calls: Calls,
  principal: Principal,
  { id, waitMs }: { id: CallId; waitMs: number },
  signal: AbortSignal,
  onWaiting: () => void,
): Promise<Answer> {
  const answer = await calls.answer(principal, id, waitMs, signal, onWaiting)
  if (answer.kind !== 'running' || signal.aborted) return answer
  try {
    return await calls.claim(principal, id, signal)
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'CALL_NOT_CLAIMABLE') return answer
    throw error
  }
}
