import { createHash } from 'node:crypto'
import type { CallError, Outcome, StoredResult } from '../core/call.ts'
import type { ErrorCode } from '../core/errors.ts'
import { GatewayError } from '../core/errors.ts'
import type { IntentId } from '../core/ids.ts'
import { judgeBreak, judgeStatus, type Judgement, passesThrough, repeatable } from '../core/outcome.ts'
import { LIMITS } from '../limits.ts'
import type { Answer, CallResult } from '../ports/calls.ts'
import { type UpstreamAnswer, UpstreamError } from '../ports/connector.ts'
import type { Span } from '../ports/telemetry.ts'
import type { Lease } from '../ports/vault.ts'
import { collect } from './collect.ts'
import type { Permit } from './decide.ts'
import { classesFor } from './classes.ts'
import { filterHeaders, maskBytes, type Shown, toStored } from './filter.ts'
import { bringsNothing, heldBack, isLookedThrough, type Receiver, stick } from './labels.ts'
import { leaseFor } from './lease.ts'
import { filterLogs } from './log-messages.ts'
import { recordOutcome } from './record.ts'
import type { Run } from './run.ts'
import { isShown, resultOfShown, show } from './show.ts'
import type { Parts } from './stages.ts'
import { StreamedBody } from './streamed-body.ts'

interface Exchange {
  answer: UpstreamAnswer
  /** An earlier try left and broke off. */
  sentBefore: boolean
  needles: readonly Uint8Array[]
  startedMs: number
  abort: AbortController
  span: Span
}

/**
 * Executes once and records the outcome before the answer is handed on. Takes the intent that only the recorder gives and the permit that only
 * the decision gives. Never throws: what breaks is an answer, and an outcome in the record.
 */
export async function execute(parts: Parts, run: Run, intent: IntentId, _permit: Permit): Promise<Answer> {
  const startedMs = performance.now()
  const span = run.span.child('upstream', { 'gatehouse.operation': run.subject.operation.id })
  const abort = new AbortController()
  const leave = (): void => abort.abort(new UpstreamError('broken', 'the caller left', true))
  if (run.subject.operation.mode === 'read') {
    if (run.signal.aborted) leave()
    run.signal.addEventListener('abort', leave, { once: true })
  }
  const timer = setTimeout(
    () => abort.abort(new UpstreamError('timeout', 'the system did not answer in time', true)),
    run.subject.operation.timeoutMs,
  )
  try {
    let lease: Lease | null
    try {
      lease = await leaseFor(parts, run.subject.operation.connector)
    } catch (error) {
      return await notSent(parts, run, intent, span, error)
    }
    parts.onStage('leased')
    const exchange = { needles: lease?.needles ?? [], startedMs, abort, span }
    let sent: Sent | undefined
    try {
      sent = await send(parts, run, lease, span, abort.signal)
      parts.onStage('answered')
      return await receive(parts, run, intent, { ...exchange, ...sent })
    } catch (error) {
      return await broke(parts, run, intent, { ...exchange, ...sent }, error)
    }
  } finally {
    clearTimeout(timer)
    run.signal.removeEventListener('abort', leave)
  }
}

type Sent = Pick<Exchange, 'answer' | 'sentBefore'>

/** Sends at most once, and once more only where a second try can have no second effect. */
async function send(parts: Parts, run: Run, lease: Lease | null, span: Span, signal: AbortSignal): Promise<Sent> {
  const { operation, input } = run.subject
  const connector = parts.connectors.get(operation.connector)
  if (!connector) throw new UpstreamError('refused', 'the connector is not configured', false)
  const progress = run.onProgress ? { onProgress: run.onProgress } : {}
  // What a system says beside its answer has no declared form, so nothing in it could be masked.
  const hears = run.logs && classesFor(parts, run.subject.principal, operation).refused.size === 0 && (await stick(parts, receiverOf(run)))
  const logs = run.logs && hears ? { logs: filterLogs(run.logs, lease?.needles ?? [], (texts) => bringsNothing(parts, texts)) } : {}
  const context = { signal, traceparent: span.traceparent, idempotencyKey: run.callId, ...progress, ...logs }
  parts.onStage('sending')
  const once = () => connector.execute(operation, input, lease, context)
  try {
    return { answer: await once(), sentBefore: false }
  } catch (error) {
    if (!(error instanceof UpstreamError) || error.kind !== 'broken' || signal.aborted || !repeatable(operation)) throw error
    try {
      return { answer: await once(), sentBefore: error.sent }
    } catch (second) {
      // Whatever became of the second try, the first one may have had its effect.
      if (!(second instanceof UpstreamError) || second.sent || !error.sent) throw second
      throw new UpstreamError(second.kind, second.message, true, second)
    }
  }
}

async function receive(parts: Parts, run: Run, intent: IntentId, exchange: Exchange): Promise<Answer> {
  const { answer, sentBefore, needles, startedMs, span } = exchange
  const judged = judgeStatus(run.subject.operation, answer.status, sentBefore)
  const headers = filterHeaders(answer.headers, needles)
  const { operation, principal } = run.subject
  const streams = judged.kind === 'completed' && run.delivery === 'stream' && !run.keep && !isShort(answer)
  // What has to be masked or looked through is read whole first.
  const { refused: masks } = classesFor(parts, principal, operation)
  if (streams && masks.size === 0 && !isLookedThrough(parts, run.subject) && (await stick(parts, receiverOf(run))))
    return stream(parts, run, intent, exchange, headers)
  const bytes = await collect(answer.body, LIMITS.filteredBodyBytesMax)
  const upstreamMs = Math.round(performance.now() - startedMs)
  // Asked when the answer is there: policies may change while it comes.
  const { refused, readable } = classesFor(parts, principal, operation)
  const shown = bytes
    ? show(operation, refused, { status: answer.status, headers, bytes: maskBytes(bytes, needles), masked: [] })
    : TOO_LARGE
  parts.onStage('filtered')
  const outcome: Outcome = {
    kind: judged.kind,
    upstreamStatus: answer.status,
    error: isShown(shown) ? judged.error : shown,
    resultDigest: isShown(shown) ? createHash('sha256').update(shown.bytes).digest('hex') : null,
    resultBytes: isShown(shown) ? shown.bytes.length : 0,
    upstreamMs,
    ...(refused.size === 0 ? {} : { masked: { classes: [...refused], pointers: isShown(shown) ? shown.masked : [] } }),
  }
  const kept = keep(run, shown)
  if (!(await recordOutcome(parts, run, intent, outcome, kept.result, kept.how, span))) return unrecorded(run)
  if (!isShown(shown)) return failed(run, { kind: judged.kind, error: shown }, answer.status)
  const result = resultOfShown(shown, run.delivery === 'buffered')
  const handed = judged.kind === 'completed' || passesThrough(answer.status)
  if (handed && !(await stick(parts, { ...receiverOf(run), readable }, shown)))
    return { ...heldBack(run.callId, run.span.traceparent), upstreamStatus: answer.status }
  return judged.kind === 'completed' ? answered(run, result) : failed(run, judged, answer.status, handed ? result : undefined)
}

const receiverOf = ({ callId, subject: { principal, operation, asserted } }: Run): Receiver => ({
  callId,
  principal,
  operation,
  runs: [asserted.run ?? null],
})

/** A short body comes whole in any case, since its end waits for the outcome: one write to the client is cheaper than several. */
function isShort({ headers }: UpstreamAnswer): boolean {
  const announced = headers['content-length']
  return announced !== undefined && Number(announced) <= LIMITS.unstreamedBodyBytesMax
}

const TOO_LARGE: CallError = Object.freeze({
  code: 'WITHHELD',
  message: `the answer is larger than ${LIMITS.filteredBodyBytesMax} bytes and is withheld`,
})

/** Kept is what the caller is shown, so a copy never holds more than its first reader might have read. */
function keep(run: Run, shown: Shown | CallError): { result: StoredResult | null; how: 'none' | 'kept' | 'too_large' } {
  if (!isShown(shown)) return { result: null, how: 'too_large' }
  if (!run.keep) return { result: null, how: 'none' }
  return shown.bytes.length > LIMITS.storedResultBytesMax ? { result: null, how: 'too_large' } : { result: toStored(shown), how: 'kept' }
}

/** The outcome is durable before the reader sees the end of the body. */
function stream(
  parts: Parts,
  run: Run,
  intent: IntentId,
  { answer, needles, startedMs, abort, span }: Exchange,
  headers: Record<string, string>,
): Answer {
  const chunks = new StreamedBody(answer.body, needles, run.signal, abort, async (end) => {
    const judged = end.error ? judgeBreak(run.subject.operation, end.error) : judgeStatus(run.subject.operation, answer.status)
    const outcome: Outcome = {
      kind: judged.kind,
      upstreamStatus: answer.status,
      error: judged.error,
      resultDigest: end.digest,
      resultBytes: end.bytes,
      upstreamMs: Math.round(performance.now() - startedMs),
    }
    const recorded = await recordOutcome(parts, run, intent, outcome, null, 'none', span)
    run.streamEnded?.(judged.kind)
    if (!recorded) throw new GatewayError('UNAVAILABLE', 'the outcome could not be recorded')
  })
  return answered(run, { status: answer.status, headers, body: { kind: 'stream', chunks }, value: null })
}

async function notSent(parts: Parts, run: Run, intent: IntentId, span: Span, error: unknown): Promise<Answer> {
  parts.telemetry.log.error({ callId: run.callId, error }, 'no credential could be leased')
  const judged: Judgement = {
    kind: 'not_sent',
    error: { code: 'UNAVAILABLE', message: 'the credential for this system is not available', sent: false },
  }
  return await ended(parts, run, intent, judged, 0, span)
}

async function broke(
  parts: Parts,
  run: Run,
  intent: IntentId,
  { startedMs, span, abort: { signal }, answer, sentBefore }: Omit<Exchange, keyof Sent> & Partial<Sent>,
  error: unknown,
): Promise<Answer> {
  if (!(error instanceof UpstreamError))
    parts.telemetry.log.error({ callId: run.callId, error }, 'an upstream call broke in an unexpected way')
  const reason: unknown = signal.aborted ? signal.reason : undefined
  const known = error instanceof UpstreamError ? error : new UpstreamError('broken', 'the exchange with the system broke', true, error)
  // An abort of ours ends the exchange with whatever error the transport had at hand: say what really ended it.
  const told = reason instanceof UpstreamError ? new UpstreamError(reason.kind, reason.message, known.sent, known) : known
  const judged = judgeBreak(run.subject.operation, told)
  // A refusal is one also where the rest of its words is lost.
  const refused = answer !== undefined && judgeStatus(run.subject.operation, answer.status, sentBefore).kind === 'failed'
  return await ended(
    parts,
    run,
    intent,
    refused ? { ...judged, kind: 'failed' } : judged,
    performance.now() - startedMs,
    span,
    answer?.status,
  )
}

async function ended(
  parts: Parts,
  run: Run,
  intent: IntentId,
  judged: Judgement,
  upstreamMs: number,
  span: Span,
  status?: number,
): Promise<Answer> {
  const outcome: Outcome = {
    kind: judged.kind,
    upstreamStatus: status ?? null,
    error: judged.error,
    resultDigest: null,
    resultBytes: 0,
    upstreamMs: Math.round(upstreamMs),
  }
  const recorded = await recordOutcome(parts, run, intent, outcome, null, 'none', span)
  // That nothing was sent is known also while it cannot be written.
  return recorded || judged.kind === 'not_sent' ? failed(run, judged, status) : unrecorded(run)
}

const answered = ({ callId, span, subject }: Run, result: CallResult): Answer => ({
  kind: 'result',
  callId,
  traceparent: span.traceparent,
  operation: subject.operation.id,
  result,
  replayed: false,
})

function failed({ callId, span }: Run, { kind, error }: Judgement, upstreamStatus: number | undefined, result?: CallResult): Answer {
  return {
    kind: 'failed',
    callId,
    traceparent: span.traceparent,
    code: error?.code ?? ('UPSTREAM' satisfies ErrorCode),
    message: error?.message ?? 'the system failed',
    inDoubt: kind === 'in_doubt',
    ...(upstreamStatus === undefined ? {} : { upstreamStatus }),
    ...(result ? { result } : {}),
  }
}

const unrecorded = ({ callId, span }: Run): Answer => ({
  kind: 'failed',
  callId,
  traceparent: span.traceparent,
  code: 'UNAVAILABLE',
  message: 'the call was sent, its outcome could not be recorded',
  inDoubt: true,
})
