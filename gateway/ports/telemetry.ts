const CALL_ID = { 'gatehouse.call': 'Id of the call' } as const
const OPERATION = { 'gatehouse.operation': '`connector.operation`' } as const

/** All spans there are, and all that they say. A name that is not here does not compile. */
export const SPANS = {
  call: {
    kind: 'server',
    says: 'A call from its arrival to its answer, or to its hold. What happens to a held call later (deciding it again, its execution) is a `call` of its own, in the same trace where it goes on',
    attributes: {
      ...CALL_ID,
      ...OPERATION,
      'gatehouse.door': '`graphql`, `mcp` or `http`; absent where a held call goes on',
      'gatehouse.release': '`true` where a held call goes on after its approval',
      'gatehouse.outcome': 'How it was answered, as in `gatehouse_calls_total`; absent where a held call goes on',
    },
  },
  decision: {
    kind: 'internal',
    says: 'The decision of policy. It is made again where policies change before it is recorded',
    attributes: {
      'gatehouse.decision': '`permit`, `hold` or `deny`',
      'gatehouse.policies': 'Ids of the policies that determined it, with commas between',
    },
  },
  lookup: { kind: 'client', says: 'A question to a system that policy needs an answer to', attributes: OPERATION },
  upstream: {
    kind: 'client',
    says: 'The one execution of the call by its system',
    attributes: {
      ...OPERATION,
      'gatehouse.outcome': '`completed`, `failed`, `not_sent` or `in_doubt`',
      'http.response.status_code': 'Status of the answer, where one came',
      'error.type': 'Error code, where there is an error',
    },
  },
} as const satisfies Record<string, { kind: 'server' | 'internal' | 'client'; says: string; attributes: Readonly<Record<string, string>> }>

export type SpanName = keyof typeof SPANS
type AttributeName = { [N in SpanName]: keyof (typeof SPANS)[N]['attributes'] }[SpanName]

/** Ids, names, numbers and codes; never arguments, never secrets. */
export type SpanAttributes = Readonly<Partial<Record<AttributeName, string | number | boolean>>>

/** A span of a call. */
export interface Span {
  /** W3C `traceparent` of this span, to send on. */
  readonly traceparent: string
  readonly traceId: string
  child(name: Exclude<SpanName, 'call'>, attributes?: SpanAttributes): Span
  set(attributes: SpanAttributes): void
  /** With a code where it ends in an error: it becomes `error.type` and the status of the span. */
  end(error?: string): void
}

/** At most three spans a call (call, decision, upstream), one for each lookup, and one for each decision that is made again. */
export interface Telemetry {
  startCall(attributes: SpanAttributes, traceparent: string | undefined): Span
  count(
    name: 'calls' | 'refused' | 'policy_reload_failures' | 'follower_failures' | 'notices' | 'witness_refusals' | 'record_altered',
    labels: Readonly<Record<string, string>>,
  ): void
  observe(name: 'call_seconds' | 'upstream_seconds', seconds: number, labels: Readonly<Record<string, string>>): void
  log: Log
}

export interface Log {
  info(fields: Readonly<Record<string, unknown>>, message: string): void
  warn(fields: Readonly<Record<string, unknown>>, message: string): void
  error(fields: Readonly<Record<string, unknown>>, message: string): void
}
