import { LIMITS } from './limits.ts'
import type { Storage } from './storage/open-storage.ts'
import { sharedReading } from './telemetry/gauge-reading.ts'
import type { RunningTelemetry } from './telemetry/telemetry.ts'

/** Gauges of what the database says: read once for all who scrape within `LIMITS.gaugeFreshMs`. */
export function gaugeDatabase(storage: Pick<Storage, 'ready' | 'unsettled'>, telemetry: Pick<RunningTelemetry, 'gauge'>): void {
  telemetry.gauge('database_connected', async () => Number(await storage.ready()), LIMITS.gaugeFreshMs, 0)
  const unsettled = sharedReading(() => storage.unsettled(), LIMITS.gaugeFreshMs)
  telemetry.gauge('calls_in_doubt', async () => (await unsettled())?.callsInDoubt ?? Number.NaN)
  telemetry.gauge('holds_open', async () => (await unsettled())?.holdsOpen ?? Number.NaN)
  telemetry.gauge('holds_expiring', async () => (await unsettled())?.holdsExpiring ?? Number.NaN)
}
