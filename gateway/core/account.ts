import type { Instant } from './clock.ts'

export const ACCOUNT_SPAN_KINDS = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'] as const
export const ACCOUNT_SPAN_STATUSES = ['unset', 'ok', 'error'] as const

/** One thing that was said to a model, or that it said. */
export interface AccountMessage {
  /** `input` is what the model was given, `output` what it answered. */
  side: 'input' | 'output'
  /** `system`, `user`, `assistant`, `tool`, or what else the framework calls it. */
  role: string
  text: string
  /** The tool that the model asks for, whose arguments are the text, or whose result it is given; null for words. */
  tool: string | null
}

/** A tool that the agent's framework ran. */
export interface AccountTool {
  name: string | null
  arguments: string | null
  result: string | null
}

/** What a span says of an agent's reasoning. All of it is the agent's word, its times too. */
export interface AccountSpan {
  /** 16 lower-case hexadecimal digits. */
  id: string
  parent: string | null
  name: string
  kind: (typeof ACCOUNT_SPAN_KINDS)[number]
  startedAt: Instant
  endedAt: Instant
  status: (typeof ACCOUNT_SPAN_STATUSES)[number]
  error: string | null
  /** What it did, such as `chat` or `execute_tool`. */
  operation: string | null
  provider: string | null
  model: string | null
  /** As the framework names the agent. */
  agent: string | null
  messages: readonly AccountMessage[]
  tool: AccountTool | null
  inputTokens: number | null
  outputTokens: number | null
  finishReasons: readonly string[]
}

/** What a `view` of an account says: who reads it has not seen the call's arguments. */
export const ACCOUNT_LOOK = 'account'

/** What was sent and is not kept. */
export interface AccountDropped {
  /** Spans beyond what an account holds. */
  spans: number
  /** Attributes and events that say nothing of what a model was asked and answered. */
  attributes: number
  /** Texts that were cut short or left out for their length. */
  texts: number
}

export const NOTHING_DROPPED: AccountDropped = Object.freeze({ spans: 0, attributes: 0, texts: 0 })

export const droppedTogether = (all: readonly AccountDropped[]): AccountDropped =>
  all.reduce(
    (sum, { spans, attributes, texts }) => ({
      spans: sum.spans + spans,
      attributes: sum.attributes + attributes,
      texts: sum.texts + texts,
    }),
    NOTHING_DROPPED,
  )

/** Whose account of which trace. */
export interface AccountOf {
  /** 32 lower-case hexadecimal digits. */
  traceId: string
  agent: string
  subject: string | null
}

/** All that an agent told of a trace, for one subject: its own account, which nobody has verified. */
export interface Account {
  /** Without those that were told twice, in the order in which they began. */
  spans: readonly AccountSpan[]
  dropped: AccountDropped
  /** What detectors found and is masked. */
  masked: readonly string[]
  /** Some or all of it was erased. */
  erased: boolean
}

/** What changes a text: a name is short, such as that of a model or a role, words are all else. */
export type TextChange = (text: string, what: 'name' | 'words') => Promise<string>

/** Every text of a span, each replaced by what `change` makes of it. */
export async function withTexts(span: AccountSpan, change: TextChange): Promise<AccountSpan> {
  const named = async (text: string | null): Promise<string | null> => (text === null ? null : await change(text, 'name'))
  const worded = async (text: string | null): Promise<string | null> => (text === null ? null : await change(text, 'words'))
  const { tool } = span
  const messages: AccountMessage[] = []
  for (const message of span.messages)
    messages.push({
      ...message,
      role: await change(message.role, 'name'),
      text: await change(message.text, 'words'),
      tool: await named(message.tool),
    })
  const finishReasons: string[] = []
  for (const reason of span.finishReasons) finishReasons.push(await change(reason, 'name'))
  return {
    ...span,
    name: await change(span.name, 'name'),
    error: await worded(span.error),
    operation: await named(span.operation),
    provider: await named(span.provider),
    model: await named(span.model),
    agent: await named(span.agent),
    messages,
    finishReasons,
    tool: tool && { name: await named(tool.name), arguments: await worded(tool.arguments), result: await worded(tool.result) },
  }
}

/** How many characters of text a span has. */
export function charsOf({ name, error, messages, tool }: AccountSpan): number {
  const told = messages.reduce((sum, { role, text }) => sum + role.length + text.length, 0)
  return name.length + (error?.length ?? 0) + told + (tool?.arguments?.length ?? 0) + (tool?.result?.length ?? 0)
}

/**
 * Frameworks repeat the whole conversation with every question, and once more in the span around all of them. What a span says that one which ended before
 * it has said already is left out. In the order in which they began,
 * those that took longer first.
 */
export function withoutRepeats(spans: readonly AccountSpan[]): readonly AccountSpan[] {
  const said = new Set<string>()
  return [...spans]
    .sort((a, b) => a.endedAt - b.endedAt)
    .map((span) => {
      const messages = span.messages.filter(({ role, text, tool }) => {
        const key = JSON.stringify([role, text, tool])
        const isNew = !said.has(key)
        said.add(key)
        return isNew
      })
      return { ...span, messages }
    })
    .sort((a, b) => a.startedAt - b.startedAt || b.endedAt - a.endedAt)
}
