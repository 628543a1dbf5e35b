import { Agent, MCPServerStreamableHttp, Runner, Usage } from '@openai/agents'
import type { AgentInputItem, Model, ModelRequest, ModelResponse } from '@openai/agents'
import { type Framework, Prompter } from './framework.ts'

const TURNS_MAX = 10

const heardIn = (input: string | AgentInputItem[]): string[] =>
  (typeof input === 'string' ? [] : input).flatMap((item) => (item.type === 'function_call_result' ? [textOf(item.output)] : []))

const textOf = (output: unknown): string => {
  if (typeof output === 'string') return output
  const parts = Array.isArray(output) ? output : [output]
  return parts.map((part: { text?: string }) => part.text ?? JSON.stringify(part)).join('\n')
}

class ScriptedModel implements Model {
  readonly #prompter: Prompter

  constructor(prompter: Prompter) {
    this.#prompter = prompter
  }

  async getResponse({ tools, input }: ModelRequest): Promise<ModelResponse> {
    const call = await this.#prompter.next(
      tools.flatMap((tool) => ('name' in tool ? [tool.name] : [])),
      heardIn(input),
    )
    const output: ModelResponse['output'] = call
      ? [{ type: 'function_call', callId: call.id, name: call.name, arguments: JSON.stringify(call.args), status: 'completed' }]
      : [{ type: 'message', role: 'assistant', status: 'completed', content: [{ type: 'output_text', text: 'done' }] }]
    return { usage: new Usage(), output }
  }

  getStreamedResponse(): never {
    throw new Error('these runs are not streamed')
  }
}

/** The OpenAI Agents SDK with its MCP server over Streamable HTTP. */
export const openaiAgents: Framework = {
  name: 'OpenAI Agents',
  async play({ url, token, script, toolTimeoutMs }) {
    const server = new MCPServerStreamableHttp({
      name: 'gatehouse',
      url: `${url}/mcp`,
      requestInit: { headers: { authorization: `Bearer ${token}` } },
      ...(toolTimeoutMs === undefined ? {} : { timeout: toolTimeoutMs }),
    })
    await server.connect()
    const prompter = new Prompter(script)
    try {
      const agent = new Agent({ name: 'scripted', model: new ScriptedModel(prompter), mcpServers: [server] })
      await new Runner({ tracingDisabled: true }).run(agent, 'go', { maxTurns: TURNS_MAX })
      return prompter.played
    } finally {
      await server.close()
    }
  },
}
