import { type ExportResult, ExportResultCode } from '@opentelemetry/core'
import { LIMITS } from '../limits.ts'
import type { Log } from '../ports/telemetry.ts'
import type { Signal } from './environment.ts'

interface Exporter<T> {
  export(batch: T, done: (result: ExportResult) => void): void
  forceFlush?(): Promise<void>
  shutdown(): Promise<void>
}

const FAILING: Readonly<Record<Signal, string>> = {
  traces: 'traces cannot be exported; spans are dropped',
  metrics: 'metrics cannot be exported; the next export has their values of then',
}
const WORKING: Readonly<Record<Signal, string>> = { traces: 'traces are exported again', metrics: 'metrics are exported again' }

/** How far the process is. At its end nothing more is sent to a receiver that is away, and once it is over to none, so that none keeps it alive. */
export interface Life {
  stage: 'running' | 'ending' | 'over'
}

/**
 * Says in the log that export fails, and that it works again; nothing between, and nothing of what the receiver answered. What goes out at the end of the
 * process goes by an exporter that takes no longer than `LIMITS.telemetryFlushMsMax`.
 */
export function announced<T>(
  exporterOf: (timeoutMs: number) => Exporter<T>,
  timeoutMs: number,
  signal: Signal,
  life: Life,
  log: Log,
): Required<Exporter<T>> {
  const exporters = [exporterOf(timeoutMs), exporterOf(Math.min(timeoutMs, LIMITS.telemetryFlushMsMax))] as const
  let failing = false
  return {
    export(batch, done) {
      if (life.stage === 'over' || (life.stage === 'ending' && failing)) return done({ code: ExportResultCode.FAILED })
      exporters[life.stage === 'running' ? 0 : 1].export(batch, (result) => {
        const failed = result.code !== ExportResultCode.SUCCESS
        if (failed && !failing) log.warn({ cause: result.error?.name }, FAILING[signal])
        if (!failed && failing) log.info({}, WORKING[signal])
        failing = failed
        done(result)
      })
    },
    forceFlush: async () => void (await Promise.all(exporters.map((exporter) => exporter.forceFlush?.()))),
    shutdown: async () => void (await Promise.all(exporters.map((exporter) => exporter.shutdown()))),
  }
}
