import { BaseChatModel } from '@langchain/core/language_models/chat_models'
import type { BindToolsInput } from '@langchain/core/language_models/chat_models'
import { AIMessage, ToolMessage } from '@langchain/core/messages'
import type { BaseMessage } from '@langchain/core/messages'
import type { ChatResult } from '@langchain/core/outputs'
import { MultiServerMCPClient } from '@langchain/mcp-adapters'
import { createAgent } from 'langchain'
import { type Framework, Prompter } from './framework.ts'

class ScriptedChatModel extends BaseChatModel {
  readonly #prompter: Prompter
  readonly #tools: readonly string[]

  constructor(prompter: Prompter, tools: readonly string[] = []) {
    super({})
    this.#prompter = prompter
    this.#tools = tools
  }

  override _llmType(): string {
    return 'scripted'
  }

  override bindTools(tools: BindToolsInput[]): ScriptedChatModel {
    return new ScriptedChatModel(
      this.#prompter,
      tools.map((tool) => ('name' in tool ? String(tool.name) : '')),
    )
  }

  override async _generate(messages: BaseMessage[]): Promise<ChatResult> {
    const heard = messages.filter((message) => ToolMessage.isInstance(message)).map((message) => message.text)
    const call = await this.#prompter.next(this.#tools, heard)
    const message = new AIMessage(call ? { content: '', tool_calls: [{ ...call, type: 'tool_call' }] } : 'done')
    return { generations: [{ text: '', message }] }
  }
}

/** LangChain's agent on LangGraph with the tools of its MCP adapters: a session of revision 2025-11-25. */
export const langchain: Framework = {
  name: 'LangChain',
  async play({ url, token, script, toolTimeoutMs }) {
    const client = new MultiServerMCPClient({
      ...(toolTimeoutMs === undefined ? {} : { defaultToolTimeout: toolTimeoutMs }),
      mcpServers: {
        gatehouse: { transport: 'http', url: `${url}/mcp`, headers: { authorization: `Bearer ${token}` }, automaticSSEFallback: false },
      },
    })
    const prompter = new Prompter(script)
    try {
      const agent = createAgent({ model: new ScriptedChatModel(prompter), tools: await client.getTools() })
      await agent.invoke({ messages: [{ role: 'user', content: 'go' }] })
      return prompter.played
    } finally {
      await client.close()
    }
  },
}
