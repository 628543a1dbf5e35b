import { AsyncLocalStorage } from 'node:async_hooks'
import { OpenTelemetry } from '@ai-sdk/otel'
import { createMCPClient } from '@ai-sdk/mcp'
import { type Context, type ContextManager, context, propagation, ROOT_CONTEXT } from '@opentelemetry/api'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { generateText, isStepCount } from 'ai'
import { MockLanguageModelV4 } from 'ai/test'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Bed, startBed } from '../harness.ts'
import { type Fields, fields, items } from '../send.ts'

/** Spans that are open in what runs, across awaits: what the SDK for Node brings along. */
class Running implements ContextManager {
  readonly #storage = new AsyncLocalStorage<Context>()
  active = (): Context => this.#storage.getStore() ?? ROOT_CONTEXT
  with: ContextManager['with'] = (running, work, self, ...args) => this.#storage.run(running, () => work.call(self as never, ...args))
  bind: ContextManager['bind'] = (running, target) =>
    typeof target === 'function' ? (((...args: unknown[]) => this.with(running, () => target(...args))) as typeof target) : target
  enable = (): this => this
  disable = (): this => this
}

let bed: Bed
beforeAll(async () => {
  context.setGlobalContextManager(new Running())
  propagation.setGlobalPropagator(new W3CTraceContextPropagator())
  bed = await startBed()
})
afterAll(async () => {
  context.disable()
  propagation.disable()
  await bed?.close()
})

const USAGE = {
  inputTokens: { total: 31, noCache: 31, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 7, text: 7, reasoning: 0 },
}

/** A model that pays once and then says that it has. */
const model = () => {
  const input = JSON.stringify({ vendorId: 'V-1001', amount: 240, currency: 'EUR', reference: 'INV-4711' })
  const turns = [
    {
      content: [{ type: 'tool-call', toolCallId: 'use_1', toolName: 'erp_releasePayment', input }],
      finishReason: { unified: 'tool-calls', raw: undefined },
    },
    { content: [{ type: 'text', text: 'The invoice is paid.' }], finishReason: { unified: 'stop', raw: undefined } },
  ] as const
  let turn = 0
  return new MockLanguageModelV4({
    provider: 'scripted',
    modelId: 'model-1',
    doGenerate: () => {
      const { content, finishReason } = turns[turn++] ?? turns[1]
      return Promise.resolve({ content: [...content], finishReason, usage: USAGE, warnings: [] })
    },
  })
}

test('the AI SDK: the call that its model asked for shows the conversation that led to it', async () => {
  const authorization = `Bearer ${await bed.agentToken('invoice-clerk')}`
  const exporter = new OTLPTraceExporter({ url: `${bed.url}/v1/traces`, headers: { authorization } })
  const provider = new TracerProvider({ spanProcessors: [new BatchSpanProcessor({ exporter })] })
  const client = await createMCPClient({
    transport: {
      type: 'http',
      url: `${bed.url}/mcp`,
      headers: { authorization },
      // What an instrumented `fetch` does.
      fetch: (url, init = {}) => {
        const headers: Record<string, string> = Object.fromEntries(new Headers(init.headers))
        propagation.inject(context.active(), headers)
        return fetch(url, { ...init, headers })
      },
    },
  })
  try {
    const { text } = await generateText({
      model: model(),
      tools: await client.tools(),
      stopWhen: isStepCount(5),
      instructions: 'You pay invoices.',
      prompt: 'Pay invoice INV-4711 of Falkenberg: mail rosa@falkenberg.example if in doubt.',
      telemetry: { functionId: 'payer', integrations: [new OpenTelemetry({ tracer: provider.getTracer('gen_ai') })] },
    })
    expect(text).toBe('The invoice is paid.')
  } finally {
    await client.close()
    await provider.forceFlush()
    await provider.shutdown()
  }
  const query = `{ calls(first: 1, filter: { agent: "invoice-clerk" }) { edges { node { state trace input account {
    masked truncated spans { name parent id beforeCall operation model provider inputTokens messages { side role text tool } tool { name arguments result } } } } } } }`
  const call = fields(fields(items(fields((await bed.people('lee', query)).calls).edges)[0]).node)
  expect(call).toMatchObject({
    state: 'completed',
    input: { amount: 240, reference: 'INV-4711' },
    account: { masked: ['personal-data'], truncated: false },
  })
  const spans = items(fields(call.account).spans).map(fields)
  const chats = spans.filter(({ operation }) => operation === 'chat')
  expect(chats).toMatchObject([
    {
      ...{ model: 'model-1', provider: 'scripted', inputTokens: 31, beforeCall: true },
      messages: [
        { side: 'input', role: 'system', text: 'You pay invoices.', tool: null },
        { side: 'input', role: 'user', text: 'Pay invoice INV-4711 of Falkenberg: mail [masked: personal-data] if in doubt.', tool: null },
        { side: 'output', role: 'assistant', text: expect.stringContaining('INV-4711'), tool: 'erp_releasePayment' },
      ],
    },
    {
      beforeCall: false,
      messages: expect.arrayContaining([{ side: 'output', role: 'assistant', text: 'The invoice is paid.', tool: null }]),
    },
  ])
  const tools = spans.filter(({ tool }) => tool !== null)
  expect(tools).toMatchObject([{ beforeCall: true, tool: { name: 'erp_releasePayment', arguments: expect.stringContaining('V-1001') } }])
  const ids = new Set(spans.map(({ id }) => id))
  expect(spans.filter(({ parent }: Fields) => !ids.has(parent))).toHaveLength(1)
})
