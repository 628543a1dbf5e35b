import { millisToHrTime } from '@opentelemetry/core'
import { AggregationTemporalityPreference, OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http'
import { emptyResource, type Resource } from '@opentelemetry/resources'
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import { LIMITS } from '../limits.ts'
import type { Log } from '../ports/telemetry.ts'
import { announced, type Life } from './announced.ts'
import { type Environment, invalid, milliseconds, type Receiver, read } from './environment.ts'
import { metricData } from './metric-data.ts'
import type { Metrics } from './metrics.ts'

/** How often metrics go out, by `OTEL_METRIC_EXPORT_INTERVAL` and `OTEL_METRIC_EXPORT_TIMEOUT`. */
export interface Pace {
  intervalMs: number
  timeoutMs: number
}

/** Throws CONFIG_INVALID for values that cannot be followed. */
export function paceOf(env: Environment): Pace {
  const preference = 'OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE'
  if ((read(env, preference) ?? 'cumulative').toLowerCase() !== 'cumulative')
    throw invalid(preference, 'values are those of `/metrics`, which are cumulative; leave it out, or have a collector convert them')
  const asked = milliseconds(env, ['OTEL_METRIC_EXPORT_INTERVAL'], LIMITS.metricExportIntervalMsMax, LIMITS.metricExportIntervalMsDefault)
  const intervalMs = Math.max(asked, LIMITS.metricExportIntervalMsMin)
  const timeout = milliseconds(env, ['OTEL_METRIC_EXPORT_TIMEOUT'], intervalMs, intervalMs)
  return { intervalMs, timeoutMs: Math.min(timeout, LIMITS.otlpExportTimeoutMsMax) }
}

/** Sends the values of the one registry to an OTLP/HTTP receiver at the pace, and a last time at its shutdown. */
export function createMeterProvider(
  metrics: Pick<Metrics, 'families' | 'sinceMs'>,
  { url, headers, timeoutMs }: Receiver,
  resource: Resource,
  pace: Pace,
  version: string,
  life: Life,
  log: Log,
): MeterProvider {
  const start = millisToHrTime(metrics.sinceMs)
  const scope = { name: 'gatehouse', version }
  const temporalityPreference = AggregationTemporalityPreference.CUMULATIVE
  const exporterOf = (timeoutMillis: number) => new OTLPMetricExporter({ url, headers, timeoutMillis, temporalityPreference })
  const reader = new PeriodicExportingMetricReader({
    exporter: announced(exporterOf, timeoutMs, 'metrics', life, log),
    exportIntervalMillis: pace.intervalMs,
    exportTimeoutMillis: pace.timeoutMs,
    metricProducers: [
      {
        async collect() {
          const families = await metrics.families()
          const scopeMetrics = [{ scope, metrics: metricData(families, start, millisToHrTime(Date.now())) }]
          return { resourceMetrics: { resource: emptyResource(), scopeMetrics }, errors: [] }
        },
      },
    ],
  })
  return new MeterProvider({ resource, readers: [reader] })
}
