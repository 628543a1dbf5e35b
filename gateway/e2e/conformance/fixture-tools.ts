import { setTimeout } from 'node:timers/promises'
import type { RequestHandlerExtra } from '@modelcontextprotocol/sdk/shared/protocol.js'
import {
  type CallToolResult,
  CreateMessageResultSchema,
  ElicitResultSchema,
  type ServerNotification,
  type ServerRequest,
} from '@modelcontextprotocol/sdk/types.js'

type Extra = RequestHandlerExtra<ServerRequest, ServerNotification>

/** A tool as the conformance suite describes it in its scenarios. */
export interface FixtureTool {
  name: string
  description: string
  inputSchema: { type: 'object'; [member: string]: unknown }
  run(args: Record<string, unknown>, extra: Extra): CallToolResult | Promise<CallToolResult>
}

/** One transparent pixel, and a wave without samples. */
const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=='
const WAV = 'UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA='

const NOTHING = { type: 'object', properties: {} } as const
const text = (value: string): CallToolResult => ({ content: [{ type: 'text', text: value }] })

function plain(name: string, result: CallToolResult): FixtureTool {
  return { name, description: `answers ${name}`, inputSchema: NOTHING, run: () => result }
}

const SCHEMA_2020_12: FixtureTool['inputSchema'] = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  $defs: { address: { type: 'object', properties: { street: { type: 'string' }, city: { type: 'string' } } } },
  properties: { name: { type: 'string' }, address: { $ref: '#/$defs/address' } },
  additionalProperties: false,
}

const ACCOUNT = {
  type: 'object',
  properties: { username: { type: 'string' }, email: { type: 'string' } },
  required: ['username', 'email'],
} as const
const one = (name: string): FixtureTool['inputSchema'] => ({ type: 'object', properties: { [name]: { type: 'string' } }, required: [name] })

export const TOOLS: readonly FixtureTool[] = [
  plain('test_simple_text', text('This is a simple text response for testing.')),
  plain('test_image_content', { content: [{ type: 'image', data: PNG, mimeType: 'image/png' }] }),
  plain('test_audio_content', { content: [{ type: 'audio', data: WAV, mimeType: 'audio/wav' }] }),
  plain('test_embedded_resource', {
    content: [
      {
        type: 'resource',
        resource: { uri: 'test://embedded-resource', mimeType: 'text/plain', text: 'This is an embedded resource content.' },
      },
    ],
  }),
  plain('test_multiple_content_types', {
    content: [
      { type: 'text', text: 'Multiple content types test:' },
      { type: 'image', data: PNG, mimeType: 'image/png' },
      {
        type: 'resource',
        resource: { uri: 'test://mixed-content-resource', mimeType: 'application/json', text: '{"test":"data","value":123}' },
      },
    ],
  }),
  plain('test_error_handling', { isError: true, ...text('This tool intentionally returns an error for testing') }),
  { ...plain('json_schema_2020_12_tool', text('ok')), inputSchema: SCHEMA_2020_12 },
  {
    ...plain('test_tool_with_progress', text('done')),
    async run(_args, { _meta, sendNotification }) {
      const { progressToken } = _meta ?? {}
      for (const progress of progressToken === undefined ? [] : [0, 50, 100])
        await sendNotification({ method: 'notifications/progress', params: { progressToken: progressToken ?? '', progress, total: 100 } })
      return text('done')
    },
  },
  {
    ...plain('test_tool_with_logging', text('done')),
    async run(_args, { sendNotification }) {
      for (const data of ['Tool execution started', 'Tool processing data', 'Tool execution completed'])
        await sendNotification({ method: 'notifications/message', params: { level: 'info', data } })
      return text('done')
    },
  },
  {
    ...plain('test_reconnection', text('')),
    async run(_args, { closeSSEStream }) {
      closeSSEStream?.()
      await setTimeout(100)
      return text(closeSSEStream ? 'answered after the stream was closed' : 'answered in one stream')
    },
  },
  {
    ...plain('test_sampling', text('')),
    inputSchema: one('prompt'),
    async run({ prompt }, { sendRequest }) {
      const messages = [{ role: 'user' as const, content: { type: 'text' as const, text: String(prompt) } }]
      const { content } = await sendRequest(
        { method: 'sampling/createMessage', params: { messages, maxTokens: 100 } },
        CreateMessageResultSchema,
      )
      return text(`LLM response: ${JSON.stringify(content)}`)
    },
  },
  {
    ...plain('test_elicitation', text('')),
    inputSchema: one('message'),
    async run({ message }, { sendRequest }) {
      const params = { message: String(message), requestedSchema: ACCOUNT }
      const answer = await sendRequest(
        { method: 'elicitation/create', params: { ...params, requestedSchema: { ...ACCOUNT, required: ['username', 'email'] } } },
        ElicitResultSchema,
      )
      return text(`User response: ${JSON.stringify(answer)}`)
    },
  },
]
