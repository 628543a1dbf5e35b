import type { CallId } from '../../core/ids.ts'
import { parseCallId } from '../../core/ids.ts'
import { GatewayError } from '../../core/errors.ts'
import type { JsonValue } from '../../core/json.ts'
import type { Operation } from '../../core/operation.ts'
import type { Principal } from '../../core/principal.ts'
import { LIMITS } from '../../limits.ts'
import type { AgentContext, AnswerBudget, CallView } from '../../ports/agent-view.ts'
import type { Admitted, Answer, Asked, Calls } from '../../ports/calls.ts'
import type { Edited } from '../../core/edit.ts'
import { maskedIn, refusalOf, tellsEnd } from '../answer.ts'
import type { GraphqlRequest } from './read-request.ts'
import { refusedField } from './refused.ts'
import type { RootCall } from './root-fields.ts'

interface Planned extends RootCall {
  /** Absent for the only root call of a document, which is decided and run in one. */
  admitted?: Admitted
  started: boolean
  answer?: Answer
}

/**
 * The calls of one document. `admitAll` decides every root call before any runs; a single one is decided and run in one transaction. A field runs what was
 * admitted for its response key, once, and nothing else: a key that was not planned fails.
 */
export class DocumentRun {
  private readonly planned = new Map<string, Planned>()
  private readonly handedOver = new Set<CallId>()
  /** One wait for the whole document: mutations run in turn, and their waits must not add up. */
  private readonly waitEndsMs: number
  /** Shared by all fields of the answer. */
  readonly budget: AnswerBudget = { charsLeft: LIMITS.graphqlAnswerCharsMax, errorsLeft: LIMITS.graphqlErrorsMax }

  constructor(
    private readonly calls: Calls,
    private readonly principal: Principal,
    private readonly request: GraphqlRequest,
    private readonly signal: AbortSignal,
    private readonly baseUrl: string,
  ) {
    this.waitEndsMs = performance.now() + request.waitMs
  }

  async admitAll(roots: readonly RootCall[]): Promise<void> {
    for (const root of roots) this.planned.set(root.responseKey, { ...root, started: false })
    if (roots.length < 2) return
    const all = [...this.planned.values()]
    const settled = await Promise.allSettled(
      all.map(async (planned) => {
        planned.admitted = await this.calls.admit(this.principal, this.asked(planned))
      }),
    )
    const failed = settled.find((each) => each.status === 'rejected')
    if (failed) throw failed.reason
  }

  /** Gives up what was admitted and never ran. */
  async abandonRest(): Promise<void> {
    for (const planned of this.planned.values()) {
      if (planned.started || !planned.admitted) continue
      planned.started = true
      await planned.admitted.abandon()
    }
  }

  context(): AgentContext {
    const { agent, subject } = this.principal
    return {
      budget: this.budget,
      invoke: (operation, responseKey) => this.invoke(operation, responseKey),
      whoami: () => ({ name: agent.name, owner: agent.owner, roles: agent.roles, subject: subject ?? null }),
      call: (id, waitSeconds) => this.status(id, waitSeconds),
    }
  }

  /** Response keys to call ids, in document order, for fields that became calls. */
  callIds(): Map<string, CallId> {
    const ids = new Map<string, CallId>()
    for (const { responseKey, answer, admitted } of this.planned.values()) {
      const id = answer?.callId ?? admitted?.callId
      if (id !== undefined) ids.set(responseKey, id)
    }
    return ids
  }

  /** Response keys to the places that are masked in their values, for fields that have some. */
  masked(): Map<string, readonly string[]> {
    const masked = new Map<string, readonly string[]>()
    for (const { responseKey, answer } of this.planned.values()) {
      const pointers = answer ? maskedIn(answer) : []
      if (pointers.length > 0) masked.set(responseKey, pointers)
    }
    return masked
  }

  /** Response keys to what people changed in their arguments, for fields in which they did. */
  edited(): Map<string, Edited> {
    return new Map([...this.planned.values()].flatMap(({ responseKey, answer }) => (answer?.edited ? [[responseKey, answer.edited]] : [])))
  }

  traceparent(): string | undefined {
    for (const { answer } of this.planned.values()) if (answer) return answer.traceparent
    return undefined
  }

  /** To be called once the response is written to its end. */
  delivered(): void {
    for (const id of this.handedOver) this.calls.delivered(id)
  }

  private asked({ operation, input, responseKey }: RootCall): Asked {
    const { asserted, idempotencyKey, traceparent } = this.request
    const { waitEndsMs } = this
    return {
      door: 'graphql',
      operation,
      input,
      asserted,
      responseKey,
      get waitMs() {
        return Math.max(0, waitEndsMs - performance.now())
      },
      signal: this.signal,
      delivery: 'buffered',
      ...(idempotencyKey !== undefined && { idempotencyKey }),
      ...(traceparent !== undefined && { traceparent }),
    }
  }

  private async invoke(operation: Operation, responseKey: string): Promise<JsonValue> {
    const planned = this.planned.get(responseKey)
    if (!planned || planned.started || planned.operation !== operation) throw new Error(`no admitted call for response key ${responseKey}`)
    if (this.signal.aborted) throw new GatewayError('CANCELLED', 'the caller left before this field ran: nothing was executed')
    planned.started = true
    const answer = planned.admitted ? await planned.admitted.run() : await this.calls.call(this.principal, this.asked(planned))
    planned.answer = answer
    if (tellsEnd(answer)) this.handedOver.add(answer.callId)
    if (answer.kind === 'result') return answer.result.value
    const refusal = refusalOf(answer, this.baseUrl)
    throw refusal ? refusedField(refusal) : new Error('an answer without words')
  }

  private async status(rawId: string, waitSeconds = 0): Promise<CallView> {
    if (waitSeconds < 0 || waitSeconds > LIMITS.statusWaitSecondsMax)
      throw new GatewayError('BAD_INPUT', `\`waitSeconds\` must be between 0 and ${LIMITS.statusWaitSecondsMax}`, {
        faults: [{ pointer: '/waitSeconds', message: `must be between 0 and ${LIMITS.statusWaitSecondsMax}` }],
      })
    const status = await this.calls.status(this.principal, parseCallId(rawId), waitSeconds * 1_000, this.signal)
    const { id, state, operation, createdAt, expiresAt, result, masked, error, upstream, edited } = status
    if (state === 'completed' || state === 'failed') this.handedOver.add(id)
    return {
      id,
      state,
      operation,
      createdAt: new Date(createdAt).toISOString(),
      expiresAt: expiresAt === undefined ? null : new Date(expiresAt).toISOString(),
      result: result ?? null,
      masked: masked ?? [],
      error: error ? { code: error.code, message: error.message, advice: error.advice ?? null } : null,
      upstreamStatus: upstream?.status ?? null,
      edited: edited ? { by: edited.by, changes: edited.changes.map((change) => ({ ...change })) } : null,
    }
  }
}
