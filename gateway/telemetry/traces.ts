import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import type { Resource } from '@opentelemetry/resources'
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  RandomIdGenerator,
  type Sampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import { LIMITS } from '../limits.ts'
import type { Log } from '../ports/telemetry.ts'
import { announced, type Life } from './announced.ts'
import { type Environment, invalid, type Receiver, read } from './environment.ts'

function ratio(env: Environment): number {
  const raw = read(env, 'OTEL_TRACES_SAMPLER_ARG')
  const value = raw === undefined ? 1 : Number(raw)
  if (!(value >= 0 && value <= 1)) throw invalid('OTEL_TRACES_SAMPLER_ARG', 'must be a number from 0 to 1')
  return value
}

/** By `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`. Throws CONFIG_INVALID for values that cannot be followed. */
export function samplerOf(env: Environment): Sampler {
  const name = read(env, 'OTEL_TRACES_SAMPLER') ?? 'parentbased_always_on'
  switch (name) {
    case 'always_on':
      return new AlwaysOnSampler()
    case 'always_off':
      return new AlwaysOffSampler()
    case 'traceidratio':
      return new TraceIdRatioBasedSampler(ratio(env))
    case 'parentbased_always_on':
      return new ParentBasedSampler({ root: new AlwaysOnSampler() })
    case 'parentbased_always_off':
      return new ParentBasedSampler({ root: new AlwaysOffSampler() })
    case 'parentbased_traceidratio':
      return new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio(env)) })
    default:
      throw invalid(
        'OTEL_TRACES_SAMPLER',
        `unknown sampler \`${name}\`; use always_on, always_off, traceidratio, or one of these after parentbased_`,
      )
  }
}

/** A provider that batches spans to an OTLP/HTTP receiver. Its queue is bounded: spans are dropped, calls never wait. */
export function createTracerProvider(
  { url, headers, timeoutMs }: Receiver,
  resource: Resource,
  sampler: Sampler,
  life: Life,
  log: Log,
): TracerProvider {
  return new TracerProvider({
    resource,
    sampler,
    idGenerator: new RandomIdGenerator(),
    spanLimits: { attributeValueLengthLimit: LIMITS.spanAttributeCharsMax },
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: announced((timeoutMillis) => new OTLPTraceExporter({ url, headers, timeoutMillis }), timeoutMs, 'traces', life, log),
        maxQueueSize: LIMITS.spansQueuedMax,
        maxExportBatchSize: LIMITS.spansPerBatchMax,
        scheduledDelayMillis: LIMITS.traceExportDelayMs,
        exportTimeoutMillis: timeoutMs,
      }),
    ],
  })
}
