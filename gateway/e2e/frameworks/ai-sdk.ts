import { createMCPClient } from '@ai-sdk/mcp'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { generateText, isStepCount, streamText } from 'ai'
import { convertArrayToReadableStream, MockLanguageModelV4 } from 'ai/test'
import { type Framework, type Play, type Played, Prompter } from './framework.ts'

type Generate = MockLanguageModelV4['doGenerate']
type Options = Parameters<Generate>[0]
type Generated = Awaited<ReturnType<Generate>>
type Transport = Parameters<typeof createMCPClient>[0]['transport']

const USAGE: Generated['usage'] = {
  inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 1, text: 1, reasoning: 0 },
}
const STEPS_MAX = 10

const heardIn = (prompt: Options['prompt']): string[] =>
  prompt
    .flatMap((message) => (message.role === 'tool' ? message.content : []))
    .flatMap((part) => (part.type === 'tool-result' ? [textOf(part.output)] : []))

function textOf(output: { type: string; value?: unknown }): string {
  const { type, value } = output
  if (type === 'content' && Array.isArray(value)) return value.map((part: { text?: string }) => part.text ?? '').join('\n')
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** A model of the current specification that follows the script, streamed or whole. */
function scriptedModel(prompter: Prompter): MockLanguageModelV4 {
  const generate = async ({ prompt, tools = [] }: Options): Promise<Generated> => {
    const call = await prompter.next(
      tools.map((tool) => tool.name),
      heardIn(prompt),
    )
    const content: Generated['content'] = call
      ? [{ type: 'tool-call', toolCallId: call.id, toolName: call.name, input: JSON.stringify(call.args) }]
      : [{ type: 'text', text: 'done' }]
    return { content, finishReason: { unified: call ? 'tool-calls' : 'stop', raw: undefined }, usage: USAGE, warnings: [] }
  }
  return new MockLanguageModelV4({
    doGenerate: generate,
    async doStream(options) {
      const { content, finishReason, usage } = await generate(options)
      const calls = content.filter((part) => part.type === 'tool-call')
      return {
        stream: convertArrayToReadableStream([{ type: 'stream-start', warnings: [] }, ...calls, { type: 'finish', finishReason, usage }]),
      }
    },
  })
}

async function play({ script, toolTimeoutMs }: Play, transport: Transport, streamed: boolean): Promise<Played> {
  const client = await createMCPClient({ transport })
  const prompter = new Prompter(script)
  try {
    const options = {
      model: scriptedModel(prompter),
      tools: await client.tools(),
      stopWhen: isStepCount(STEPS_MAX),
      prompt: 'go',
      telemetry: { isEnabled: false },
      ...(toolTimeoutMs === undefined ? {} : { timeout: { toolMs: toolTimeoutMs } }),
    }
    if (streamed) await streamText(options).consumeStream()
    else await generateText(options)
    return prompter.played
  } finally {
    await client.close()
  }
}

/** The Vercel AI SDK with its own HTTP transport: the stateless revision 2026-07-28. */
export const aiSdk: Framework = {
  name: 'AI SDK, generateText',
  play: (run) => play(run, { type: 'http', url: `${run.url}/mcp`, headers: { authorization: `Bearer ${run.token}` } }, false),
}

/** The Vercel AI SDK streaming, over the official SDK's transport: a session of revision 2025-11-25. */
export const aiSdkStreaming: Framework = {
  name: 'AI SDK, streamText over the official transport',
  play: (run) => play(run, officialTransport(run), true),
}

// The declared types of this version do not satisfy exactOptionalPropertyTypes.
const officialTransport = ({ url, token }: Play): Transport =>
  new StreamableHTTPClientTransport(new URL(`${url}/mcp`), { requestInit: { headers: { authorization: `Bearer ${token}` } } }) as Transport
