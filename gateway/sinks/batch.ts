import type { Entry } from '../core/entry.ts'
import { LIMITS } from '../limits.ts'
import type { SinkLine } from '../ports/sink.ts'

/** Lines of the first entries, as many as go out together: at least one, and no more than `LIMITS.sinkBatchBytesMax` where it is several. */
export function batchOf(entries: readonly Entry[], lineOf: SinkLine): readonly string[] {
  const lines: string[] = []
  let bytes = 0
  for (const entry of entries) {
    const line = lineOf(entry)
    bytes += Buffer.byteLength(line) + 1
    if (lines.length > 0 && bytes > LIMITS.sinkBatchBytesMax) break
    lines.push(line)
  }
  return lines
}
