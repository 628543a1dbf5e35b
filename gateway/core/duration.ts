const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const ISO = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$/

/** `30s`, `5m`, `1h`, `7d`, `500ms` or ISO 8601 (`PT30M`, `P1DT2H`) to milliseconds; undefined where it is neither or not positive. */
export function durationMs(text: string): number | undefined {
  const short = /^(\d+)(ms|s|m|h|d)$/.exec(text)
  if (short) return positive(Number(short[1]) * (UNITS_MS[short[2] ?? ''] ?? Number.NaN))
  const iso = ISO.exec(text)
  if (!iso) return undefined
  const [days, hours, minutes, seconds] = iso.slice(1).map((part) => Number(part ?? 0))
  return positive((((days ?? 0) * 24 + (hours ?? 0)) * 60 + (minutes ?? 0)) * 60_000 + (seconds ?? 0) * 1_000)
}

const positive = (ms: number): number | undefined => (Number.isSafeInteger(ms) && ms > 0 ? ms : undefined)
