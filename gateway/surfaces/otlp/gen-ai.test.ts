import { describe, expect, test } from 'vitest'
import type { AccountMessage } from '../../core/account.ts'
import type { JsonValue } from '../../core/json.ts'
import { readSpan } from './gen-ai.ts'
import type { SentSpan } from './spans.ts'

const sent = (attributes: Record<string, JsonValue>, events: SentSpan['events'] = []): SentSpan => ({
  ...{ traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), parentSpanId: null, name: 'chat', kind: 3, startedAt: 1, endedAt: 2 },
  ...{ status: { code: 0, message: '' }, attributes: new Map(Object.entries(attributes)), events, leftOut: 0 },
})
const said = ({ side, role, text, tool }: AccountMessage): string => `${side} ${role}${tool === null ? '' : ` ${tool}`}: ${text}`
const read = (attributes: Record<string, JsonValue>, events?: SentSpan['events']) => {
  const found = readSpan(sent(attributes, events))
  return found && { ...found.span, said: found.span.messages.map(said), leftOut: found.leftOut }
}

const CONVERSATION = ['input system: Be brief.', 'input user: Pay 12 to Falkenberg.', 'output assistant erp_pay: {"amount":12}']

/** The same conversation as each of them writes it. */
const CONVENTIONS: readonly { name: string; attributes: Record<string, JsonValue>; events?: SentSpan['events'] }[] = [
  {
    name: 'GenAI conventions, as JSON texts',
    attributes: {
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'openai',
      'gen_ai.response.model': 'gpt-5',
      'gen_ai.system_instructions': '[{"type":"text","content":"Be brief."}]',
      'gen_ai.input.messages': '[{"role":"user","parts":[{"type":"text","content":"Pay 12 to Falkenberg."}]}]',
      'gen_ai.output.messages':
        '[{"role":"assistant","parts":[{"type":"tool_call","id":"1","name":"erp_pay","arguments":{"amount":12}}],"finish_reason":"tool_call"}]',
      'gen_ai.usage.input_tokens': 7,
      'gen_ai.usage.output_tokens': 3,
      'gen_ai.response.finish_reasons': ['tool_call'],
    },
  },
  {
    name: 'GenAI conventions, as structured values',
    attributes: {
      'gen_ai.operation.name': 'chat',
      'gen_ai.system': 'openai',
      'gen_ai.request.model': 'gpt-5',
      'gen_ai.system_instructions': [{ type: 'text', content: 'Be brief.' }],
      'gen_ai.input.messages': [{ role: 'user', parts: [{ type: 'text', content: 'Pay 12 to Falkenberg.' }] }],
      'gen_ai.output.messages': [
        { role: 'assistant', parts: [{ type: 'tool_call', id: '1', name: 'erp_pay', arguments: { amount: 12 } }] },
      ],
      'gen_ai.usage.input_tokens': '7',
      'gen_ai.usage.output_tokens': '3',
      'gen_ai.response.finish_reasons': '["tool_call"]',
    },
  },
  {
    name: 'GenAI conventions of before, as events',
    attributes: {
      'gen_ai.operation.name': 'chat',
      'gen_ai.system': 'openai',
      'gen_ai.request.model': 'gpt-5',
      'gen_ai.usage.prompt_tokens': 7,
      'gen_ai.usage.completion_tokens': 3,
      'gen_ai.response.finish_reasons': ['tool_call'],
    },
    events: [
      {
        name: 'gen_ai.system.message',
        attributes: new Map([
          ['content', 'Be brief.'],
          ['gen_ai.system', 'openai'],
        ]),
      },
      { name: 'gen_ai.user.message', attributes: new Map([['content', 'Pay 12 to Falkenberg.']]) },
      {
        name: 'gen_ai.choice',
        attributes: new Map<string, JsonValue>([
          ['index', 0],
          ['message', '{"tool_calls":[{"id":"1","type":"function","function":{"name":"erp_pay","arguments":"{\\"amount\\":12}"}}]}'],
        ]),
      },
    ],
  },
  {
    name: 'OpenInference',
    attributes: {
      'openinference.span.kind': 'chat',
      'llm.provider': 'openai',
      'llm.model_name': 'gpt-5',
      'llm.input_messages.0.message.role': 'system',
      'llm.input_messages.0.message.content': 'Be brief.',
      'llm.input_messages.1.message.role': 'user',
      'llm.input_messages.1.message.contents.0.message_content.type': 'text',
      'llm.input_messages.1.message.contents.0.message_content.text': 'Pay 12 to Falkenberg.',
      'llm.output_messages.0.message.role': 'assistant',
      'llm.output_messages.0.message.tool_calls.0.tool_call.function.name': 'erp_pay',
      'llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments': '{"amount":12}',
      'llm.token_count.prompt': 7,
      'llm.token_count.completion': 3,
      'llm.finish_reason': 'tool_call',
    },
  },
  {
    name: 'OpenLLMetry',
    attributes: {
      'traceloop.span.kind': 'chat',
      'gen_ai.system': 'openai',
      'gen_ai.response.model': 'gpt-5',
      'gen_ai.prompt.0.role': 'system',
      'gen_ai.prompt.0.content': 'Be brief.',
      'gen_ai.prompt.1.role': 'user',
      'gen_ai.prompt.1.content': 'Pay 12 to Falkenberg.',
      'gen_ai.completion.0.role': 'assistant',
      'gen_ai.completion.0.tool_calls.0.name': 'erp_pay',
      'gen_ai.completion.0.tool_calls.0.arguments': '{"amount":12}',
      'gen_ai.usage.prompt_tokens': 7,
      'gen_ai.usage.completion_tokens': 3,
      'gen_ai.response.finish_reasons': ['tool_call'],
    },
  },
  {
    name: 'AI SDK, as it was before',
    attributes: {
      'ai.operationId': 'chat',
      'ai.model.provider': 'openai',
      'ai.model.id': 'gpt-5',
      'ai.prompt.messages':
        '[{"role":"system","content":"Be brief."},{"role":"user","content":[{"type":"text","text":"Pay 12 to Falkenberg."}]}]',
      'ai.response.toolCalls': '[{"toolCallId":"1","toolName":"erp_pay","input":{"amount":12}}]',
      'ai.usage.inputTokens': 7,
      'ai.usage.outputTokens': 3,
      'ai.response.finishReason': 'tool_call',
    },
  },
]

describe('one conversation in every convention', () => {
  test.each(CONVENTIONS)('$name', ({ attributes, events }) => {
    expect(read({ ...attributes, 'http.url': 'https://a.example', 'user.id': '4' }, events)).toMatchObject({
      ...{ said: CONVERSATION, operation: 'chat', provider: 'openai', model: 'gpt-5', kind: 'client', leftOut: 2 },
      ...{ inputTokens: 7, outputTokens: 3, finishReasons: ['tool_call'], tool: null },
    })
  })
})

test.each([
  ['gen_ai.tool.name', 'gen_ai.tool.call.arguments', 'gen_ai.tool.call.result'],
  ['ai.toolCall.name', 'ai.toolCall.args', 'ai.toolCall.result'],
])('a tool that ran: %s', (name, given, result) => {
  expect(read({ [name]: 'erp_pay', [given]: { amount: 12 }, [result]: 'paid' })).toMatchObject({
    tool: { name: 'erp_pay', arguments: '{"amount":12}', result: 'paid' },
    said: [],
  })
})

test.each<readonly [string, JsonValue, readonly string[]]>([
  ['one text', 'go', ['input user: go']],
  ['what looks like JSON and is none', '[go', ['input user: [go']],
  [
    'the result of a tool, as parts',
    [{ role: 'tool', parts: [{ type: 'tool_call_response', id: 'use_1', result: { ok: true } }] }],
    ['input tool use_1: {"ok":true}'],
  ],
  ['the result of a tool, as OpenAI has it', [{ role: 'tool', tool_call_id: 'use_1', content: 'ok' }], ['input tool use_1: ok']],
  ['a picture', [{ role: 'user', content: [{ type: 'image', image: 'AAAA' }] }], ['input user: [image]']],
  ['thoughts', [{ role: 'assistant', parts: [{ type: 'reasoning', content: 'hm' }] }], ['input reasoning: hm']],
  ['nothing', [], []],
  ['null', null, []],
  ['a number', 7, ['input user: 7']],
  ['what nobody knows', [{ strange: 1 }], ['input user: {"strange":1}']],
  [
    'nested too deep to be read',
    `${'[{"message":'.repeat(40)}1${'}]'.repeat(40)}`,
    [`input user: ${'[{"message":'.repeat(40)}1${'}]'.repeat(40)}`],
  ],
])('messages: %s', (_name, value, expected) => {
  expect(read({ 'gen_ai.operation.name': 'chat', 'gen_ai.input.messages': value })?.said).toEqual(expected)
})

test('a span about no model says nothing', () => {
  expect(read({ 'http.request.method': 'GET', 'db.query.text': 'select 1' })).toBeUndefined()
})

test('names that objects have anyway are names like others', () => {
  const attributes = { 'llm.input_messages.0.__proto__.content': 'a', 'llm.input_messages.0.constructor.prototype.x': 'b' }
  expect(read(attributes)?.said).toHaveLength(1)
  expect(({} as Record<string, unknown>).content ?? ({} as Record<string, unknown>).x).toBeUndefined()
})
