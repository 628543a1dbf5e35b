import { LIMITS } from './limits.ts'
import type { LogStore } from './ports/log.ts'
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

/** Where the log begins, where entries are not kept for good. */
export function gaugeFloor(log: Pick<LogStore, 'floor'>, telemetry: Pick<RunningTelemetry, 'gauge'>): void {
  const floor = sharedReading(() => log.floor(), LIMITS.gaugeFreshMs)
  telemetry.gauge('log_floor', async () => (await floor())?.index ?? Number.NaN)
  telemetry.gauge('log_floor_held', async () => {
    const read = await floor()
    return read ? Number(read.heldBy !== null) : Number.NaN
  })
}
