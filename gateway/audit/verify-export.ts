import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { GatewayError } from '../core/errors.ts'
import { type Checkpoint, openCheckpoint } from '../record/checkpoint.ts'
import { FORM as LEAF } from '../record/leaf.ts'
import { leafHash, sameHash, verifyInclusion } from '../record/merkle.ts'
import { parseVerifierKey } from '../record/signed-note.ts'
import { TILE_WIDTH } from '../record/tile.ts'
import { parseProof } from '../record/tlog-proof.ts'
import { CallCheck, type CallTally } from './check-calls.ts'
import { DecisionCheck, type DecisionTally } from './check-decisions.ts'
import { checkWitnesses, type WitnessPolicy, type WitnessTally } from './check-witnesses.ts'
import { type Removal, removalIn } from './removal.ts'
import { SampleCheck, type SampleTally } from './check-sample.ts'
import { checkConsistency, checkRemoval, checkTiles, ExportedTiles } from './check-tree.ts'
import { entire, type Leaf, readLeaf } from './exported-entry.ts'
import { ABOUT, type About, CHECKPOINT, ENTRIES, type ExportedLine, linesOf, readAbout, readLine, SETS, VKEY } from './exported-line.ts'
import { type AuditFault, Faults } from './faults.ts'

export interface VerifyOptions {
  /** Text of the key to verify with, `name+keyid+base64`; null takes the enclosed one, which proves consistency only. */
  vkey: string | null
  /** Text of an older checkpoint that this log has to go on from. */
  since: string | null
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
  part: About['part']
  asked: string
  key: 'given' | 'enclosed'
  keyId: string
  payloads: { verified: number; erased: number; leftOut: number }
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
  /** By index, at most `LIMITS.auditFaultsMax`. */
  faults: readonly AuditFault[]
  faultCount: number
}

/**
 * Verifies an export with nothing but its files and a key. Reads it once, line by line; what it remembers of ended calls is their names. Throws BAD_INPUT
 * where the folder is no export, or the key or the older checkpoint are none.
 */
export async function verifyExport(dir: string, { vkey, since, witnesses }: VerifyOptions): Promise<AuditReport> {
  const about = readAbout(await textIn(dir, ABOUT))
  if (!about) throw new GatewayError('BAD_INPUT', `\`${join(dir, ABOUT)}\` is not that of an export of this form`)
  const key = parseVerifierKey(vkey ?? (await textIn(dir, VKEY)))
  const faults = new Faults()
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
  const check = new EntryCheck({ checkpoint, note, tiles, faults, about, removal, sets: (hash) => setIn(dir, hash) })
  await checkLines(dir, check, faults)
  const { entries, payloads, decisions, sample, calls } = check.finish()
  return {
    ...{ ok: faults.count === 0, origin: checkpoint.origin, size: checkpoint.size, entries, part: about.part, asked: about.asked },
    ...{ key: vkey === null ? 'enclosed' : 'given', keyId: key.keyId, payloads, decisions, sample, calls },
    removed: removal ? removalTold(removal) : null,
    ...{ since: older?.size ?? null, witnesses: witnessed, faults: faults.listed(), faultCount: faults.count },
  }
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

async function textIn(dir: string, name: string): Promise<string> {
  try {
    return await readFile(join(dir, name), 'utf8')
  } catch (cause) {
    throw new GatewayError('BAD_INPUT', `\`${dir}\` is no export: it has no \`${name}\``, { cause })
  }
}

const setIn = (dir: string, hash: string): Promise<string | undefined> =>
  readFile(join(dir, SETS, `${hash}.json`), 'utf8').catch(() => undefined)

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error))

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
async function checkLines(dir: string, check: EntryCheck, faults: Faults): Promise<void> {
  try {
    for await (const line of linesOf(join(dir, ENTRIES))) await check.line(line)
  } catch (error) {
    if (!(error instanceof RangeError)) throw new GatewayError('BAD_INPUT', `\`${join(dir, ENTRIES)}\` cannot be read`, { cause: error })
    faults.add('line', check.next, `line ${check.lines + 1} of \`${ENTRIES}\` cannot be read: ${error.message}`)
  }
}

interface EntryCheckOptions {
  checkpoint: Checkpoint
  note: string
  /** Null for a part of the log, whose entries have proofs. */
  tiles: ExportedTiles | null
  faults: Faults
  about: About
  /** Why the log begins later than at 0. */
  removal: Removal | null
  sets: (hash: string) => Promise<string | undefined>
}

/** All lines of an export, in their order. */
class EntryCheck {
  readonly #options: EntryCheckOptions
  readonly #payloads = { verified: 0, erased: 0, leftOut: 0 }
  readonly #decisions: DecisionCheck
  readonly #calls: CallCheck | null
  readonly #sample: SampleCheck | null
  readonly #processes = new Map<string, { seq: number; at: number }>()
  #lines = 0
  #next = 0
  #missing = 0

  constructor(options: EntryCheckOptions) {
    this.#options = options
    this.#decisions = new DecisionCheck(options.sets, options.faults)
    const { about, checkpoint, faults, removal, tiles } = options
    if (removal && tiles) {
      this.#next = removal.floor
      for (const [process, seq] of removal.processes) this.#processes.set(process, { seq, at: Number.NEGATIVE_INFINITY })
    }
    this.#calls = about.part === 'range' ? null : new CallCheck(faults)
    this.#sample = about.sample ? new SampleCheck(about.sample, { floor: removal?.floor ?? 0, size: checkpoint.size }, faults) : null
  }

  get lines(): number {
    return this.#lines
  }

  /** Index that the next line is expected to have. */
  get next(): number {
    return this.#next
  }

  async line(text: string | null): Promise<void> {
    const { faults, checkpoint } = this.#options
    const line = text === null ? undefined : readLine(text)
    if (!line || (line.shown && !this.#sample)) {
      faults.add('line', this.#next, `line ${this.#lines + 1} of \`${ENTRIES}\` is none of an export`)
      return
    }
    this.#lines += 1
    const { index } = line
    if (index >= checkpoint.size) {
      faults.add('extra', index, `the checkpoint signs ${checkpoint.size} entries`)
      return
    }
    if (!this.#isInOrder(index)) return
    await this.#checkLeaf(line)
    const leaf = readLeaf(line.leaf)
    if (!leaf) {
      faults.add('leaf', index, `it is no entry of the form \`${LEAF}\``)
      return
    }
    this.#checkSequence(index, leaf)
    this.#sample?.add(index, leaf, line.shown === true)
    if (line.shown) return
    try {
      await this.#checkContent(line, leaf)
    } catch (error) {
      // Only what was not written by a gateway has another shape than its kind says.
      faults.add('leaf', index, `it cannot be read: ${reason(error)}`)
    }
  }

  finish() {
    const { faults, checkpoint, tiles } = this.#options
    if (tiles && this.#next < checkpoint.size)
      faults.add('missing', this.#next, `the export ends here, and the checkpoint signs ${checkpoint.size} entries`)
    const [sample, calls] = [this.#sample?.finish() ?? null, this.#calls?.finish() ?? null]
    return { entries: this.#lines, payloads: this.#payloads, decisions: this.#decisions.tally, sample, calls }
  }

  #isInOrder(index: number): boolean {
    const { faults, tiles } = this.#options
    if (index < this.#next) {
      faults.add('order', index, `it stands after entry ${this.#next - 1}`)
      return false
    }
    if (tiles && index > this.#next) {
      const count = index - this.#next
      faults.add('missing', this.#next, count === 1 ? 'it is not there' : `it is not there, nor are the ${count - 1} after it`)
      this.#missing += count
    }
    this.#next = index + 1
    return true
  }

  async #checkLeaf({ index, leaf, proof }: ExportedLine): Promise<void> {
    const { faults, tiles, checkpoint, note } = this.#options
    const hash = leafHash(Buffer.from(leaf))
    if (tiles) {
      const tile = await tiles.tile(0, Math.floor(index / TILE_WIDTH))
      const logged = tile?.[index % TILE_WIDTH]
      if (logged && !sameHash(logged, hash)) faults.add('leaf', index, 'its text is not what the log has the hash of')
      return
    }
    try {
      const proved = parseProof(proof ?? '')
      if (proved.index !== index) faults.add('proof', index, `its proof is that of entry ${proved.index}`)
      else if (proved.checkpoint !== note) faults.add('proof', index, 'its proof is against another checkpoint')
      else if (!verifyInclusion(index, checkpoint.size, hash, proved.path, checkpoint.root))
        faults.add('proof', index, 'its text is not what its proof leads to the root')
    } catch (error) {
      faults.add('proof', index, reason(error))
    }
  }

  #checkSequence(index: number, { process, seq, at }: Leaf): void {
    const { faults, tiles } = this.#options
    const last = this.#processes.get(process)
    const follows = tiles && this.#missing === 0 ? seq === (last?.seq ?? 0) + 1 : seq > (last?.seq ?? 0)
    if (!follows) faults.add('sequence', index, `entry ${seq} of process \`${process}\` follows entry ${last?.seq ?? 0}`)
    if (last && at < last.at) faults.add('time', index, `it is ${last.at - at} ms earlier than the entry before it of its process`)
    this.#processes.set(process, { seq, at })
  }

  async #checkContent(line: ExportedLine, leaf: Leaf): Promise<void> {
    const { index } = line
    const payload = this.#payloadOf(line, leaf)
    const { body, isComplete } = entire(leaf, payload)
    await this.#decisions.check(index, body, isComplete)
    const { process, seq, call } = leaf
    if (call !== null && this.#isWhole(call))
      this.#calls?.add({ index, process, seq, callId: call, body }, isComplete || Object.keys(leaf.body).length > 1)
  }

  /** Not one that may have lost its beginning with the beginning of the log. */
  #isWhole(call: string): boolean {
    const { removal } = this.#options
    return !removal || call > (removal.lastCall ?? '')
  }

  /** Undefined where the payload is not there, or not what the entry commits to. */
  #payloadOf({ index, payload, salt, erased }: ExportedLine, { commitment }: Leaf): string | undefined {
    const { faults } = this.#options
    if (payload === undefined) {
      if (commitment !== null) this.#payloads[erased ? 'erased' : 'leftOut'] += 1
      return undefined
    }
    const digest = createHash('sha256')
      .update(Buffer.from(salt ?? '', 'base64'))
      .update(payload)
      .digest('hex')
    if (digest === commitment) {
      this.#payloads.verified += 1
      return payload
    }
    faults.add('payload', index, 'salt and payload are not what the entry commits to')
    return undefined
  }
}
