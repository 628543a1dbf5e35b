import type { JsonObject, JsonValue } from '../core/json.ts'
import type { Operation } from '../core/operation.ts'

/** What `whoami` answers. */
export interface Whoami {
  name: string
  owner: string
  roles: readonly string[]
  subject: string | null
}

/** What `call(id)` answers. Times are ISO 8601, UTC. */
export interface CallView {
  id: string
  state: string
  operation: string
  createdAt: string
  expiresAt: string | null
  result: JsonValue
  /** Places in `result` that are null because this agent may not read them: pointers, `*` for items, empty for the whole of it. */
  masked: readonly string[]
  error: { code: string; message: string; advice: string | null } | null
  upstreamStatus: number | null
  /** What people changed in the arguments, against what the agent sent. */
  edited: JsonValue
}

/** What one answer may still hold; resolvers count it down. Below zero: values become null, and no more errors are added. */
export interface AnswerBudget {
  charsLeft: number
  errorsLeft: number
}

/** All that resolvers reach: the use cases of one request. A rejection becomes that field's error. */
export interface AgentContext {
  readonly budget: AnswerBudget
  /**
   * Runs what was admitted for this response key, once, and gives the upstream's answer as JSON. The arguments are those that were judged: the door
   * reads them from the document before it runs, by `BoundOperation`.
   */
  invoke(operation: Operation, responseKey: string): Promise<JsonValue>
  whoami(): Whoami
  call(id: string, waitSeconds: number | undefined): Promise<CallView>
}

/** What a view's governed root fields carry in `extensions.bound`: the operation, and how its coerced arguments become its input. */
export interface BoundOperation {
  operation: Operation
  toInput: (args: Readonly<Record<string, unknown>>) => JsonObject
}
