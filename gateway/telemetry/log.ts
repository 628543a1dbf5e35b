import { pino } from 'pino'
import type { Log } from '../ports/telemetry.ts'
import { clean, scrub } from './redact.ts'

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'

/** Where lines go: `process.stdout`, `process.stderr`, or anything else that takes whole lines. */
export interface LogStream {
  write(line: string): void
}

/**
 * JSON lines `{level, time, service, ..., message}`. Fields with secret names are masked at every depth, and whatever looks like a
 * credential is masked in the finished line, so a message or an error's text cannot carry one either.
 */
export function createLog(level: LogLevel, service: string, stream: LogStream): Log {
  const logger = pino(
    {
      level,
      base: { service },
      messageKey: 'message',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      // Errors are plain fields already: pino's own serializer would fold causes into the message.
      serializers: { err: (fields: unknown) => fields },
      hooks: { streamWrite: scrub },
    },
    stream,
  )
  const at =
    (name: 'info' | 'warn' | 'error') =>
    (fields: Readonly<Record<string, unknown>>, message: string): void => {
      if (logger.isLevelEnabled(name)) logger[name](safely(fields), message)
    }
  return { info: at('info'), warn: at('warn'), error: at('error') }
}

/** A log line is never worth an exception: a field that cannot be read costs the fields, not the caller. */
function safely(fields: Readonly<Record<string, unknown>>): unknown {
  try {
    return clean(fields)
  } catch {
    return { fields: '[unreadable]' }
  }
}
