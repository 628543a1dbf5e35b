import type { IncomingMessage } from 'node:http'
import type { Input } from './input.ts'
import { Problem } from './problem.ts'
import type { Reply } from './reply.ts'

/**
 * The diagnostics operations of both systems: answers slowly, with any status, at any size, or with the request's headers (the credential too,
 * as badly kept debug pages do), as the query asks.
 */
export async function diagnostics(system: string, input: Input, request: IncomingMessage): Promise<Reply> {
  const delayMs = input.maybeNumber('simulateDelayMs') ?? 0
  if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs))
  const status = input.maybeNumber('simulateStatus') ?? 200
  if (status >= 400) throw new Problem(status, 'simulated', `status ${status} as asked`)
  const headers: Record<string, string> = {}
  if (status >= 300) headers.location = '/diagnostics'
  const echoed = input.flag('echoHeaders') ? { headers: request.headers } : {}
  return {
    status,
    headers,
    body: { system, status: 'ok', method: request.method, padding: 'x'.repeat(input.maybeNumber('padBytes') ?? 0), ...echoed },
  }
}
