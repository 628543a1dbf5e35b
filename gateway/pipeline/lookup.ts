import { createHash } from 'node:crypto'
import type { LookedUp } from '../core/decision.ts'
import { GatewayError } from '../core/errors.ts'
import type { LookupFact } from '../core/facts.ts'
import type { CallId } from '../core/ids.ts'
import { atPointer, canonicalJson, isJsonObject, type JsonObject, type JsonValue } from '../core/json.ts'
import type { Operation } from '../core/operation.ts'
import { pointerTokens } from '../core/pointers.ts'
import { LIMITS } from '../limits.ts'
import { UpstreamError } from '../ports/connector.ts'
import type { Span } from '../ports/telemetry.ts'
import type { Lease } from '../ports/vault.ts'
import { collect } from './collect.ts'
import type { Subject } from './subject.ts'
import { jsonOf, maskBytes } from './filter.ts'
import { leaseFor } from './lease.ts'
import type { Parts } from './stages.ts'

/** Why a lookup gave nothing: a sentence for people, which repeats nothing of the answer. */
class NoAnswer extends Error {
  override readonly name = 'NoAnswer'
}

/**
 * Reads the present state of the object that a call is about: the one upstream read that may come before an intent. Each lookup is a declared read with
 * its own credential, sent once, bounded in time and for each agent. Never throws: what fails, is late or is not what it should be has no fields, and
 * policy then denies. The answer is read here and goes nowhere else. In the order of the facts' names.
 */
export async function lookUp(
  parts: Parts,
  subject: Subject,
  facts: readonly LookupFact[],
  callId: CallId,
  span: Span,
): Promise<readonly LookedUp[]> {
  const sorted = [...facts].sort((a, b) => (a.name < b.name ? -1 : 1))
  return await Promise.all(sorted.map((fact) => lookUpOne(parts, subject, fact, callId, span)))
}

async function lookUpOne(parts: Parts, subject: Subject, fact: LookupFact, callId: CallId, span: Span): Promise<LookedUp> {
  const { name, operation: id } = fact
  try {
    const fields = await fieldsOf(parts, subject, fact, callId, span)
    const digest = createHash('sha256').update(canonicalJson(fields)).digest('hex')
    return { fact: name, operation: id, fields, digest, error: null }
  } catch (error) {
    const known = error instanceof NoAnswer || error instanceof UpstreamError || error instanceof GatewayError
    parts.telemetry.log.warn({ callId, lookup: name, error }, 'a lookup failed')
    return { fact: name, operation: id, fields: null, digest: null, error: known ? error.message : 'the lookup broke' }
  }
}

async function fieldsOf(parts: Parts, subject: Subject, fact: LookupFact, callId: CallId, span: Span): Promise<JsonObject> {
  const operation = parts.catalogue.operations.get(fact.operation)
  if (operation?.mode !== 'read') throw new NoAnswer('the operation is no read')
  const input = argumentsOf(fact, subject.input)
  parts.validators.check(operation.id, input)
  const timeoutMs = Math.min(operation.timeoutMs, LIMITS.lookupTimeoutMsMax)
  const late = new UpstreamError('timeout', `there was no answer within ${timeoutMs} ms`, true)
  const abort = new AbortController()
  const timer = setTimeout(() => abort.abort(late), timeoutMs)
  const upstream = span.child('lookup', { 'gatehouse.operation': operation.id })
  let leave: (() => void) | null = null
  try {
    leave = await parts.lookupSlots.take(subject.principal.agent.name, abort.signal)
    if (!leave) throw new NoAnswer('the agent has too many lookups under way')
    const lease = await leaseFor(parts, operation.connector)
    return chosen(fact, await answerOf(parts, operation, input, lease, { callId, signal: abort.signal, traceparent: upstream.traceparent }))
  } catch (error) {
    throw abort.signal.aborted && leave ? late : error
  } finally {
    clearTimeout(timer)
    leave?.()
    upstream.end()
  }
}

function argumentsOf(fact: LookupFact, input: JsonObject): JsonObject {
  const given = Object.entries(fact.with).map(([name, pointer]): [string, JsonValue] => {
    const value = atPointer(input, pointer)
    if (value === undefined || value === null) throw new NoAnswer(`\`${pointer}\` is absent`)
    return [name, value]
  })
  return Object.fromEntries(given)
}

interface Sending {
  callId: CallId
  signal: AbortSignal
  traceparent: string
}

async function answerOf(
  parts: Parts,
  operation: Operation,
  input: JsonObject,
  lease: Lease | null,
  { callId, signal, traceparent }: Sending,
): Promise<JsonValue> {
  const connector = parts.connectors.get(operation.connector)
  if (!connector) throw new NoAnswer('the connector is not configured')
  const { status, headers, body } = await connector.execute(operation, input, lease, { signal, traceparent, idempotencyKey: callId })
  if (status < 200 || status > 299) {
    await body[Symbol.asyncIterator]().return?.()
    throw new NoAnswer(`the system answered with status ${status}`)
  }
  const bytes = await collect(body, LIMITS.lookupAnswerBytesMax)
  if (!bytes) throw new NoAnswer(`the answer is larger than ${LIMITS.lookupAnswerBytesMax} bytes`)
  const type = headers['content-type']
  return jsonOf({ 'content-type': typeof type === 'string' ? type : '' }, maskBytes(bytes, lease?.needles ?? []))
}

/** The declared fields by the last token of their pointers. A field that the answer lacks, or has as null, is absent; with none of them there is no object. */
function chosen({ fields }: LookupFact, answer: JsonValue): JsonObject {
  if (!isJsonObject(answer) && !Array.isArray(answer)) throw new NoAnswer('the answer is no JSON object')
  const found = fields.flatMap((pointer): [string, JsonValue][] => {
    const value = atPointer(answer, pointer)
    return value === undefined || value === null ? [] : [[pointerTokens(pointer).at(-1) ?? '', value]]
  })
  if (found.length === 0) throw new NoAnswer('the answer has none of the fields')
  return Object.fromEntries(found)
}
