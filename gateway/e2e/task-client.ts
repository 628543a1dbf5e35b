import { setTimeout as pause } from 'node:timers/promises'
import { type Ask, type Door, McpClient, messageOf } from './doors.ts'
import type { Bed } from './harness.ts'
import { type Heard, heardMcp } from './heard.ts'
import { type Fields, fields } from './send.ts'

const DECLARED = { 'io.modelcontextprotocol/clientCapabilities': { extensions: { 'io.modelcontextprotocol/tasks': {} } } }
/** Of our own: a test does not wait for as long as a client is asked to. */
const POLL_MS = 50

/** A client of MCP that takes tasks for answers, and hears of their end what tools/call would have told. */
export class TaskClient implements Pick<Door, 'call' | 'after'> {
  readonly #mcp: McpClient

  constructor(bed: Bed) {
    this.#mcp = new McpClient('mcp', bed)
  }

  async call(ask: Ask): Promise<Heard> {
    const meta = Object.fromEntries(Object.entries(ask.says ?? {}).map(([key, value]) => [`gatehouse/${key}`, value]))
    const params = { name: ask.operation.replace('.', '_'), arguments: ask.input, _meta: { ...DECLARED, ...meta } }
    const reply = await this.#mcp.rpc(ask, 'tools/call', params)
    const { resultType, taskId } = fields(fields(messageOf(reply)).result)
    if (resultType !== 'task') return heardMcp(reply, messageOf(reply))
    return { code: 'HELD', callId: String(taskId), pointers: [], reply }
  }

  async after(ask: Ask, callId: string): Promise<Heard> {
    for (;;) {
      const reply = await this.#mcp.rpc(ask, 'tasks/get', { taskId: callId, _meta: DECLARED })
      const task = fields(fields(messageOf(reply)).result)
      if (task.status === 'cancelled') return { code: 'CANCELLED', callId, pointers: [], reply }
      if (task.status !== 'working') return heardMcp(reply, { result: task.result })
      await pause(POLL_MS)
    }
  }

  /** The result, or the error, of one request about a task. */
  async ask(ask: Pick<Ask, 'agent' | 'subject'>, method: string, params: Fields): Promise<Fields> {
    return fields(messageOf(await this.#mcp.rpc(ask, method, { ...params, _meta: DECLARED })))
  }
}
