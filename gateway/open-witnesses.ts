import { LIMITS } from './limits.ts'
import type { Dialer } from './ports/dialer.ts'
import type { TransparencyLog } from './ports/log.ts'
import type { WitnessSettings } from './ports/witness.ts'
import type { Storage } from './storage/open-storage.ts'
import type { RunningTelemetry } from './telemetry/telemetry.ts'
import { AskedWitness } from './witness/asked-witness.ts'
import { type RunningPublishing, startPublishing } from './witness/publishing.ts'

export interface WitnessDeps {
  storage: Pick<Storage, 'log' | 'published' | 'writer'>
  transparency: Pick<TransparencyLog, 'consistency'>
  dialer: Dialer
  telemetry: Pick<RunningTelemetry, 'log' | 'count' | 'gauge'>
}

/** Has the witnesses cosign what is published of the log. */
export function openWitnesses(
  settings: readonly WitnessSettings[],
  { storage, transparency, dialer, telemetry }: WitnessDeps,
): Promise<RunningPublishing> {
  const { log: store, published, writer } = storage
  const size = async (): Promise<number> => (await store.checkpoint())?.size ?? 0
  const prove = transparency.consistency
  const witnesses = settings.map((each) => new AskedWitness({ settings: each, dialer, telemetry, prove, size }))
  const lag = async (): Promise<ReadonlyMap<string, number>> => {
    const since = await published.uncosignedSince(settings.map(({ vkey }) => vkey))
    return new Map(settings.map(({ name, vkey }) => [name, secondsSince(since.get(vkey) ?? null)]))
  }
  telemetry.gauge('witness_lag_seconds', lag, LIMITS.gaugeFreshMs)
  return startPublishing({ witnesses, store, published, owner: () => writer.process(), log: telemetry.log })
}

const secondsSince = (at: number | null): number => (at === null ? 0 : Math.max(0, Date.now() - at) / 1_000)
