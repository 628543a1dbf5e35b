import { useEffect, useState } from 'react'
import type { JsonValue } from './graphql.ts'

/** `releasePayment`, `release_payment` as `Release payment`. */
export function humanised(name: string): string {
  const words = name
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replace(/[_\-.]+/g, ' ')
    .trim()
    .toLowerCase()
  return words.charAt(0).toUpperCase() + words.slice(1)
}

/** The operation's name without its connector. */
export const operationName = (id: string): string => id.slice(id.indexOf('.') + 1)

/** A span of time in at most two units. */
export function spanOf(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000))
  const units = [
    ['d', Math.floor(seconds / 86_400)],
    ['h', Math.floor(seconds / 3_600) % 24],
    ['min', Math.floor(seconds / 60) % 60],
    ['s', seconds % 60],
  ] as const
  const from = units.findIndex(([, count]) => count > 0)
  if (from < 0) return '0 s'
  return units
    .slice(from, from + (from === 2 && seconds >= 600 ? 1 : 2))
    .filter(([, count]) => count > 0)
    .map(([unit, count]) => `${count} ${unit}`)
    .join(' ')
}

const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' })
export const moment = (iso: string): string => FULL.format(new Date(iso))

/** Now, again each `everyMs`. */
export function useNow(everyMs: number): number {
  const [now, setNow] = useState(Date.now)
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs)
    return () => clearInterval(timer)
  }, [everyMs])
  return now
}

export const isRecord = (value: JsonValue | undefined): value is { [key: string]: JsonValue } =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
