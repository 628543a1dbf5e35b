import { ExportResultCode, parseKeyPairsIntoRecord } from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources'
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  RandomIdGenerator,
  type Sampler,
  type SpanExporter,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import { GatewayError } from '../core/errors.ts'
import { LIMITS } from '../limits.ts'
import type { Log } from '../ports/telemetry.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** What the standard environment variables ask for; null where no traces are exported. */
export interface ExportSettings {
  url: string
  headers: Record<string, string>
  timeoutMs: number
  resource: Record<string, string>
  sampler: Sampler
}

const invalid = (variable: string, remedy: string): GatewayError =>
  new GatewayError('CONFIG_INVALID', `environment variable \`${variable}\`: ${remedy}`)

/** An empty value counts as unset (OpenTelemetry environment variable specification). */
const read = (env: Environment, name: string): string | undefined => env[name]?.trim() || undefined

function endpoint(env: Environment): string | undefined {
  const own = read(env, 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT')
  const name = own === undefined ? 'OTEL_EXPORTER_OTLP_ENDPOINT' : 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'
  const raw = own ?? read(env, name)
  if (raw === undefined) return undefined
  // The value is not echoed: it may carry user information.
  if (!URL.canParse(raw)) throw invalid(name, 'is not a URL; write one such as `http://127.0.0.1:4318`')
  const url = new URL(raw)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw invalid(name, 'must begin with `http://` or `https://`')
  if (own === undefined) url.pathname = `${url.pathname.replace(/\/$/, '')}/v1/traces`
  return url.toString()
}

function ratio(env: Environment): number {
  const raw = read(env, 'OTEL_TRACES_SAMPLER_ARG')
  const value = raw === undefined ? 1 : Number(raw)
  if (!(value >= 0 && value <= 1)) throw invalid('OTEL_TRACES_SAMPLER_ARG', 'must be a number from 0 to 1')
  return value
}

function sampler(env: Environment): Sampler {
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

function timeoutMs(env: Environment): number {
  const raw = read(env, 'OTEL_EXPORTER_OTLP_TRACES_TIMEOUT') ?? read(env, 'OTEL_EXPORTER_OTLP_TIMEOUT')
  if (raw === undefined) return LIMITS.traceExportTimeoutMsMax
  const value = Number(raw)
  if (!(value > 0)) throw invalid('OTEL_EXPORTER_OTLP_TIMEOUT', 'must be a number of milliseconds above 0')
  return Math.min(value, LIMITS.traceExportTimeoutMsMax)
}

/**
 * Reads the standard variables: `OTEL_EXPORTER_OTLP_[TRACES_]ENDPOINT`, `_HEADERS` and `_TIMEOUT`, `OTEL_SERVICE_NAME`,
 * `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_TRACES_SAMPLER[_ARG]`, `OTEL_TRACES_EXPORTER=none`, `OTEL_SDK_DISABLED`. Null without an endpoint or where
 * export is switched off. Throws CONFIG_INVALID for values that cannot be followed.
 */
export function exportSettings(env: Environment, serviceName: string): ExportSettings | null {
  if (read(env, 'OTEL_SDK_DISABLED')?.toLowerCase() === 'true' || read(env, 'OTEL_TRACES_EXPORTER') === 'none') return null
  const url = endpoint(env)
  if (url === undefined) return null
  const protocol = read(env, 'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL') ?? read(env, 'OTEL_EXPORTER_OTLP_PROTOCOL')
  if (protocol === 'grpc') throw invalid('OTEL_EXPORTER_OTLP_PROTOCOL', 'traces go out over HTTP only; use `http/json`')
  const attributes = parseKeyPairsIntoRecord(read(env, 'OTEL_RESOURCE_ATTRIBUTES'))
  return {
    url,
    headers: {
      ...parseKeyPairsIntoRecord(read(env, 'OTEL_EXPORTER_OTLP_HEADERS')),
      ...parseKeyPairsIntoRecord(read(env, 'OTEL_EXPORTER_OTLP_TRACES_HEADERS')),
    },
    timeoutMs: timeoutMs(env),
    resource: { ...attributes, 'service.name': read(env, 'OTEL_SERVICE_NAME') ?? attributes['service.name'] ?? serviceName },
    sampler: sampler(env),
  }
}

/** Says in the log that export fails, and that it works again; nothing between, and nothing of what the receiver answered. */
function announced(exporter: SpanExporter, log: Log): SpanExporter {
  let failing = false
  return {
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        const failed = result.code !== ExportResultCode.SUCCESS
        if (failed && !failing) log.warn({ spans: spans.length, cause: result.error?.name }, 'traces cannot be exported; spans are dropped')
        if (!failed && failing) log.info({}, 'traces are exported again')
        failing = failed
        done(result)
      }),
    forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
    shutdown: () => exporter.shutdown(),
  }
}

/** A provider that batches spans to an OTLP/HTTP receiver. Its queue is bounded: spans are dropped, calls never wait. */
export function createProvider(settings: ExportSettings, log: Log): TracerProvider {
  const exporter = new OTLPTraceExporter({ url: settings.url, headers: settings.headers, timeoutMillis: settings.timeoutMs })
  return new TracerProvider({
    resource: defaultResource().merge(resourceFromAttributes(settings.resource)),
    sampler: settings.sampler,
    idGenerator: new RandomIdGenerator(),
    spanLimits: { attributeValueLengthLimit: LIMITS.spanAttributeCharsMax },
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: announced(exporter, log),
        maxQueueSize: LIMITS.spansQueuedMax,
        maxExportBatchSize: LIMITS.spansPerBatchMax,
        scheduledDelayMillis: LIMITS.traceExportDelayMs,
        exportTimeoutMillis: settings.timeoutMs,
      }),
    ],
  })
}
