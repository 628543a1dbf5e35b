import { LIMITS } from '../limits.ts'
import type { Checkpoint } from '../record/checkpoint.ts'
import { FORM as LEAF } from '../record/leaf.ts'
import { leafHash, sameHash, verifyInclusion } from '../record/merkle.ts'
import { TILE_WIDTH } from '../record/tile.ts'
import { parseProof } from '../record/tlog-proof.ts'
import { CallCheck } from './check-calls.ts'
import { DecisionCheck } from './check-decisions.ts'
import { RulesCheck } from './check-rules.ts'
import { requestFaults } from './check-request.ts'
import { PayloadCheck } from './check-payloads.ts'
import { SampleCheck } from './check-sample.ts'
import { TimeCheck } from './check-time.ts'
import type { ExportedTiles } from './check-tree.ts'
import { entire, isCanonical, type Leaf, readLeaf } from './exported-entry.ts'
import { type About, ENTRIES, type ExportedLine, readLine } from './exported-line.ts'
import { type Faults, reason } from './faults.ts'
import type { Removal } from './removal.ts'

export interface EntryCheckOptions {
  checkpoint: Checkpoint
  note: string
  /** Null for a part of the log, whose entries have proofs. */
  tiles: ExportedTiles | null
  faults: Faults
  about: About
  /** Why the log begins later than at 0. */
  removal: Removal | null
  allowMissingSets: boolean
  sets: (hash: string) => Promise<string | undefined>
}

/** All lines of an export, in their order. */
export class EntryCheck {
  readonly #options: EntryCheckOptions
  readonly #payloads: PayloadCheck
  readonly #decisions: DecisionCheck
  readonly #calls: CallCheck
  readonly #sample: SampleCheck | null
  readonly #time: TimeCheck
  /** Null where the log is not whole: its beginning, or what nobody asked for, may have been what put policies in force. */
  readonly #rules: RulesCheck | null
  readonly #processes = new Map<string, { seq: number; at: number }>()
  #lines = 0
  #next = 0
  #missing = 0

  constructor(options: EntryCheckOptions) {
    this.#options = options
    const { about, checkpoint, faults, removal, tiles, sets, allowMissingSets } = options
    this.#decisions = new DecisionCheck(sets, faults, allowMissingSets)
    this.#payloads = new PayloadCheck(faults)
    if (removal && tiles) {
      this.#next = removal.floor
      for (const [process, seq] of removal.processes) this.#processes.set(process, { seq, at: Number.NEGATIVE_INFINITY })
    }
    this.#time = new TimeCheck(about, faults)
    this.#rules = about.part === 'whole' && !removal ? new RulesCheck(faults) : null
    this.#calls = new CallCheck(faults, about.part)
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
    const leaf = isCanonical(line.leaf) ? readLeaf(line.leaf) : undefined
    if (!leaf) {
      faults.add('leaf', index, `it is no entry of the form \`${LEAF}\`, in canonical JSON`)
      return
    }
    this.#checkSequence(index, leaf)
    this.#time.add(index, leaf)
    this.#sample?.add(index, leaf, line.shown === true)
    if (line.shown) return
    try {
      await this.#checkContent(line, leaf)
    } catch (error) {
      // Only what was not written by a gateway has another shape than its kind says.
      faults.add('leaf', index, `it cannot be read: ${reason(error)}`)
    }
  }

  async finish() {
    const { faults, checkpoint, tiles } = this.#options
    if (tiles && this.#next < checkpoint.size)
      faults.add('missing', this.#next, `the export ends here, and the checkpoint signs ${checkpoint.size} entries`)
    this.#payloads.finish()
    this.#rules?.finish()
    const sample = this.#sample?.finish() ?? null
    const { calls, erased } = await this.#calls.finish()
    const payloads = { ...this.#payloads.tally, erased: erased.told, erasedUnchecked: erased.unchecked }
    return { entries: this.#lines, payloads, decisions: this.#decisions.tally, sample, calls, newest: this.#time.finish() }
  }

  close(): Promise<void> {
    return this.#calls.close()
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
    const { faults, tiles, about } = this.#options
    const last = this.#processes.get(process)
    const isDense = tiles ? this.#missing === 0 : about.part === 'range' && last !== undefined
    const follows = isDense ? seq === (last?.seq ?? 0) + 1 : seq > (last?.seq ?? 0)
    if (!follows) faults.add('sequence', index, `entry ${seq} of process \`${process}\` follows entry ${last?.seq ?? 0}`)
    if (last && at < last.at) faults.add('time', index, `it is ${last.at - at} ms earlier than the entry before it of its process`)
    if (last === undefined && this.#processes.size >= LIMITS.auditProcessesMax)
      faults.add('sequence', index, `it is of one process more than the ${LIMITS.auditProcessesMax} that are told apart`)
    else this.#processes.set(process, { seq, at })
  }

  async #checkContent(line: ExportedLine, leaf: Leaf): Promise<void> {
    const { index } = line
    const payload = this.#payloads.of(line, leaf.commitment)
    const { body, isComplete } = entire(leaf, payload.text)
    await this.#decisions.check(index, body, isComplete)
    this.#rules?.add(index, body)
    const { process, seq, at, call } = leaf
    const place = { index, process, seq, at }
    if (isComplete) for (const why of requestFaults(body)) this.#options.faults.add('decision', index, why)
    if (payload.bare) await this.#calls.bare(call, place)
    const readable = isComplete || Object.keys(leaf.body).length > 1
    await this.#calls.add(this.#isWhole(call) ? call : null, { ...place, body }, { complete: isComplete, readable })
  }

  /** Not one that may have lost its beginning with the beginning of the log. */
  #isWhole(call: string | null): boolean {
    const { removal } = this.#options
    return !removal || (call !== null && call > (removal.lastCall ?? ''))
  }
}
