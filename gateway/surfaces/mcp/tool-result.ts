import type { CallToolResult } from '@modelcontextprotocol/server'
import { unreachable } from '../../core/decision.ts'
import { ERRORS } from '../../core/errors.ts'
import type { Fault } from '../../core/errors.ts'
import type { CallId } from '../../core/ids.ts'
import type { Edited } from '../../core/edit.ts'
import { isJsonObject, type JsonValue } from '../../core/json.ts'
import type { Operation } from '../../core/operation.ts'
import { LIMITS } from '../../limits.ts'
import type { Answer, CallResult } from '../../ports/calls.ts'
import { maskedIn, refusalOf } from '../answer.ts'
import type { Refusal } from '../answer.ts'
import { mcpContent } from './mcp-content.ts'
import { fits, publishedOutput } from './output-schema.ts'

type Content = CallToolResult['content'][number]

/**
 * An answer as a tool result. On success text and `structuredContent` each carry the whole answer, as some clients show only the one and some
 * only the other; what is no object is wrapped as `{"result": value}` there. Everything else is `isError: true` with whole sentences that say
 * whether something was executed, why, and what to do, and never has `structuredContent` (some clients would show only that).
 * A result that a client would refuse for the operation's published output schema becomes a sentence with the whole answer. What is masked in it stands in
 * `_meta["gatehouse/masked"]`; what people changed in the arguments in `_meta["gatehouse/edited"]` and in a sentence of its own.
 */
export function toolResult(answer: Answer, operation?: Operation): CallToolResult {
  const masked = maskedIn(answer)
  const result = resultOf(answer, operation)
  const { edited } = answer
  if (masked.length === 0 && !edited) return result
  const _meta = { ...(masked.length > 0 ? { 'gatehouse/masked': masked } : {}), ...(edited ? { 'gatehouse/edited': edited } : {}) }
  return { ...result, ...(edited ? { content: [...result.content, text(editedSentence(edited))] } : {}), _meta }
}

/** Nobody should believe that what they sent is what was approved. */
function editedSentence({ by, changes }: Edited): string {
  const said = changes.map(({ pointer, from, to }) => `${pointer} ${wordsOf(from)} -> ${wordsOf(to)}`)
  const what = said.length === 0 ? 'they are again as you sent them' : clipped(said.join('; '))
  return `The arguments of this call were edited by ${by}: ${what}. Only these arguments count.`
}

const wordsOf = (value: JsonValue | undefined): string => (value === undefined ? '(absent)' : JSON.stringify(value))

function resultOf(answer: Answer, operation: Operation | undefined): CallToolResult {
  if (answer.kind === 'result') return success(answer.result, operation)
  const content: Content[] = [text(sentence(answer))]
  if (answer.kind === 'failed' && answer.result) {
    const body = textOf(answer.result)
    if (answer.result.masked) content.push(text('What the system said is masked: you may not read all that this operation answers with.'))
    else if (body !== '') content.push(text(`The system answered: ${clipped(body)}`))
  }
  return { isError: true, content }
}

/** An error result of our own making: faults of what came, or a sentence. */
export function errorResult(sentences: string, faults: readonly Fault[] = []): CallToolResult {
  return { isError: true, content: [text(`${sentences}${faultList(faults)}`)] }
}

export const holdSentence = (id: CallId, expiresAt?: string): string =>
  `NOT EXECUTED yet. Held as ${id}. Call gatehouse_call_wait with {"id": "${id}"} to wait until people decide${
    expiresAt === undefined ? '' : ` (at most until ${expiresAt})`
  } and to get the result; until then it is not done. gatehouse_call_cancel gives it up.`

/** `id` is absent where the answer was due before the call had one. */
export const runningSentence = (id: CallId | undefined): string =>
  id === undefined
    ? 'Running; result not known yet. Repeat exactly this call to get its result: it joins the one that runs and is not executed twice.'
    : `Approved and running; result not known yet. Call gatehouse_call_wait with {"id": "${id}"} to get the result. Do not start it anew.`

/** What a model is told of anything but a result, in whole sentences. */
export function sentence(answer: Exclude<Answer, { kind: 'result' }>): string {
  const refusal = refusalOf(answer)
  if (refusal === null) return ''
  switch (answer.kind) {
    case 'denied':
      return `NOT EXECUTED: ${full(refusal.message)} ${full(answer.advice ?? STOP)} Call id: ${answer.callId}.`
    case 'held':
      return holdSentence(answer.callId, refusal.expiresAt)
    case 'running':
      return runningSentence(answer.callId)
    case 'failed':
      return failed(refusal)
    case 'ended':
      return `NOT EXECUTED: ${answer.code === 'EXPIRED' ? 'expired' : 'cancelled'} (${answer.code}). ${full(answer.message)} ${STOP}`
    case 'refused':
      return refused(refusal)
    default:
      return unreachable(answer)
  }
}

const STOP = 'Do not repeat it unchanged; if it is needed, ask the people you work for.'

function failed({ code, message, inDoubt, upstreamStatus, callId, retryAfterSeconds }: Refusal): string {
  const what = `${code}${upstreamStatus === undefined ? '' : `, status ${upstreamStatus}`}`
  if (inDoubt)
    return `IN DOUBT (${what}): ${full(message)} It may have been executed. Do not retry it: a person will find out what happened. Call gatehouse_call_wait with {"id": "${callId}"} later to learn the outcome.`
  if (code === 'WITHHELD') return `EXECUTED, but its answer is withheld (${what}). ${full(message)} Do not repeat it.`
  if (retryAfterSeconds !== undefined) return `FAILED (${what}): ${full(message)} ${tryAgainIn(retryAfterSeconds)}`
  const next =
    ERRORS[code].retry === 'never' ? 'Do not repeat it unchanged.' : 'Change the arguments if the system refused them; else try later.'
  return `FAILED (${what}): ${full(message)} ${next}`
}

function refused({ code, message, notExecuted, faults = [], retryAfterSeconds }: Refusal): string {
  if (code === 'RESULT_NOT_KEPT') return `EXECUTED before (${code}). ${full(message)} It is not executed again. Do not repeat it.`
  const lead = notExecuted ? 'NOT EXECUTED' : 'FAILED, and it is not known whether it was executed'
  const what = code === 'BAD_INPUT' ? 'bad input' : full(message).slice(0, -1)
  const detail = code === 'BAD_INPUT' ? ` ${full(message)}` : ''
  const next = retryAfterSeconds === undefined ? NEXT[ERRORS[code].retry] : tryAgainIn(retryAfterSeconds)
  return `${lead}: ${what} (${code}).${detail} ${code === 'BAD_INPUT' ? 'Correct the arguments and call again.' : next}${faultList(faults)}`
}

const tryAgainIn = (seconds: number): string => `Try again in ${Math.max(1, Math.ceil(seconds))} seconds.`

const NEXT = {
  never: 'Do not repeat it unchanged.',
  later: 'Try again later.',
  'if-idempotent': 'Do not retry it unless it only reads.',
} as const

const faultList = (faults: readonly Fault[]): string =>
  faults.map((f) => `\n- ${f.pointer === '' ? '(arguments)' : f.pointer}: ${f.message}`).join('')

/** A catalogue message (lower case, no full stop) as a sentence. */
const full = (message: string): string => {
  const trimmed = message.trim()
  return `${trimmed}${/[.!?]$/.test(trimmed) ? '' : '.'}`
}

const text = (value: string): Content => ({ type: 'text', text: value })
const clipped = (value: string): string =>
  value.length > LIMITS.mcpUpstreamErrorCharsMax ? `${value.slice(0, LIMITS.mcpUpstreamErrorCharsMax).toWellFormed()} ...` : value

function success(result: CallResult, operation: Operation | undefined): CallToolResult {
  const media = mediaOf(result)
  if (media !== null) return { content: [media] }
  const { value } = result
  const words = value === null ? `Done; the system's answer is empty (status ${result.status}).` : textOf(result)
  if (words.length > LIMITS.mcpResultCharsMax)
    return errorResult(
      `EXECUTED, but its answer is withheld (WITHHELD). It has ${words.length} characters, more than the ${LIMITS.mcpResultCharsMax} that fit. Do not repeat it unchanged; ask for less where the operation allows it.`,
    )
  const native = operation?.content ? mcpContent(value, result.masked !== undefined) : null
  if (native !== null) return native
  const outputSchema = operation && publishedOutput(operation)
  const structured = isJsonObject(value) ? value : { result: value }
  if (outputSchema !== undefined && !(isJsonObject(value) && fits(outputSchema, value)))
    return errorResult(
      `EXECUTED. Its answer differs from the declared form, so it is given as text only; do not repeat it. The answer: ${words}`,
    )
  return { content: [text(words)], structuredContent: structured as Record<string, unknown> }
}

const textOf = ({ value }: CallResult): string => (typeof value === 'string' ? value : value === null ? '' : JSON.stringify(value))

/** Pictures and sound as such (MCP 2025-11-25 server/tools, "Tool Result"); vector graphics are text. */
function mediaOf({ body, headers }: CallResult): Content | null {
  const mimeType = (headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? ''
  const type = mimeType.startsWith('image/') ? 'image' : mimeType.startsWith('audio/') ? 'audio' : null
  if (type === null || body.kind !== 'bytes' || body.bytes.byteLength === 0 || mimeType.endsWith('+xml')) return null
  if (body.bytes.byteLength > LIMITS.mcpResultCharsMax * 0.75) return null
  return { type, data: Buffer.from(body.bytes).toString('base64'), mimeType }
}
