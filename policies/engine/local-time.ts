import type { Instant } from '../../gateway/core/clock.ts'

/** One formatter a zone: they are dear to make. Bounded by the zones there are. */
const formatters = new Map<string, Intl.DateTimeFormat>()

const WEEKDAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun']

/** A name of the time zone database, such as `Europe/Berlin`, or a fixed offset such as `+01:00`. */
export function isTimeZone(zone: string): boolean {
  if (!/^(?:[A-Z][A-Za-z0-9_+-]{1,30}(?:\/[A-Za-z0-9_+-]{1,30}){0,2}|[+-]\d{2}:\d{2})$/.test(zone)) return false
  try {
    return formatterOf(zone) !== undefined
  } catch {
    return false
  }
}

export const timeZones = (): readonly string[] => ['UTC', ...Intl.supportedValuesOf('timeZone')]

/** Weekday (1 Monday to 7 Sunday) and minute of the day (0 to 1439) by a zone's clock. */
export function localTime(zone: string, now: Instant): { weekday: number; minute: number } {
  const parts = new Map(
    formatterOf(zone)
      .formatToParts(now)
      .map(({ type, value }) => [type, value]),
  )
  return {
    weekday: WEEKDAYS.indexOf(parts.get('weekday') ?? '') + 1,
    minute: Number(parts.get('hour')) * 60 + Number(parts.get('minute')),
  }
}

function formatterOf(zone: string): Intl.DateTimeFormat {
  const known = formatters.get(zone)
  if (known) return known
  const made = new Intl.DateTimeFormat('en-GB', { timeZone: zone, weekday: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })
  formatters.set(zone, made)
  return made
}
