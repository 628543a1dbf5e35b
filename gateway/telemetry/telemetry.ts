import type { Catalogue } from '../core/operation.ts'
import { LIMITS } from '../limits.ts'
import type { Telemetry } from '../ports/telemetry.ts'
import { createProvider, type Environment, exportSettings } from './exporter.ts'
import { createLog, type LogLevel, type LogStream } from './log.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import { startBareSpan, startExportedSpan } from './spans.ts'

export interface TelemetryOptions {
  /** The process's environment: the standard OpenTelemetry variables are read from it. */
  env: Environment
  /** `service.name` where the environment names none. */
  serviceName: string
  logLevel: LogLevel
  logStream: LogStream
  /** Which connectors and operations may be metric labels; others are `other`. */
  catalogue: () => Catalogue | undefined
}

export interface RunningTelemetry extends Telemetry {
  /** Where spans go, without user information and query; null where none are exported. */
  readonly exportsTo: string | null
  /** Has a gauge read at every scrape. */
  gauge: Metrics['gauge']
  /** The answer of `/metrics` (Prometheus text format 0.0.4). */
  metricsText(): Promise<{ contentType: string; body: string }>
  /** Sends what is queued, for at most `LIMITS.drainMsMax`, and ends. Calling it twice is harmless. */
  close(): Promise<void>
}

/**
 * Traces, metrics and log lines of one gateway. Without an endpoint in the environment nothing of the tracing SDK runs, but every call
 * still has a trace id that is passed on. Throws CONFIG_INVALID for a variable that cannot be followed.
 */
export function createTelemetry(options: TelemetryOptions): RunningTelemetry {
  const log = createLog(options.logLevel, options.serviceName, options.logStream)
  const metrics = createMetrics(options.catalogue)
  const settings = exportSettings(options.env, options.serviceName)
  const provider = settings ? createProvider(settings, log) : null
  let closed: Promise<void> | undefined
  return {
    log,
    count: metrics.count,
    observe: metrics.observe,
    gauge: metrics.gauge,
    metricsText: metrics.text,
    startCall: provider ? startExportedSpan(provider.getTracer('gatehouse')) : startBareSpan,
    exportsTo: settings ? withoutSecrets(settings.url) : null,
    close() {
      closed ??= within(LIMITS.drainMsMax, provider?.shutdown() ?? Promise.resolve()).finally(metrics.close)
      return closed
    },
  }
}

function withoutSecrets(url: string): string {
  const { origin, pathname } = new URL(url)
  return origin + pathname
}

async function within(ms: number, work: Promise<void>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, ms)
  // A receiver that is away is no reason to fail at the end of a process; its spans are lost, which was said in the log.
  await Promise.race([work.catch(() => undefined), promise])
  clearTimeout(timer)
}
