import type { Attributes, Span as SdkSpan, Tracer } from '@opentelemetry/api'
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { LIMITS } from '../limits.ts'
import { type Span, type SpanAttributes, type SpanName, SPANS } from '../ports/telemetry.ts'
import { isSecretName, scrub } from './redact.ts'
import { newSpanId, newTraceId, readTraceparent, writeTraceparent } from './trace-ids.ts'

export type StartSpan = (attributes: SpanAttributes, traceparent: string | undefined) => Span

/** A span that nobody exports: it has its place in the trace and nothing else. Its id is made when somebody asks. */
class BareSpan implements Span {
  #spanId = ''
  readonly #flags: number

  constructor(
    readonly traceId: string,
    flags: number,
  ) {
    this.#flags = flags
  }

  get traceparent(): string {
    if (this.#spanId === '') this.#spanId = newSpanId()
    return writeTraceparent(this.traceId, this.#spanId, this.#flags)
  }

  child(): Span {
    return new BareSpan(this.traceId, this.#flags)
  }

  set(): void {}

  end(): void {}
}

/** Spans without an exporter. A caller's sampled flag is passed on as it came; traces that begin here are not sampled. */
export const startBareSpan: StartSpan = (_attributes, traceparent) => {
  const parent = readTraceparent(traceparent)
  return parent ? new BareSpan(parent.traceId, parent.flags) : new BareSpan(newTraceId(), 0)
}

function exportable(attributes: SpanAttributes): Attributes {
  const out: Record<string, string | number | boolean> = {}
  for (const [name, value] of Object.entries(attributes)) {
    if (isSecretName(name)) continue
    out[name] = typeof value === 'string' ? scrub(value.slice(0, LIMITS.spanAttributeCharsMax)) : value
  }
  return out
}

const KINDS = { server: SpanKind.SERVER, internal: SpanKind.INTERNAL, client: SpanKind.CLIENT } as const

class ExportedSpan implements Span {
  readonly #tracer: Tracer
  readonly #span: SdkSpan

  constructor(tracer: Tracer, span: SdkSpan) {
    this.#tracer = tracer
    this.#span = span
  }

  get traceId(): string {
    return this.#span.spanContext().traceId
  }

  get traceparent(): string {
    const { traceId, spanId, traceFlags } = this.#span.spanContext()
    return writeTraceparent(traceId, spanId, traceFlags)
  }

  child(name: Exclude<SpanName, 'call'>, attributes: SpanAttributes = {}): Span {
    const options = { kind: KINDS[SPANS[name].kind], attributes: this.#span.isRecording() ? exportable(attributes) : {} }
    return new ExportedSpan(this.#tracer, this.#tracer.startSpan(name, options, trace.setSpan(ROOT_CONTEXT, this.#span)))
  }

  set(attributes: SpanAttributes): void {
    if (this.#span.isRecording()) this.#span.setAttributes(exportable(attributes))
  }

  end(error?: string): void {
    if (error !== undefined && this.#span.isRecording()) {
      const code = scrub(error.slice(0, LIMITS.spanAttributeCharsMax))
      this.#span.setStatus({ code: SpanStatusCode.ERROR, message: code })
      this.#span.setAttribute('error.type', code)
    }
    this.#span.end()
  }
}

/** Spans that go to an exporter: the call is a server span below the caller's, the others are its children. */
export function startExportedSpan(tracer: Tracer): StartSpan {
  return (attributes, traceparent) => {
    const parent = readTraceparent(traceparent)
    const context = parent
      ? trace.setSpanContext(ROOT_CONTEXT, { traceId: parent.traceId, spanId: parent.spanId, traceFlags: parent.flags, isRemote: true })
      : ROOT_CONTEXT
    return new ExportedSpan(tracer, tracer.startSpan('call', { kind: KINDS[SPANS.call.kind], attributes: exportable(attributes) }, context))
  }
}
