import { GatewayError } from '../core/errors.ts'
import { LIMITS } from '../limits.ts'
import type { LogPlace, LogStore } from '../ports/log.ts'
import type { Log } from '../ports/telemetry.ts'
import { type Checkpoint, openCheckpoint } from './checkpoint.ts'
import { openOwn, refuseOlder } from './grow-log.ts'
import { leafOf } from './leaf.ts'
import { consistencyProof, EMPTY_ROOT, inclusionProof, leafHash, rootHash, sameHash, verifyConsistency, verifyInclusion } from './merkle.ts'
import type { NoteVerifier } from './signed-note.ts'
import { subtreesOf, TILE_WIDTH } from './tile.ts'

/** Where the last signed checkpoint is kept outside the database. */
export interface KeptCheckpoint {
  /** Undefined where none was kept yet. */
  read(): Promise<string | undefined>
  /** Whole or not at all, also where power is lost. */
  write(note: string): Promise<void>
  /** Puts aside what was kept of this size, for whoever looks into it. */
  putAside(size: number): Promise<void>
}

export interface LogGuardOptions {
  store: LogStore
  /** The gateway's own. */
  key: NoteVerifier
  kept: KeptCheckpoint
  log: Log
  /** Told of each entry that is found altered. */
  onAltered(): void
}

/** Places where something was found, remembered until they are right again. */
const FOUND_MAX = 1_000

/**
 * Looks whether the log in the database is still the one that was signed. Every `LIMITS.logGuardMs` its newest checkpoint has to go on from the one that
 * is kept outside the database, and is kept in its place; every `LIMITS.logRecheckMs` a tile of entries is hashed anew, one after the other and round
 * again, so that an edit of an old entry is found however old it is.
 */
export class LogGuard {
  readonly #options: LogGuardOptions
  readonly #found = new Map<number, string>()
  #kept: Checkpoint | undefined
  #read = false
  #faulty: string | undefined
  #tile: number | undefined
  #timers: NodeJS.Timeout[] = []
  #looking: Promise<void> = Promise.resolve()

  constructor(options: LogGuardOptions) {
    this.#options = options
  }

  /** The checkpoint that is kept outside the database. */
  get kept(): Checkpoint | undefined {
    return this.#kept
  }

  /** Why the log is not what was signed; undefined where nothing of the kind is known. */
  get broken(): string | undefined {
    return this.#faulty ?? this.#found.values().next().value
  }

  start(): void {
    const every = (ms: number, look: () => Promise<void>): NodeJS.Timeout => setInterval(() => this.#queue(look), ms).unref()
    this.#timers = [every(LIMITS.logGuardMs, () => this.#watch()), every(LIMITS.logRecheckMs, () => this.#recheckNext())]
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    await this.#looking
    await this.#watch().catch(() => undefined)
  }

  /** One look at a time; one that is late is left out. */
  #queue(look: () => Promise<void>): void {
    this.#looking = this.#looking.then(look).catch((error: unknown) => {
      // The database is away: said elsewhere.
      if (!(error instanceof GatewayError)) this.#options.log.warn({ error }, 'nobody can tell whether the log is still what was signed')
    })
  }

  async #watch(): Promise<void> {
    const before = this.#faulty
    try {
      await this.compare()
      if (before !== undefined) this.#options.log.info({}, 'the log is again what this gateway signed')
    } catch (error) {
      if (!(error instanceof GatewayError) || error.code !== 'RECORD_ALTERED') throw error
      if (before === undefined) this.#options.log.error({ why: error.message }, 'the log is broken')
    }
  }

  /**
   * Compares the newest checkpoint with what is kept, and keeps it. Throws RECORD_ALTERED where the log is older, does not go on from it, or is not what its
   * checkpoint says; UNAVAILABLE.
   */
  async compare(): Promise<void> {
    const { kept } = this.#options
    await this.#readKept()
    const now = await this.#options.store.checkpoint()
    try {
      refuseOlder(now?.size ?? 0, this.#kept)
      if (!now) return
      const signed = this.#open(now.note)
      if (this.#kept && this.#kept.size === signed.size && sameHash(this.#kept.root, signed.root)) {
        this.#faulty = undefined
        return
      }
      await this.#prove(signed, this.#kept)
      await kept.write(now.note)
      this.#kept = signed
      this.#faulty = undefined
    } catch (error) {
      if (error instanceof GatewayError && error.code === 'RECORD_ALTERED') this.#faulty = error.message
      throw error
    }
  }

  /**
   * Takes the log as it is in the database for the one to go on from, after an honest restore, once `tell` has told what was given up: false where it goes on
   * from what is kept. Its tree has to be the one of its own checkpoint all the same. Throws RECORD_ALTERED, UNAVAILABLE.
   */
  async acceptOlder(tell: (from: Checkpoint, to: Checkpoint | undefined) => Promise<void>): Promise<boolean> {
    await this.#readKept()
    const from = this.#kept
    const now = await this.#options.store.checkpoint()
    const to = now && this.#open(now.note)
    if (!from || (to && to.size >= from.size && (await this.#goesOn(from, to)))) return false
    if (to) await this.#prove(to, undefined)
    await tell(from, to)
    await this.#options.kept.putAside(from.size)
    if (now) await this.#options.kept.write(now.note)
    this.#kept = to
    this.#faulty = undefined
    return true
  }

  async #readKept(): Promise<void> {
    if (this.#read) return
    const { kept, key } = this.#options
    const note = await kept.read()
    // What another key signed, or somebody wrote, says nothing: it is left where it is, and refuses.
    this.#kept = note === undefined ? undefined : openKept(note, key)
    this.#read = true
  }

  #open(note: string): Checkpoint {
    const { key } = this.#options
    return openOwn(note, [key], key.name)
  }

  #subtrees() {
    const { store } = this.#options
    return subtreesOf((level, index) => store.hashes(level, index * TILE_WIDTH, TILE_WIDTH))
  }

  async #goesOn(from: Checkpoint, to: Checkpoint): Promise<boolean> {
    if (from.size === to.size) return sameHash(from.root, to.root)
    const proof = await whole(consistencyProof(this.#subtrees(), from.size, to.size))
    return proof !== undefined && verifyConsistency(from.size, to.size, from.root, to.root, proof)
  }

  async #prove(signed: Checkpoint, from: Checkpoint | undefined): Promise<void> {
    const root = signed.size === 0 ? EMPTY_ROOT : await whole(rootHash(this.#subtrees(), signed.size))
    if (!root || !sameHash(root, signed.root)) {
      // Another replica may have grown it meanwhile, but never these tiles.
      throw new GatewayError(
        'RECORD_ALTERED',
        `the hashes in the database do not add up to the checkpoint of ${signed.size} entries: somebody altered \`log_hash\``,
      )
    }
    if (from && !(await this.#goesOn(from, signed)))
      throw new GatewayError(
        'RECORD_ALTERED',
        `the log of ${signed.size} entries in the database does not go on from the ${from.size} that this gateway signed before: it was written anew`,
      )
  }

  async #recheckNext(): Promise<void> {
    const { store } = this.#options
    const [checkpoint, floor] = [await store.checkpoint(), await store.floor()]
    if (!checkpoint) return
    const [first, end] = [Math.floor(floor.index / TILE_WIDTH), Math.ceil(checkpoint.size / TILE_WIDTH)]
    // Replicas begin at places of their own.
    this.#tile ??= first + Math.floor(Math.random() * (end - first))
    if (this.#tile < first || this.#tile >= end) this.#tile = first
    await this.recheck(this.#tile)
    this.#tile += 1
  }

  /**
   * Hashes the entries of a tile anew, compares them with its leaves, and those with the signed root. What is found is an error in the log, by index, and
   * stays known until a later look finds it right. Throws UNAVAILABLE.
   */
  async recheck(tile: number): Promise<readonly number[]> {
    const { store, key, onAltered, log } = this.#options
    const checkpoint = await store.checkpoint()
    if (!checkpoint) return []
    const { size, root } = openCheckpoint(checkpoint.note, [key], key.name)
    const from = tile * TILE_WIDTH
    const places = await store.places(from, Math.min(TILE_WIDTH, size - from))
    // Removed under retention meanwhile: said by the log itself.
    if (from < (await store.floor()).index) return []
    const wrong = places.filter((place) => !isItsLeaf(place)).map(({ index }) => index)
    const path = await whole(inclusionProof(this.#subtrees(), from, size))
    const hash = places[0]?.hash
    if (!path || !hash || !verifyInclusion(from, size, hash, path, root)) wrong.push(...(wrong.includes(from) ? [] : [from]))
    for (const { index } of places) if (!wrong.includes(index)) this.#found.delete(index)
    for (const index of wrong) {
      if (this.#found.has(index) || this.#found.size >= FOUND_MAX) continue
      this.#found.set(index, `the entry at index ${index} of the log is not what was signed`)
      onAltered()
      log.error(
        { index },
        'an entry in the database is not what the log has of it: somebody altered or removed it, or the hashes of the log',
      )
    }
    return wrong
  }
}

/** Whether the entry at a place is the one whose hash stands in the tree. */
export const isItsLeaf = ({ hash, entry }: Pick<LogPlace, 'hash' | 'entry'>): boolean =>
  hash !== null && entry !== null && sameHash(hash, leafHash(leafOf(entry)))

function openKept(note: string, key: NoteVerifier): Checkpoint {
  try {
    return openCheckpoint(note, [key], key.name)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : 'unreadable'
    throw new GatewayError(
      'RECORD_ALTERED',
      `the checkpoint that is kept in the data directory is none of \`${key.name}\`: ${why}: remove the file if you know why`,
      { cause },
    )
  }
}

/** Undefined where hashes are missing that the tree needs. */
const whole = <T>(made: Promise<T>): Promise<T | undefined> =>
  made.catch((error: unknown) => {
    if (error instanceof RangeError) return undefined
    throw error
  })
