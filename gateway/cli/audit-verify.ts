import { type AuditReport, verifyExport } from '../audit/verify-export.ts'
import { visible } from '../core/visible-text.ts'
import { isKey, keysIn, textOf } from './key-arguments.ts'
import type { ExitCode, Output } from './output.ts'

export interface AuditVerifyOptions {
  /** The key itself, or a file that has it; null takes the enclosed one. */
  key: string | null
  /** File of an older checkpoint. */
  since: string | null
  allowMissingSets: boolean
  /** Whether what could not be checked is a fault, too. */
  complete?: boolean
  /** Keys of witnesses, or files that have them, one a line. */
  witnesses: readonly string[]
  /** How many of them must have cosigned; null is all. */
  needed: number | null
}

/** Verifies an export and tells what is wrong with it. Exit 1 where anything is. Throws BAD_INPUT. */
export async function verifyAudit(
  output: Output,
  dir: string,
  { key, since, allowMissingSets, complete = false, witnesses, needed }: AuditVerifyOptions,
): Promise<ExitCode> {
  const report = await verifyExport(dir, {
    vkey: key === null ? null : isKey(key) ? key : await textOf(key, 'key'),
    since: since === null ? null : await textOf(since, 'older checkpoint'),
    allowMissingSets,
    complete,
    witnesses: { vkeys: (await Promise.all(witnesses.map(keysIn))).flat(), needed },
  })
  output.print(reportInWords(report), report)
  if (report.key === 'enclosed')
    output.remark(
      'verified with the key in the export itself: that shows that it is consistent, not whose it is. Give --key with the key from elsewhere',
    )
  return report.ok ? 0 : 1
}

const FAULTS_PRINTED = 20
const LINE_CHARS = 1_000

function reportInWords(report: AuditReport): string {
  const { ok, entries, size, origin, keyId, part, asked, payloads, since, witnesses, otherFiles, faults, faultCount } = report
  const found = faults
    .slice(0, FAULTS_PRINTED)
    .map(({ index, what, why }) => `  ${index === null ? 'log' : `entry ${index}`}: ${what}: ${why}`)
  const lines = [
    `${ok ? 'verified' : 'NOT verified'}: ${entries} of ${size} entries of ${origin}, signed by key ${keyId}${part === 'whole' ? '' : ` (a part, as it says of itself: ${asked})`}`,
    checkedInWords(report),
    ...(report.removed === null ? [] : [removalInWords(report.removed)]),
    payloadsInWords(payloads),
    ...(report.sample ? [`sample: ${report.sample.calls} calls drawn again by the seed ${report.sample.seed}`] : []),
    decisionsInWords(report.decisions),
    ...callsInWords(report),
    ...(otherFiles.count === 0 ? [] : [`not looked at: ${otherFiles.names.slice(0, FAULTS_PRINTED).join(', ')}`]),
    ...(witnesses === null ? [] : [witnessesInWords(witnesses)]),
    ...(since === null ? [] : [`older checkpoint: of ${since} entries`]),
    ...(ok ? [] : [`${faultCount} faults:`, ...found, ...(faultCount > found.length ? [`  and ${faultCount - found.length} more`] : [])]),
  ]
  return lines.map(oneLine).join('\n')
}

/** An export cannot write lines of the verdict: what it says of itself stays within its own. */
const oneLine = (line: string): string => {
  const shown = visible(line)
  return shown.length <= LINE_CHARS ? shown : `${shown.slice(0, LINE_CHARS)}…`
}

const removalInWords = ({ floor, index, at, newest }: NonNullable<AuditReport['removed']>): string =>
  `begins at entry ${floor}: those before, written until ${newest}, were removed under retention, as entry ${index} of ${at} says`

const witnessesInWords = ({ needed, cosigned }: NonNullable<AuditReport['witnesses']>): string =>
  `witnesses: ${needed} needed, cosigned by ${cosigned.length === 0 ? 'none' : cosigned.map(({ name, at }) => `${name} at ${at}`).join(', ')}`

function checkedInWords({ payloads, decisions, newest, part }: AuditReport): string {
  const { same, unasked, withoutPayload, withoutPolicySet, differ } = decisions
  const again = same + differ
  const counts = `${again} of ${again + unasked + withoutPayload + withoutPolicySet} decisions, ${payloads.verified} of ${payloads.all} payloads`
  const ends = part === 'range' ? '; a part by time cannot show what a process wrote before its first and after its last entry here' : ''
  return `checked: ${counts}; newest entry of ${newest ?? 'no time'}, the checkpoint has no time of its own${ends}`
}

const payloadsInWords = ({ verified, erased, erasedUnchecked, leftOut }: AuditReport['payloads']): string =>
  [
    `payloads: ${verified} as committed to, ${erased} erased`,
    ...(erasedUnchecked > 0 ? [`${erasedUnchecked} marked as erased, which a part cannot show`] : []),
    `${leftOut} not enclosed`,
  ].join(', ')

export function decisionsInWords({
  same,
  unasked,
  withoutPayload,
  withoutPolicySet,
  differ,
  engine,
  engines,
}: AuditReport['decisions']): string {
  const counts = [
    `${same} decided again alike`,
    ...(unasked > 0 ? [`${unasked} denials for what policy was not asked`] : []),
    ...(withoutPayload > 0 ? [`${withoutPayload} not decided again, without payload`] : []),
    ...(withoutPolicySet > 0 ? [`${withoutPolicySet} not decided again, without policy set`] : []),
    `${differ} otherwise`,
  ]
  const then = engines.filter((one) => one !== engine)
  return `decisions: ${counts.join(', ')}${engine === null ? '' : ` (${engine}${then.length > 0 ? `, then ${then.join(', ')}` : ''})`}`
}

function callsInWords({ calls, part }: AuditReport): string[] {
  if (!calls) return [`calls: not looked at, since a ${part} may begin and end within them`]
  const { count, calls: ids } = calls.inDoubt
  const { checked, unchecked } = calls.votes
  const lives = `calls: ${calls.calls}, ${count === 0 ? 'none in doubt' : `${count} in doubt: ${ids.slice(0, FAULTS_PRINTED).join(', ')}`}`
  if (checked + unchecked === 0) return [lives]
  const old = unchecked === 0 ? '' : `, ${unchecked} from before the record had the groups of voters`
  return [lives, `votes: ${checked} by people of groups that were asked${old}`]
}
