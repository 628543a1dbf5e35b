import type { Brand } from './ids.ts'

/** Milliseconds since the Unix epoch, UTC. */
export type Instant = Brand<number, 'Instant'>

export interface Clock {
  now(): Instant
}

export const instant = (epochMs: number): Instant => epochMs as Instant
export const after = (from: Instant, durationMs: number): Instant => (from + durationMs) as Instant
