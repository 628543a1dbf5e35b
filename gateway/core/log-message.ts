import type { JsonValue } from './json.ts'

/** The severities of RFC 5424 6.2.1, least severe first. */
export const LOG_LEVELS = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** What a system says while it works on a call. It is for whoever made that call, and for nobody else. */
export interface LogMessage {
  level: LogLevel
  /** Which part of the system speaks. */
  logger?: string
  data: JsonValue
}

/** Whoever made a call, as the one who reads what the system says meanwhile. */
export interface LogReader {
  /** The least severe level that is read. It may change while the call runs. */
  readonly level: LogLevel
  tell(message: LogMessage): void
}

export const isLogLevel = (value: unknown): value is LogLevel => (LOG_LEVELS as readonly unknown[]).includes(value)

export const isAtLeast = (level: LogLevel, least: LogLevel): boolean => LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(least)
