import { DecisionCheck } from '../audit/check-decisions.ts'
import { entryOf } from '../audit/exported-entry.ts'
import { Faults } from '../audit/faults.ts'
import type { Address } from '../config/address-file.ts'
import { decisionsInWords } from './audit-verify.ts'
import { LogSource } from './log-source.ts'
import type { ExitCode, Output } from './output.ts'

export interface AuditReplayOptions {
  /** Written at or after, and before; ISO 8601. */
  since: string | null
  until: string | null
}

/**
 * Decides the decisions of a running gateway's record again with the engine of this command, and tells which come out otherwise. Exit 1 where any does. Throws
 * FORBIDDEN without the role of security or auditor, NOT_FOUND, UNAVAILABLE.
 */
export async function replayAudit(output: Output, address: Address, { since, until }: AuditReplayOptions): Promise<ExitCode> {
  const source = new LogSource(address)
  const { size } = await source.checkpoint()
  const faults = new Faults()
  const decisions = new DecisionCheck((hash) => source.policySet(hash), faults)
  for await (const { index, leaf, payload, fault } of source.entries({ from: 0, before: size, since, until }, true)) {
    if (fault === 'leaf') faults.add('leaf', index, 'its text in the database is not what the log has the hash of')
    if (fault === 'payload') faults.add('payload', index, 'its payload in the database does not open')
    const entry = entryOf(leaf, payload ?? undefined)
    if (entry) await decisions.check(index, entry.body, entry.isComplete)
  }
  const listed = faults.listed()
  const lines = [decisionsInWords(decisions.tally), ...listed.map(({ index, why }) => `  entry ${index}: ${why}`)]
  if (faults.count > listed.length) lines.push(`  and ${faults.count - listed.length} more`)
  output.print(lines.join('\n'), { ...decisions.tally, faults: listed, faultCount: faults.count })
  return faults.count > 0 ? 1 : 0
}
