import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources'
import type { Catalogue } from '../core/operation.ts'
import { LIMITS } from '../limits.ts'
import type { Telemetry } from '../ports/telemetry.ts'
import type { Life } from './announced.ts'
import { type Environment, receiverOf, resourceAttributes } from './environment.ts'
import { createLog, type LogLevel, type LogStream } from './log.ts'
import { createMeterProvider, paceOf } from './metric-export.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import { startBareSpan, startExportedSpan } from './spans.ts'
import { createTracerProvider, samplerOf } from './traces.ts'

export interface TelemetryOptions {
  /** The process's environment: the standard OpenTelemetry variables are read from it. */
  env: Environment
  /** `service.name` where the environment names none. */
  serviceName: string
  /** `service.version`. */
  version: string
  logLevel: LogLevel
  logStream: LogStream
  /** Which connectors and operations may be metric labels; others are `other`. */
  catalogue: () => Catalogue | undefined
}

export interface RunningTelemetry extends Telemetry {
  /** Has a gauge read at every scrape and export. */
  gauge: Metrics['gauge']
  /** The answer of `/metrics` (Prometheus text format 0.0.4). */
  metricsText(): Promise<{ contentType: string; body: string }>
  /** Sends what is queued, for at most `LIMITS.telemetryFlushMsMax`, and ends. Calling it twice is harmless. */
  close(): Promise<void>
}

/**
 * Traces, metrics and log lines of one gateway. Without an endpoint in the environment nothing of the OpenTelemetry SDK runs, but every call
 * still has a trace id that is passed on. Throws CONFIG_INVALID for a variable that cannot be followed.
 */
export function createTelemetry(options: TelemetryOptions): RunningTelemetry {
  const { env, version } = options
  const log = createLog(options.logLevel, options.serviceName, options.logStream)
  const spansGo = receiverOf(env, 'traces')
  const valuesGo = receiverOf(env, 'metrics')
  const sampler = spansGo && samplerOf(env)
  const pace = valuesGo && paceOf(env)
  const resource = defaultResource().merge(resourceFromAttributes(resourceAttributes(env, options.serviceName, version)))
  const life: Life = { stage: 'running' }
  const metrics = createMetrics(options.catalogue)
  const tracers = spansGo && sampler && createTracerProvider(spansGo, resource, sampler, life, log)
  const meters = valuesGo && pace && createMeterProvider(metrics, valuesGo, resource, pace, version, life, log)
  let closed: Promise<void> | undefined
  return {
    log,
    count: metrics.count,
    observe: metrics.observe,
    gauge: metrics.gauge,
    metricsText: metrics.text,
    startCall: tracers ? startExportedSpan(tracers.getTracer('gatehouse', version)) : startBareSpan,
    close() {
      life.stage = 'ending'
      closed ??= within(LIMITS.telemetryFlushMsMax, [tracers?.shutdown(), meters?.shutdown()]).finally(() => {
        life.stage = 'over'
        metrics.close()
      })
      return closed
    },
  }
}

/** A receiver that is away is no reason to fail or to wait at the end of a process; what it does not get is lost, which was said in the log. */
async function within(ms: number, work: readonly (Promise<void> | undefined)[]): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, ms)
  await Promise.race([Promise.allSettled(work), promise])
  clearTimeout(timer)
}
