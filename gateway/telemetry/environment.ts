import { parseKeyPairsIntoRecord } from '@opentelemetry/core'
import { GatewayError } from '../core/errors.ts'
import { LIMITS } from '../limits.ts'

export type Environment = Readonly<Record<string, string | undefined>>

export type Signal = 'traces' | 'metrics'

/** Where one signal goes by OTLP over HTTP. `url` and `headers` may carry secrets: neither is ever printed. */
export interface Receiver {
  url: string
  headers: Record<string, string>
  timeoutMs: number
}

export const invalid = (variable: string, remedy: string): GatewayError =>
  new GatewayError('CONFIG_INVALID', `environment variable \`${variable}\`: ${remedy}`)

/** An empty value counts as unset (OpenTelemetry environment variable specification). */
export const read = (env: Environment, name: string): string | undefined => env[name]?.trim() || undefined

/** The first of the variables that is set, with its name. */
function firstOf(env: Environment, ...names: readonly string[]): { name: string; value: string } | undefined {
  for (const name of names) {
    const value = read(env, name)
    if (value !== undefined) return { name, value }
  }
  return undefined
}

/** Milliseconds above 0, at most `max`; `unset` where the variables are not set. */
export function milliseconds(env: Environment, names: readonly string[], max: number, unset: number): number {
  const set = firstOf(env, ...names)
  if (set === undefined) return unset
  const value = Number(set.value)
  if (!(value > 0)) throw invalid(set.name, 'must be a number of milliseconds above 0')
  return Math.min(value, max)
}

function endpoint(env: Environment, signal: Signal, prefix: string): string | undefined {
  const set = firstOf(env, `${prefix}_ENDPOINT`, 'OTEL_EXPORTER_OTLP_ENDPOINT')
  if (set === undefined) return undefined
  // The value is not echoed: it may carry user information.
  if (!URL.canParse(set.value)) throw invalid(set.name, 'is not a URL; write one such as `http://127.0.0.1:4318`')
  const url = new URL(set.value)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw invalid(set.name, 'must begin with `http://` or `https://`')
  if (set.name === 'OTEL_EXPORTER_OTLP_ENDPOINT') url.pathname = `${url.pathname.replace(/\/$/, '')}/v1/${signal}`
  return url.toString()
}

/** What `OTEL_TRACES_EXPORTER` or `OTEL_METRICS_EXPORTER` may name; `/metrics` is served whatever it says. */
const EXPORTERS: Readonly<Record<Signal, readonly string[]>> = { traces: ['otlp', 'none'], metrics: ['otlp', 'prometheus', 'none'] }

function asksForOtlp(env: Environment, signal: Signal): boolean {
  const name = `OTEL_${signal.toUpperCase()}_EXPORTER`
  const chosen = (read(env, name) ?? 'otlp').split(',').map((each) => each.trim())
  if (chosen.some((each) => !EXPORTERS[signal].includes(each))) throw invalid(name, `must be one of ${EXPORTERS[signal].join(', ')}`)
  return chosen.includes('otlp') && !chosen.includes('none')
}

/**
 * Where a signal goes, by the standard variables: `OTEL_SDK_DISABLED`, `OTEL_[signal]_EXPORTER`, and of `OTEL_EXPORTER_OTLP_[signal]_` and
 * `OTEL_EXPORTER_OTLP_` the variables `ENDPOINT`, `HEADERS`, `TIMEOUT` and `PROTOCOL`. Null without an endpoint or where export is switched off. Throws
 * CONFIG_INVALID for values that cannot be followed.
 */
export function receiverOf(env: Environment, signal: Signal): Receiver | null {
  if (read(env, 'OTEL_SDK_DISABLED')?.toLowerCase() === 'true' || !asksForOtlp(env, signal)) return null
  const prefix = `OTEL_EXPORTER_OTLP_${signal.toUpperCase()}`
  const url = endpoint(env, signal, prefix)
  if (url === undefined) return null
  const protocol = firstOf(env, `${prefix}_PROTOCOL`, 'OTEL_EXPORTER_OTLP_PROTOCOL')
  if (protocol?.value === 'grpc') throw invalid(protocol.name, `${signal} go out over HTTP only; use \`http/json\``)
  return {
    url,
    headers: {
      ...parseKeyPairsIntoRecord(read(env, 'OTEL_EXPORTER_OTLP_HEADERS')),
      ...parseKeyPairsIntoRecord(read(env, `${prefix}_HEADERS`)),
    },
    timeoutMs: milliseconds(
      env,
      [`${prefix}_TIMEOUT`, 'OTEL_EXPORTER_OTLP_TIMEOUT'],
      LIMITS.otlpExportTimeoutMsMax,
      LIMITS.otlpExportTimeoutMsMax,
    ),
  }
}

/** Who sends: `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`. An instance without a name gets one, or the sums of two replicas would be taken for one. */
export function resourceAttributes(env: Environment, serviceName: string, version: string): Record<string, string> {
  const attributes = parseKeyPairsIntoRecord(read(env, 'OTEL_RESOURCE_ATTRIBUTES'))
  return {
    'service.version': version,
    'service.instance.id': crypto.randomUUID(),
    ...attributes,
    'service.name': read(env, 'OTEL_SERVICE_NAME') ?? attributes['service.name'] ?? serviceName,
  }
}
