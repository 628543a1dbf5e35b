import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { GatewayError } from '../core/errors.ts'
import { type Checkpoint, openCheckpoint } from '../record/checkpoint.ts'
import { parseVerifierKey } from '../record/signed-note.ts'
import type { CallTally } from './check-calls.ts'
import { checkFiles, type OtherFiles } from './check-files.ts'
import type { PayloadTally } from './check-payloads.ts'
import type { DecisionTally } from './check-decisions.ts'
import { EntryCheck } from './check-entries.ts'
import { checkWitnesses, type WitnessPolicy, type WitnessTally } from './check-witnesses.ts'
import { type Removal, removalIn } from './removal.ts'
import type { SampleTally } from './check-sample.ts'
import { checkConsistency, checkRemoval, checkTiles, ExportedTiles } from './check-tree.ts'
import { ABOUT, type About, CHECKPOINT, ENTRIES, linesOf, readAbout, SETS, VKEY } from './exported-line.ts'
import { uncheckedOf } from './completeness.ts'
import { type AuditFault, Faults, reason } from './faults.ts'

export interface VerifyOptions {
  /** Text of the key to verify with, `name+keyid+base64`; null takes the enclosed one, which proves consistency only. */
  vkey: string | null
  /** Text of an older checkpoint that this log has to go on from. */
  since: string | null
  /** Decisions whose policy set is not enclosed are counted, and are no fault. */
  allowMissingSets?: boolean
  /** What could not be checked is a fault, too. */
  complete?: boolean
  /** Whose cosignatures its checkpoint must have; nobody's where absent. */
  witnesses?: WitnessPolicy
}

export interface AuditReport {
  /** Nothing is wrong. */
  ok: boolean
  origin: string
  /** Entries that the checkpoint signs. */
  size: number
  /** Entries that the export has. */
  entries: number
  /** When the newest of them was written, ISO 8601; null without any. A checkpoint has no time. */
  newest: string | null
  part: About['part']
  asked: string
  key: 'given' | 'enclosed'
  keyId: string
  payloads: PayloadTally
  decisions: DecisionTally
  /** Drawn again; null where the export is no sample. */
  sample: SampleTally | null
  /** Null where the export has no whole calls. */
  calls: CallTally | null
  /** Size of the older checkpoint; null without one. */
  since: number | null
  /** Why the log begins at `floor`, and which entry says so; null where it begins at 0. Times are in ISO 8601. */
  removed: { floor: number; index: number; at: string; newest: string | null } | null
  /** Null where none are asked for. */
  witnesses: WitnessTally | null
  /** In the folder, and not looked at. */
  otherFiles: OtherFiles
  /** By index, at most `LIMITS.auditFaultsMax`. */
  faults: readonly AuditFault[]
  faultCount: number
}

/**
 * Verifies an export with nothing but its files and a key. Reads it once, line by line; what has to be remembered of calls is bounded in memory, and goes to temporary files beyond that. Throws BAD_INPUT
 * where the folder is no export, or holds what is no file of one, or the key or the older checkpoint are none.
 */
export async function verifyExport(
  dir: string,
  { vkey, since, witnesses, allowMissingSets = false, complete = false }: VerifyOptions,
): Promise<AuditReport> {
  const faults = new Faults()
  const otherFiles = await filesIn(dir)
  const about = readAbout(await textIn(dir, ABOUT))
  if (!about) throw new GatewayError('BAD_INPUT', `\`${join(dir, ABOUT)}\` is not that of an export of this form`)
  const enclosed = (await textIn(dir, VKEY)).trim()
  const key = parseVerifierKey(vkey ?? enclosed)
  if (vkey !== null && vkey.trim() !== enclosed)
    faults.add('checkpoint', null, `\`${VKEY}\` in the export is another key than the one that was given`)
  const isWhole = about.part === 'whole'
  if (since !== null && !isWhole)
    throw new GatewayError('BAD_INPUT', 'a part of the log cannot be compared with an older checkpoint: export all of it')
  const note = await textIn(dir, CHECKPOINT)
  const opened = openedCheckpoint(note, key, faults)
  const witnessed = witnesses ? checkWitnesses(note, witnesses, faults) : null
  const checkpoint = opened ?? { origin: key.name, size: about.size, root: new Uint8Array(32) }
  const tiles = isWhole ? new ExportedTiles(dir, checkpoint.size, faults) : null
  if (tiles && opened) await checkTiles(tiles, opened, faults)
  const older = since === null ? null : olderCheckpoint(since, key, faults)
  if (tiles && opened && older) await checkConsistency(tiles, older, opened, faults)
  const removal = await removalOf(dir, about, faults)
  if (tiles && opened && removal) await checkRemoval(tiles, removal, opened, faults)
  const check = new EntryCheck({ checkpoint, note, tiles, faults, about, removal, allowMissingSets, sets: (hash) => setIn(dir, hash) })
  const { entries, payloads, decisions, sample, calls, newest } = await checkLines(dir, check, faults)
  const report: Omit<AuditReport, 'ok' | 'faults' | 'faultCount'> = {
    ...{ origin: checkpoint.origin, size: checkpoint.size, entries, part: about.part, asked: about.asked },
    ...{ key: vkey === null ? 'enclosed' : 'given', keyId: key.keyId, payloads, decisions, sample, calls },
    removed: removal ? removalTold(removal) : null,
    ...{ newest, since: older?.size ?? null, witnesses: witnessed, otherFiles },
  }
  if (complete) for (const why of uncheckedOf(report)) faults.add('unchecked', null, why)
  return { ...report, ok: faults.count === 0, faults: faults.listed(), faultCount: faults.count }
}

/** What an export does not begin with was removed only where an entry of it says so. */
async function removalOf(dir: string, { from = 0 }: About, faults: Faults): Promise<Removal | null> {
  if (from === 0) return null
  const removal = await removalIn(dir, from)
  if (!removal) faults.add('missing', 0, `the export begins at entry ${from}, and no entry of it says that those before were removed`)
  return removal ?? null
}

const iso = (ms: number): string => new Date(ms).toISOString()

const removalTold = ({ floor, index, at, newest }: Removal): NonNullable<AuditReport['removed']> => ({
  ...{ floor, index, at: iso(at), newest: newest === null ? null : iso(newest) },
})

const filesIn = (dir: string): Promise<OtherFiles> =>
  checkFiles(dir).catch((cause: unknown) => {
    throw cause instanceof GatewayError ? cause : new GatewayError('BAD_INPUT', `\`${dir}\` cannot be read`, { cause })
  })

async function textIn(dir: string, name: string): Promise<string> {
  try {
    return await readFile(join(dir, name), 'utf8')
  } catch (cause) {
    throw new GatewayError('BAD_INPUT', `\`${dir}\` is no export: it has no \`${name}\``, { cause })
  }
}

const setIn = (dir: string, hash: string): Promise<string | undefined> =>
  readFile(join(dir, SETS, `${hash}.json`), 'utf8').catch(() => undefined)

function openedCheckpoint(note: string, key: ReturnType<typeof parseVerifierKey>, faults: Faults): Checkpoint | undefined {
  try {
    return openCheckpoint(note, [key], key.name)
  } catch (error) {
    faults.add('checkpoint', null, reason(error))
    return undefined
  }
}

function olderCheckpoint(note: string, key: ReturnType<typeof parseVerifierKey>, faults: Faults): Checkpoint | null {
  try {
    return openCheckpoint(note, [key], key.name)
  } catch (error) {
    faults.add('consistency', null, `the older checkpoint is not of this log: ${reason(error)}`)
    return null
  }
}

/** A line that is too long is the last that is read. */
async function checkLines(dir: string, check: EntryCheck, faults: Faults): ReturnType<EntryCheck['finish']> {
  try {
    for await (const line of linesOf(join(dir, ENTRIES))) await check.line(line)
  } catch (error) {
    if (!(error instanceof RangeError)) throw new GatewayError('BAD_INPUT', `\`${join(dir, ENTRIES)}\` cannot be read`, { cause: error })
    faults.add('line', check.next, `line ${check.lines + 1} of \`${ENTRIES}\` cannot be read: ${error.message}`)
  }
  try {
    return await check.finish()
  } finally {
    await check.close()
  }
}
