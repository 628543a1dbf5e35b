import { ACCOUNT_SPAN_KINDS, ACCOUNT_SPAN_STATUSES, type AccountMessage, type AccountSpan } from '../../core/account.ts'
import { instant } from '../../core/clock.ts'
import type { JsonObject, JsonValue } from '../../core/json.ts'
import { LIMITS } from '../../limits.ts'
import { messagesIn, unwrapped } from './chat-messages.ts'
import type { Attributes, SentSpan } from './spans.ts'

/** A span that says something of a model, and how many attributes and events of it say nothing. */
export interface ReadSpan {
  traceId: string
  span: AccountSpan
  leftOut: number
}

/** OpenTelemetry GenAI, AI SDK, OpenInference and OpenLLMetry. */
const ABOUT_MODELS = /^(?:gen_ai|ai|llm|openinference|traceloop)\./

/** Names of the same thing, those of the GenAI conventions first. */
const NAMES = {
  operation: ['gen_ai.operation.name', 'openinference.span.kind', 'traceloop.span.kind', 'ai.operationId'],
  provider: ['gen_ai.provider.name', 'gen_ai.system', 'llm.provider', 'llm.system', 'ai.model.provider'],
  model: ['gen_ai.response.model', 'gen_ai.request.model', 'llm.model_name', 'ai.response.model', 'ai.model.id'],
  agent: ['gen_ai.agent.name', 'agent.name', 'ai.telemetry.functionId'],
  inputTokens: [
    'gen_ai.usage.input_tokens',
    'gen_ai.usage.prompt_tokens',
    'llm.token_count.prompt',
    'ai.usage.inputTokens',
    'ai.usage.promptTokens',
  ],
  outputTokens: [
    ...['gen_ai.usage.output_tokens', 'gen_ai.usage.completion_tokens', 'llm.token_count.completion'],
    ...['ai.usage.outputTokens', 'ai.usage.completionTokens'],
  ],
  finishReasons: ['gen_ai.response.finish_reasons', 'llm.finish_reason', 'ai.response.finishReason'],
  toolName: ['gen_ai.tool.name', 'tool.name', 'ai.toolCall.name'],
  toolArguments: ['gen_ai.tool.call.arguments', 'tool.parameters', 'ai.toolCall.args'],
  toolResult: ['gen_ai.tool.call.result', 'ai.toolCall.result'],
  error: ['error.type', 'exception.message'],
} as const

/** Where what was said stands, in the order in which it is told: the first of a row that is there. */
const SAID: readonly { side: AccountMessage['side']; role: string; names: readonly string[] }[] = [
  { side: 'input', role: 'system', names: ['gen_ai.system_instructions'] },
  { side: 'input', role: 'user', names: ['gen_ai.input.messages', 'ai.prompt.messages', 'ai.prompt', 'gen_ai.prompt'] },
  { side: 'output', role: 'assistant', names: ['gen_ai.output.messages', 'ai.response.text', 'ai.response.object', 'gen_ai.completion'] },
  { side: 'output', role: 'assistant', names: ['ai.response.toolCalls'] },
]

/** Lists whose members stand in attributes of their own: `llm.input_messages.0.message.content`. */
const LISTS: readonly { side: AccountMessage['side']; role: string; prefix: string }[] = [
  { side: 'input', role: 'user', prefix: 'llm.input_messages' },
  { side: 'input', role: 'user', prefix: 'gen_ai.prompt' },
  { side: 'output', role: 'assistant', prefix: 'llm.output_messages' },
  { side: 'output', role: 'assistant', prefix: 'gen_ai.completion' },
]

/** What chains and tools are given and answer, in spans that say it in no other way. */
const WHOLE = [
  { side: 'input', role: 'input', names: ['input.value', 'traceloop.entity.input'] },
  { side: 'output', role: 'output', names: ['output.value', 'traceloop.entity.output'] },
] as const

const EVENT_ROLES: Readonly<Record<string, string>> = {
  'gen_ai.system.message': 'system',
  'gen_ai.user.message': 'user',
  'gen_ai.assistant.message': 'assistant',
  'gen_ai.tool.message': 'tool',
  'gen_ai.choice': 'assistant',
  'gen_ai.content.prompt': 'user',
  'gen_ai.content.completion': 'assistant',
}
const ANSWERS: ReadonlySet<string> = new Set(['gen_ai.choice', 'gen_ai.content.completion'])

/** What a span says of a model or a tool; undefined where it says nothing of either. */
export function readSpan(sent: SentSpan): ReadSpan | undefined {
  const { attributes, events } = sent
  const isAbout = [...attributes.keys(), ...events.map(({ name }) => name)].some((name) => ABOUT_MODELS.test(name))
  if (!isAbout) return undefined
  const reader = new Reader(attributes)
  const toolName = reader.text('toolName')
  const tool = { name: toolName, arguments: reader.text('toolArguments'), result: reader.text('toolResult') }
  const messages = [...reader.said(), ...events.flatMap((event) => reader.event(event))]
  const all = messages.length > 0 || tool.arguments !== null || tool.result !== null ? messages : reader.whole()
  const told = all.slice(-LIMITS.accountMessagesPerSpanMax)
  const { spanId, parentSpanId, name, startedAt, endedAt, status, kind } = sent
  const span: AccountSpan = {
    ...{ id: spanId, parent: parentSpanId, name, startedAt: instant(startedAt), endedAt: instant(endedAt) },
    kind: ACCOUNT_SPAN_KINDS[kind] ?? 'unspecified',
    status: ACCOUNT_SPAN_STATUSES[status.code] ?? 'unset',
    error: status.message || reader.text('error') || null,
    ...{ operation: reader.text('operation'), provider: reader.text('provider'), model: reader.text('model'), agent: reader.text('agent') },
    messages: told,
    tool: toolName === null && tool.arguments === null && tool.result === null ? null : tool,
    ...{ inputTokens: reader.count('inputTokens'), outputTokens: reader.count('outputTokens'), finishReasons: reader.finishReasons() },
  }
  return {
    traceId: sent.traceId,
    span,
    leftOut: sent.leftOut + reader.unread + events.length - reader.eventsRead + all.length - told.length,
  }
}

type Name = keyof typeof NAMES

/** Reads attributes, and keeps count of those that were read. */
class Reader {
  readonly #attributes: Attributes
  readonly #read = new Set<string>()
  eventsRead = 0

  constructor(attributes: Attributes) {
    this.#attributes = attributes
  }

  get unread(): number {
    return this.#attributes.size - this.#read.size
  }

  /** The first of these that is there. All of them count as read: the others say the same. */
  #first(names: readonly string[]): JsonValue | undefined {
    let found: JsonValue | undefined
    for (const name of names) {
      const value = this.#attributes.get(name)
      if (value === undefined || value === null) continue
      this.#read.add(name)
      found ??= value
    }
    return found
  }

  text(name: Name): string | null {
    const value = this.#first(NAMES[name])
    return value === undefined ? null : typeof value === 'string' ? value : JSON.stringify(value)
  }

  count(name: Name): number | null {
    const value = Number(this.#first(NAMES[name]) ?? Number.NaN)
    return Number.isSafeInteger(value) && value >= 0 ? value : null
  }

  finishReasons(): readonly string[] {
    const value = unwrapped(this.#first(NAMES.finishReasons) ?? [])
    return (Array.isArray(value) ? value : [value]).filter((reason) => typeof reason === 'string')
  }

  said(): AccountMessage[] {
    const plain = SAID.map(({ side, role, names }) => ({ side, messages: messagesIn(this.#first(names) ?? [], side, role) }))
    const listed = LISTS.map(({ side, role, prefix }) => ({ side, messages: messagesIn(this.#list(prefix), side, role) }))
    const all = [...plain, ...listed]
    return (['input', 'output'] as const).flatMap((of) => all.flatMap(({ side, messages }) => (side === of ? messages : [])))
  }

  whole(): AccountMessage[] {
    return WHOLE.flatMap(({ side, role, names }) => {
      const value = this.#first(names)
      return value === undefined ? [] : [{ side, role, text: typeof value === 'string' ? value : JSON.stringify(value), tool: null }]
    })
  }

  event({ name, attributes }: SentSpan['events'][number]): AccountMessage[] {
    const role = EVENT_ROLES[name]
    if (role === undefined && name !== 'gen_ai.client.inference.operation.details') return []
    this.eventsRead += 1
    const inner = new Reader(attributes)
    if (role === undefined) return inner.said()
    const side = ANSWERS.has(name) ? 'output' : 'input'
    const body = attributes.get('gen_ai.event.content') ?? attributes.get('gen_ai.prompt') ?? attributes.get('gen_ai.completion')
    if (body !== undefined) return messagesIn(body, side, role)
    const own = [...attributes].filter(([key]) => !key.startsWith('gen_ai.'))
    return messagesIn(Object.fromEntries(own.map(([key, value]) => [key, unwrapped(value)])), side, role)
  }

  /** A list of objects from the attributes that begin with `prefix.N.`; the order is that of the numbers. */
  #list(prefix: string): JsonValue[] {
    const items = new Map<number, JsonObject>()
    for (const [name, value] of this.#attributes) {
      if (!name.startsWith(`${prefix}.`)) continue
      const [index = '', ...path] = name.slice(prefix.length + 1).split('.')
      if (!/^\d{1,4}$/.test(index) || path.length === 0) continue
      this.#read.add(name)
      const item = items.get(Number(index)) ?? {}
      items.set(Number(index), item)
      place(item, path, value)
    }
    return inOrder(items)
  }
}

const PATH_MAX = 8

/** Puts a value where its path says: members with numbers for names are lists afterwards. */
function place(object: JsonObject, path: readonly string[], value: JsonValue): void {
  let at = object
  for (const step of path.slice(0, Math.min(path.length, PATH_MAX) - 1)) {
    const known = Object.hasOwn(at, step) ? at[step] : undefined
    const next: JsonObject = typeof known === 'object' && known !== null && !Array.isArray(known) ? known : {}
    Object.defineProperty(at, step, { value: next, enumerable: true, writable: true, configurable: true })
    at = next
  }
  Object.defineProperty(at, path.at(-1) ?? '', { value, enumerable: true, writable: true, configurable: true })
}

const inOrder = (items: ReadonlyMap<number, JsonObject>): JsonValue[] =>
  [...items].sort(([a], [b]) => a - b).map(([, item]) => withLists(item))

function withLists(value: JsonValue): JsonValue {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const members = Object.entries(value).map(([name, member]) => [name, withLists(member)] as const)
  const isList = members.length > 0 && members.every(([name]) => /^\d{1,4}$/.test(name))
  return isList ? members.map(([, member]) => member) : Object.fromEntries(members)
}
