/** A span of a call. Attribute values are ids, names, numbers and codes; never arguments, never secrets. */
export interface Span {
  /** W3C `traceparent` of this span, to send on. */
  readonly traceparent: string
  readonly traceId: string
  child(name: 'decision' | 'lookup' | 'upstream', attributes?: SpanAttributes): Span
  set(attributes: SpanAttributes): void
  end(error?: string): void
}

export type SpanAttributes = Readonly<Record<string, string | number | boolean>>

/** At most three spans a call (call, decision, upstream), and one for each lookup. */
export interface Telemetry {
  startCall(attributes: SpanAttributes, traceparent: string | undefined): Span
  count(
    name: 'calls' | 'refused' | 'policy_reload_failures' | 'follower_failures' | 'notices',
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
