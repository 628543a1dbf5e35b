import type { Drift } from '../../gateway/core/drift.ts'
import type { OperationId } from '../../gateway/core/ids.ts'
import { canonicalJson, type JsonObject } from '../../gateway/core/json.ts'
import { LIMITS } from '../../gateway/limits.ts'
import { type ReviewedTool, toolDigest } from './lock.ts'

/**
 * How a server's tools differ from the reviewed ones: operations that changed or are missing first, then tools that nobody has reviewed. At most
 * `LIMITS.driftsPerConnectorMax` of the latter; of operations none is left out.
 */
export function driftBetween(
  lock: ReadonlyMap<string, ReviewedTool>,
  operations: ReadonlyMap<string, OperationId>,
  found: ReadonlyMap<string, ReviewedTool>,
): readonly Drift[] {
  const drift: Drift[] = []
  for (const [name, operation] of operations) {
    const reviewed = lock.get(name)
    const seen = found.get(name)
    if (!reviewed) continue
    const reviewedVersion = toolDigest(reviewed)
    const seenVersion = seen ? toolDigest(seen) : null
    if (seenVersion === reviewedVersion) continue
    const texts = { reviewed: textOf(reviewed), seen: seen ? textOf(seen) : null }
    drift.push({ subject: name, operation, change: seen ? 'changed' : 'missing', reviewedVersion, seenVersion, ...texts })
  }
  const fresh = [...found.values()].filter(({ name }) => !lock.has(name) && name.length <= LIMITS.driftSubjectCharsMax)
  for (const tool of fresh.slice(0, LIMITS.driftsPerConnectorMax)) {
    const versions = { reviewedVersion: null, seenVersion: toolDigest(tool) }
    drift.push({ subject: tool.name, operation: null, change: 'new', ...versions, reviewed: null, seen: textOf(tool) })
  }
  return drift
}

/** A tool as people compare it: all that a review covers, members of objects in their canonical order. */
function textOf({ name, title, description, inputSchema, outputSchema }: ReviewedTool): string {
  const parts = [
    `name: ${name}`,
    `title: ${title ?? '(none)'}`,
    `description:\n${description}`,
    `input:\n${schemaText(inputSchema)}`,
    `output:\n${outputSchema ? schemaText(outputSchema) : '(none)'}`,
  ]
  const text = parts.join('\n\n')
  const max = LIMITS.driftTextCharsMax
  return text.length <= max ? text : `${text.slice(0, max).toWellFormed()}\n(cut: ${text.length - max} characters more)`
}

const schemaText = (schema: JsonObject): string => JSON.stringify(JSON.parse(canonicalJson(schema)), null, 2)
