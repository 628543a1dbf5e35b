import { randomBytes } from 'node:crypto'
import { instant } from '../../core/clock.ts'
import { GatewayError } from '../../core/errors.ts'
import { newCallId, operationId } from '../../core/ids.ts'
import type { CallId, OperationId } from '../../core/ids.ts'
import type { JsonObject, JsonValue } from '../../core/json.ts'
import type { Operation } from '../../core/operation.ts'
import type { Principal } from '../../core/principal.ts'
import type { Answer, Asked, CallOutline, Calls } from '../../ports/calls.ts'

/** For tests of doors: the pipeline's port in memory, with operations that each end in one way. Nothing of the product imports it. */
const open: JsonObject = { type: 'object', properties: {}, additionalProperties: false }

export function operation(name: string, more: Partial<Operation> = {}): Operation {
  const connector = more.connector ?? 'erp'
  return {
    id: operationId(connector, name),
    connector,
    name,
    jointName: `${connector}_${name}`,
    version: '0'.repeat(64),
    description: `About ${name}.`,
    mode: 'write',
    reversibility: 'irreversible',
    inputSchema: open,
    dataClasses: {},
    labels: [],
    idempotency: { kind: 'none' },
    timeoutMs: 30_000,
    region: 'eu',
    route: { method: 'POST', path: `/${name}` },
    ...more,
  }
}

const vendorOutput: JsonObject = {
  type: 'object',
  required: ['id', 'name'],
  additionalProperties: false,
  properties: { id: { type: 'string' }, name: { type: 'string', enum: ['Acme'] }, balance: { type: 'integer' } },
}
const read = { mode: 'read', reversibility: 'read-only' } as const

export const OPERATIONS: readonly Operation[] = [
  operation('getVendor', {
    ...read,
    title: 'Get a vendor',
    inputSchema: { type: 'object', properties: { id: { type: 'string', 'x-mcp-header': 'Vendor' } }, required: ['id'] },
    outputSchema: vendorOutput,
  }),
  operation('listVendors', { ...read, outputSchema: { type: 'array', items: vendorOutput } }),
  operation('oddVendor', { ...read, outputSchema: vendorOutput }),
  operation('text', read),
  operation('empty'),
  operation('picture', read),
  operation('big', read),
  operation('pay', { inputSchema: { type: 'object', properties: { amount: { type: 'integer' } }, required: ['amount'] } }),
  operation('claimed'),
  operation('slow', { reversibility: 'reversible', idempotency: { kind: 'idempotent' } }),
  operation('refused'),
  operation('doubtful'),
  operation('withheld'),
  operation('limited'),
  operation('notKept'),
  operation('noPermit'),
  operation('throws'),
  operation('blocks'),
  operation('blocks', { connector: 'files', content: true }),
]

export const BLOCKS: JsonObject = {
  text: 'a',
  items: [
    { type: 'image', data: 'AA==', mimeType: 'image/png', annotations: { audience: ['user'] } },
    { type: 'resource', resource: { uri: 'file:///a', mimeType: 'text/plain', text: 'b', _meta: {} } },
    { type: 'resource_link', uri: 'file:///b', name: 'b', title: 'B', icons: [] },
  ],
}

export const SECRET_OPERATION = operation('secret')

interface Kept {
  owner: string
  operation: OperationId
  answer: Answer
  wake: Set<() => void>
  claimable: boolean
}

const TRACE = '00-11111111111111111111111111111111-2222222222222222-01'
const ownerOf = (p: Principal): string => `${p.agent.name} ${p.subject ?? ''}`

export class FixtureCalls implements Calls {
  readonly asked: Asked[] = []
  readonly refused: { agent: string | null; asked: string | null; code: string; faults: number }[] = []
  readonly deliveredIds: CallId[] = []
  readonly kept = new Map<CallId, Kept>()
  readonly signals: AbortSignal[] = []
  /** Ends `erp_slow`. */
  finishSlow: () => void = () => {}
  operations: readonly Operation[] = OPERATIONS
  viewKey = 'view'
  onHeld: (id: CallId) => void = () => {}

  /** `Bearer <agent>` or `Bearer <agent>/<subject>`; agents whose name starts with `no` are unknown. */
  async authenticate(authorization: string | undefined): Promise<Principal> {
    const [, name, subject] = /^Bearer ([a-z0-9-]+)(?:\/([a-z]+))?$/.exec(authorization ?? '') ?? []
    if (name === undefined || name.startsWith('no')) throw new GatewayError('UNAUTHENTICATED', 'the token does not verify')
    const agent = {
      name,
      owner: 'ann',
      team: 't',
      region: 'eu',
      purpose: 'test',
      roles: [],
      clearance: [],
      autonomy: 1,
      status: 'active',
      epoch: 1,
    } as const
    return { agent, ...(subject !== undefined && { subject }), actors: [name], issuer: 'http://issuer', tokenExpiresAtMs: Infinity }
  }

  catalogue() {
    const byJointName = new Map([...this.operations, SECRET_OPERATION].map((o) => [o.jointName, o]))
    const connectors = [
      { name: 'erp', kind: 'openapi', region: 'eu' },
      { name: 'files', kind: 'mcp', region: 'eu' },
    ]
    return { version: 'v', connectors, operations: new Map([...byJointName.values()].map((o) => [o.id, o])), byJointName }
  }

  view() {
    return { key: this.viewKey, operations: this.operations }
  }

  find(_principal: Principal, jointName: string) {
    return this.operations.find((o) => o.jointName === jointName)
  }

  match(): never {
    throw new GatewayError('NOT_FOUND', 'not at this door')
  }

  async admit(principal: Principal, asked: Asked) {
    return { run: () => this.call(principal, asked), abandon: async () => {} }
  }

  async call(principal: Principal, asked: Asked): Promise<Answer> {
    this.asked.push(asked)
    this.signals.push(asked.signal)
    const callId = newCallId(Date.now(), randomBytes(16))
    const common = { callId, traceparent: TRACE }
    asked.onAdmitted?.(callId, TRACE)
    switch (asked.operation.name) {
      case 'getVendor':
        return json(common, { id: asked.input.id ?? null, name: 'Other', balance: null })
      case 'blocks':
        return json(common, BLOCKS)
      case 'listVendors':
        return json(common, [{ id: 'v1', name: 'Acme' }])
      case 'oddVendor':
        return json(common, { id: 7, name: 'Acme' })
      case 'text':
        return result(common, 'plain words', 'text/plain', 'plain words')
      case 'empty':
        return result(common, '', 'application/json', null, 204)
      case 'picture':
        return result(common, Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0xff), 'image/png', 'iVBORw==')
      case 'big':
        return json(common, { text: 'x'.repeat(3_000_000) })
      case 'pay':
        return await this.pay(principal, asked, callId)
      case 'claimed':
        this.keep(principal, asked, { kind: 'running', ...common }, true)
        return { kind: 'held', ...common, expiresAt: instant(4_102_444_800_000) }
      case 'slow':
        this.keep(principal, asked, { kind: 'running', ...common })
        await new Promise<void>((resolve) => {
          this.finishSlow = resolve
        })
        return json(common, { slow: true })
      case 'refused': {
        const body = json(common, { error: 'no such vendor' })
        const more = body.kind === 'result' ? { result: body.result } : {}
        return {
          kind: 'failed',
          ...common,
          code: 'UPSTREAM',
          message: 'the system answered 422',
          inDoubt: false,
          upstreamStatus: 422,
          ...more,
        }
      }
      case 'doubtful':
        return { kind: 'failed', ...common, code: 'UPSTREAM_TIMEOUT', message: 'no answer within 30 s', inDoubt: true }
      case 'withheld':
        return { kind: 'failed', ...common, code: 'WITHHELD', message: 'the answer is too large', inDoubt: false }
      case 'limited':
        return {
          kind: 'refused',
          traceparent: TRACE,
          code: 'LIMITED',
          message: 'too many calls a minute',
          faults: [],
          retryAfterSeconds: 7,
        }
      case 'notKept':
        return { kind: 'refused', ...common, code: 'RESULT_NOT_KEPT', message: 'the result was too large to keep', faults: [] }
      case 'noPermit':
        return { kind: 'denied', ...common, reason: 'no_permit' }
      default:
        throw new Error('inner detail')
    }
  }

  private async pay(principal: Principal, asked: Asked, callId: CallId): Promise<Answer> {
    const common = { callId, traceparent: TRACE }
    const { amount } = asked.input
    if (typeof amount !== 'number')
      return {
        kind: 'refused',
        traceparent: TRACE,
        code: 'BAD_INPUT',
        message: 'the arguments do not fit',
        faults: [{ pointer: '/amount', message: 'is missing' }],
      }
    if (amount > 50_000) return { kind: 'denied', ...common, reason: 'forbidden', advice: 'Split nothing; ask finance' }
    if (amount <= 1_000) return json(common, { paid: amount })
    const kept = this.keep(principal, asked, { kind: 'held', ...common, expiresAt: instant(4_102_444_800_000) })
    this.onHeld(callId)
    return await this.until(kept, asked.waitMs, asked.signal, () => asked.onWaiting?.(callId))
  }

  private keep(principal: Principal, { operation }: Asked, answer: Answer & { callId: CallId }, claimable = false): Kept {
    const kept: Kept = { owner: ownerOf(principal), operation: operation.id, answer, wake: new Set(), claimable }
    this.kept.set(answer.callId, kept)
    return kept
  }

  private until(kept: Kept, waitMs: number, signal: AbortSignal, onWaiting: () => void): Promise<Answer> {
    return new Promise((resolve) => {
      const ticking = setInterval(onWaiting, 5)
      const timer = setTimeout(() => done(), waitMs)
      const done = () => {
        clearInterval(ticking)
        clearTimeout(timer)
        kept.wake.delete(done)
        resolve(kept.answer)
      }
      signal.addEventListener('abort', done)
      kept.wake.add(done)
      if (kept.answer.kind !== 'held' || signal.aborted) done()
    })
  }

  /** A person decides. */
  decide(id: CallId, answer: Answer): void {
    const kept = this.kept.get(id)
    if (!kept) throw new Error('no such call')
    kept.answer = answer
    for (const wake of kept.wake) wake()
  }

  /** `of`: the operation that the record names with the result. */
  approve(id: CallId, value: JsonValue = { paid: true }, of?: Operation): void {
    this.decide(id, { ...json({ callId: id, traceparent: TRACE }, value), ...(of && { operation: of.id }) })
  }

  private own(principal: Principal, id: CallId): Kept {
    const kept = this.kept.get(id)
    if (kept === undefined || kept.owner !== ownerOf(principal)) throw new GatewayError('NOT_FOUND', `no call \`${id}\` of yours`)
    return kept
  }

  async refuse(_door: string, principal: Principal | null, asked: string | null, error: { code: string; faults?: readonly unknown[] }) {
    this.refused.push({ agent: principal?.agent.name ?? null, asked, code: error.code, faults: error.faults?.length ?? 0 })
  }

  status(): never {
    throw new GatewayError('NOT_FOUND', 'not at this door')
  }

  async answer(principal: Principal, id: CallId, waitMs: number, signal: AbortSignal, onWaiting?: () => void): Promise<Answer> {
    return await this.until(this.own(principal, id), waitMs, signal, () => onWaiting?.())
  }

  async outline(principal: Principal, id: CallId): Promise<CallOutline> {
    const { answer, operation } = this.own(principal, id)
    const at = instant(1_000)
    return { operation, createdAt: at, updatedAt: at, ...(answer.kind === 'held' ? { expiresAt: answer.expiresAt } : {}) }
  }

  async claim(principal: Principal, id: CallId): Promise<Answer> {
    const kept = this.own(principal, id)
    if (!kept.claimable) throw new GatewayError('CALL_NOT_CLAIMABLE', 'the call runs by itself')
    return json({ callId: id, traceparent: TRACE }, { claimed: true })
  }

  async cancel(principal: Principal, id: CallId): Promise<void> {
    const kept = this.own(principal, id)
    if (kept.answer.kind !== 'held') throw new GatewayError('HOLD_NOT_OPEN', 'the hold is no longer open')
    this.decide(id, { kind: 'ended', callId: id, traceparent: TRACE, code: 'CANCELLED', message: 'cancelled by its agent' })
  }

  delivered(id: CallId): void {
    this.deliveredIds.push(id)
  }
}

type Common = { callId: CallId; traceparent: string }

const json = (common: Common, value: JsonValue): Answer => result(common, JSON.stringify(value), 'application/json', value)

function result(common: Common, body: string | Uint8Array, type: string, value: JsonValue, status = 200): Answer {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body
  const headers = { 'content-type': type }
  return { kind: 'result', ...common, result: { status, headers, body: { kind: 'bytes', bytes }, value }, replayed: false }
}
