import { afterAll, beforeAll, expect, test } from 'vitest'
import type { JsonObject, JsonValue } from '../gateway/core/json.ts'
import type { Operation } from '../gateway/core/operation.ts'
import { type Connector, type ExecuteContext, type Manifest, type UpstreamAnswer, UpstreamError } from '../gateway/ports/connector.ts'
import type { Lease } from '../gateway/ports/vault.ts'

/** One request that reached the upstream's operation. */
export interface Arrived {
  /** The arguments as the upstream understood them. */
  arguments: JsonObject
  traceparent: string | undefined
  idempotencyKey: string | undefined
  /** Everything that arrived, as text: headers, path, body. */
  raw: string
}

/** A real upstream with one operation `echo` that takes `{text: string, count?: integer}`. */
export interface ConformanceUpstream {
  /** Executions of `echo`. */
  arrived: Arrived[]
  /** What happens to the next executions. */
  behave(how: 'answer' | 'reset' | 'silence' | 'huge' | 'fail'): void
  /** Bytes of any kind, since the start. */
  touched(): number
  /** Resolves when an execution has arrived. */
  arrival(): Promise<void>
  /** Ends it: nothing listens any more. */
  stop(): Promise<void>
}

export interface ConformanceSubject {
  /** Whether credentials are sent (a process has none). */
  credentials: boolean
  start(): Promise<ConformanceUpstream>
  /** The manifest for the running upstream; `echo` has the idempotency `key-header` with the header `x-idempotency`. */
  manifest(upstream: ConformanceUpstream): Manifest
  load(manifest: Manifest): Connector
  /** What `huge` comes to. */
  hugeKind: 'too_large'
  /** The status that `fail` comes to. */
  failStatus: number
}

const SECRET = 'canary-key-91f2'
const lease: Lease = { credential: 'key', version: 1, headers: () => ({ 'x-api-key': SECRET }), query: () => ({}), needles: [] }
const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
const context = (signal: AbortSignal = AbortSignal.timeout(20_000)): ExecuteContext => ({
  signal,
  traceparent: TRACEPARENT,
  idempotencyKey: 'key-77',
})

async function textOf(answer: UpstreamAnswer): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of answer.body) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

async function failureOf(work: Promise<UpstreamAnswer>): Promise<{ kind: string; sent: boolean }> {
  const error = await work.then(textOf).then(
    (text) => new Error(`answered ${text.slice(0, 100)}`),
    (reason: unknown) => reason,
  )
  if (!(error instanceof UpstreamError)) throw new Error('expected an UpstreamError', { cause: error })
  return { kind: error.kind, sent: error.sent }
}

/** What every connector kind promises (ports/connector.ts), on a real upstream. */
export function connectorConformance(subject: ConformanceSubject): void {
  let upstream: ConformanceUpstream
  let connector: Connector
  const echo = (of = connector): Operation => {
    const found = of.operations.find(({ name }) => name === 'echo')
    if (!found) throw new Error('no operation echo')
    return found
  }
  const run = (input: JsonObject, ctx = context(), of = connector) => of.execute(echo(of), input, subject.credentials ? lease : null, ctx)

  beforeAll(async () => {
    upstream = await subject.start()
    connector = subject.load(subject.manifest(upstream))
  })
  afterAll(async () => {
    await connector.close()
    await upstream.stop()
  })

  test('loading and matching touch nothing, and the description is the same every time', () => {
    const again = subject.load(subject.manifest(upstream))
    expect(again.operations).toEqual(connector.operations)
    expect(echo()).toMatchObject({
      id: `${connector.name}.echo`,
      jointName: `${connector.name}_echo`,
      mode: 'write',
      reversibility: 'irreversible',
    })
    expect(echo().version).toMatch(/^[0-9a-f]{64}$/)
    expect(echo().inputSchema).toMatchObject({ type: 'object', additionalProperties: false })
    connector.match(asProxied(echo(), { text: 'x' }))
    expect(upstream.touched()).toBe(0)
  })

  test('a changed description is another version, an override of policy facts is not', () => {
    const manifest = subject.manifest(upstream)
    const text = manifest.source.text.replace('"count"', '"amount"')
    expect(echo(subject.load({ ...manifest, source: { ...manifest.source, text } })).version).not.toBe(echo().version)
    const overrides = { echo: { ...manifest.operations.overrides.echo, reversibility: 'reversible' } as const }
    const reviewed = echo(subject.load({ ...manifest, operations: { ...manifest.operations, overrides } }))
    expect([reviewed.version, reviewed.reversibility]).toEqual([echo().version, 'reversible'])
  })

  test('what is matched and executed reaches the upstream as it was judged', async () => {
    const input = { text: 'a/b?c=1&d #%2e\u202e é', count: 3 }
    const matched = connector.match(asProxied(echo(), input))
    expect(matched).toEqual({ operation: echo(), input })
    const answer = await run(input)
    expect([answer.status, JSON.parse(await textOf(answer)) as JsonValue]).toEqual([200, { echoed: input }])
    expect(upstream.arrived.at(-1)?.arguments).toEqual(input)
  })

  test('trace context, idempotency key and credential arrive; nothing else does', async () => {
    await textOf(await run({ text: 'x' }))
    expect(upstream.arrived.at(-1)).toMatchObject({ traceparent: TRACEPARENT, idempotencyKey: 'key-77' })
    if (subject.credentials) expect(upstream.arrived.at(-1)?.raw).toContain(SECRET)
    expect(JSON.stringify(connector)).not.toContain(SECRET)
  })

  test('a failure of the upstream is an answer', async () => {
    upstream.behave('fail')
    const answer = await run({ text: 'x' })
    upstream.behave('answer')
    expect(answer.status).toBe(subject.failStatus)
    await textOf(answer)
  })

  test('an answer beyond the limit is too large, and was sent', async () => {
    upstream.behave('huge')
    const failure = await failureOf(run({ text: 'x' }))
    upstream.behave('answer')
    expect(failure).toEqual({ kind: subject.hugeKind, sent: true })
  })

  test('a connection that breaks during the call counts as sent, and the next call is answered', async () => {
    upstream.behave('reset')
    const failure = await failureOf(run({ text: 'x' }))
    upstream.behave('answer')
    expect(failure).toEqual({ kind: 'broken', sent: true })
    expect((await run({ text: 'again' })).status).toBe(200)
  })

  test('a call executes at most once, however it ends', async () => {
    const before = upstream.arrived.length
    upstream.behave('reset')
    await failureOf(run({ text: 'once' }))
    upstream.behave('answer')
    expect(upstream.arrived.length).toBe(before + 1)
  })

  test.each([
    ['a time-out', new UpstreamError('timeout', 'too late', true), 'timeout'],
    ['a caller that leaves', new Error('left'), 'broken'],
  ])('%s during the call counts as sent', async (_title, reason, kind) => {
    upstream.behave('silence')
    const leaving = new AbortController()
    const arrival = upstream.arrival()
    const failing = failureOf(run({ text: 'x' }, context(leaving.signal)))
    await arrival
    leaving.abort(reason)
    expect(await failing).toEqual({ kind, sent: true })
    upstream.behave('answer')
  })

  test('a caller that left before has sent nothing', async () => {
    const before = upstream.arrived.length
    expect(await failureOf(run({ text: 'x' }, context(AbortSignal.abort())))).toMatchObject({ sent: false })
    expect(upstream.arrived.length).toBe(before)
  })

  test('an operation of another connector is refused', async () => {
    const stranger = { ...echo() }
    const failure = await failureOf(connector.execute(stranger, { text: 'x' }, null, context()))
    expect(failure).toEqual({ kind: 'refused', sent: false })
  })

  test('where nothing runs, nothing was sent', async () => {
    const gone = await subject.start()
    const orphan = subject.load(subject.manifest(gone))
    await gone.stop()
    expect(await failureOf(run({ text: 'x' }, context(), orphan))).toEqual({ kind: 'unreachable', sent: false })
    await orphan.close()
  })
}

/** The operation's plain-HTTP form. */
export function asProxied(operation: Operation, input: JsonObject): Parameters<Connector['match']>[0] {
  return {
    method: operation.route.method,
    rawPath: operation.route.path,
    rawQuery: '',
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(JSON.stringify(input)),
  }
}
