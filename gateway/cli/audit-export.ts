import { createWriteStream, existsSync } from 'node:fs'
import { appendFile, mkdir, rename, stat, truncate, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { LRUCache } from 'lru-cache'
import {
  ABOUT,
  type About,
  CHECKPOINT,
  ENTRIES,
  type ExportedLine,
  FORM,
  jsonOf,
  linesOf,
  lineText,
  readLine,
  SETS,
  type SampleDrawn,
  tileFile,
  VKEY,
} from '../audit/exported-line.ts'
import type { Address } from '../config/address-file.ts'
import { GatewayError } from '../core/errors.ts'
import { atPointer, canonicalJson, isJsonObject } from '../core/json.ts'
import { LIMITS } from '../limits.ts'
import { type Hash, inclusionProof, type SubtreeReader } from '../record/merkle.ts'
import { hashesOf, subtreesOf, TILE_WIDTH, tilePath, tilesOf } from '../record/tile.ts'
import { formatProof } from '../record/tlog-proof.ts'
import { type ExportFolder, openExportFolder } from './export-folder.ts'
import { type ChosenPlaces, placesOfCalls, placesOfSample, withRemoval } from './export-places.ts'
import { type GivenEntry, LogSource } from './log-source.ts'
import type { ExitCode, Output } from './output.ts'

export interface AuditExportOptions {
  /** Must not be there yet. */
  out: string
  /** Written at or after, and before; ISO 8601. */
  since: string | null
  until: string | null
  calls: readonly string[] | null
  /** So many calls, drawn by the seed. */
  sample: SampleDrawn | null
  /** Whether payloads are asked for: each look is recorded. */
  payloads: boolean
}

/**
 * Writes the log of a running gateway, or a part of it, into a folder that is verified without the gateway. The folder appears when it is whole; where the
 * command is ended before, the same command goes on. Throws BAD_INPUT, FORBIDDEN without the role of security or auditor, NOT_FOUND, UNAVAILABLE.
 */
export async function exportAudit(output: Output, address: Address, options: AuditExportOptions): Promise<ExitCode> {
  checkBounds(options)
  const source = new LogSource(address)
  const { out, ...asked } = options
  const folder = await openExportFolder({ out, request: canonicalJson(JSON.parse(JSON.stringify(asked))) }, source, (size) =>
    tilesOfGateway(source, size),
  )
  if (folder.isBegun) output.remark(`goes on with what is in ${folder.dir}, of the checkpoint of ${folder.checkpoint.size} entries`)
  const { dir } = folder
  try {
    const made = await write(source, folder, options)
    await folder.finish()
    const kept = made.notKept.length === 0 ? '' : `; the gateway does not keep the text of ${made.notKept.length} policy sets`
    output.print(`${made.entries} of ${made.size} entries in ${out}, with ${made.payloads} payloads and ${made.sets} policy sets${kept}`, {
      out,
      ...made,
    })
    for (const { index, what } of made.altered.slice(0, LIMITS.auditFaultsMax))
      output.remark(`entry ${index} is not as it was recorded: ${what}`)
    return made.altered.length > 0 ? 1 : 0
  } catch (error) {
    const keep = (isBroken(error) || folder.isBegun) && !isRemoved(error)
    await folder.leave(keep)
    if (keep) output.remark(`what was written stays in ${dir}: the same command goes on from there`)
    throw error
  }
}

/** The gateway went away: what it gave is good. */
const isBroken = (error: unknown): boolean =>
  error instanceof GatewayError && (error.code === 'UNAVAILABLE' || error.code === 'CONFIG_INVALID')

const isRemoved = (error: unknown): boolean => error instanceof GatewayError && error.code === 'REMOVED'

const removedMeanwhile = (): GatewayError =>
  new GatewayError('REMOVED', 'entries were removed under retention while they were exported: begin the export again')

function checkBounds({ calls, sample }: AuditExportOptions): void {
  if (calls && (calls.length === 0 || calls.length > LIMITS.exportCallsNamedMax))
    throw new GatewayError('BAD_INPUT', `name between 1 and ${LIMITS.exportCallsNamedMax} calls, or export everything`)
  if (sample && sample.count > LIMITS.sampleCallsExportedMax)
    throw new GatewayError('BAD_INPUT', `a sample has at most ${LIMITS.sampleCallsExportedMax} calls, or export everything`)
  if (sample && (sample.seed.length === 0 || sample.seed.length > LIMITS.sampleSeedCharsMax))
    throw new GatewayError('BAD_INPUT', `a seed has 1 to ${LIMITS.sampleSeedCharsMax} characters`)
}

async function write(source: LogSource, { dir, checkpoint }: ExportFolder, options: AuditExportOptions) {
  const { size } = checkpoint
  const removal = await source.removal()
  const floor = removal?.floor ?? 0
  const about = aboutOf(options, size)
  await writeFile(join(dir, CHECKPOINT), checkpoint.note)
  await writeFile(join(dir, VKEY), `${checkpoint.vkey}\n`)
  const isWhole = about.part === 'whole'
  if (isWhole) await writeTiles(source, dir, size)
  const { calls, sample } = options
  const places = sample ? await placesOfSample(source, { size, floor }, sample) : calls ? await placesOfCalls(source, size, calls) : null
  const chosen = places && withRemoval(places, removal, size)
  const collected = new Collected()
  const from = await begunIn(join(dir, ENTRIES), collected)
  // A part by time says nothing of what was before it.
  const begins = isWhole ? (collected.first ?? floor) : chosen ? floor : 0
  if (removal && begins === removal.floor && removal.index >= size) throw removedMeanwhile()
  const subtrees = isWhole ? null : tilesOfGateway(source, size)
  const lines = linesFrom(chosen ? entriesAt(source, chosen, from, options) : entriesIn(source, { from, before: size }, options), {
    ...{ collected, subtrees, checkpoint, shown: chosen?.shown ?? new Set(), next: from === 0 ? floor : from },
    floorNow: async () => (await source.removal())?.floor ?? 0,
  })
  await pipeline(Readable.from(lines), createWriteStream(join(dir, ENTRIES), { flags: 'a' }))
  const notKept = await writeSets(source, join(dir, SETS), collected.sets)
  await writeFile(join(dir, ABOUT), `${JSON.stringify({ ...about, ...(begins > 0 && { from: begins }) })}\n`)
  const { entries, payloads, sets, altered } = collected
  return { altered, size, part: about.part, entries, payloads, sets: sets.size - notKept.length, notKept }
}

function aboutOf({ since, until, calls, sample }: AuditExportOptions, size: number): About {
  const about = (part: About['part'], asked: string): About => ({ form: FORM, size, part, asked })
  if (sample) return { ...about('calls', `${sample.count} calls drawn with the seed ${sample.seed}`), sample }
  if (calls) return about('calls', calls.length > LIMITS.exportCallsMax ? `${calls.length} calls` : `calls ${calls.join(', ')}`)
  if (since === null && until === null) return about('whole', 'everything')
  const asked = [since && `from ${since}`, until && `to ${until}`].filter(Boolean).join(' ')
  return { ...about('range', asked), ...(since === null ? {} : { since }), ...(until === null ? {} : { until }) }
}

/** Writes a file of which there is either all or nothing. */
async function writeWhole(file: string, content: () => Promise<string | Uint8Array | undefined>): Promise<boolean> {
  if (existsSync(file)) return true
  const bytes = await content()
  if (bytes === undefined) return false
  await writeFile(`${file}.new`, bytes)
  await rename(`${file}.new`, file)
  return true
}

async function writeTiles(source: LogSource, dir: string, size: number): Promise<void> {
  for (const address of tilesOf(size)) {
    const path = tilePath(address)
    const file = join(dir, tileFile(path))
    await mkdir(dirname(file), { recursive: true })
    await writeWhole(file, () => source.file(path))
  }
}

/** Returns the hashes of those whose text the gateway does not keep. */
async function writeSets(source: LogSource, dir: string, sets: ReadonlySet<string>): Promise<readonly string[]> {
  await mkdir(dir, { recursive: true })
  const notKept: string[] = []
  for (const hash of sets) if (!(await writeWhole(join(dir, `${hash}.json`), () => source.policySet(hash)))) notKept.push(hash)
  return notKept
}

/** What is found while entries go by. */
class Collected {
  first: number | undefined
  entries = 0
  payloads = 0
  /** What the database has not, or otherwise than it was recorded, by index. */
  readonly altered: { index: number; what: string }[] = []
  /** Hashes of policy sets that decided. */
  readonly sets = new Set<string>()

  add({ index, leaf, payload, shown }: ExportedLine): void {
    this.first ??= index
    this.entries += 1
    if (payload !== undefined) this.payloads += 1
    const set = shown ? undefined : policySetOf(leaf, payload)
    if (set !== undefined) this.sets.add(set)
  }
}

/** Takes in what a command that was ended has written, but for a line that it did not end. Returns the index that comes next. */
async function begunIn(file: string, collected: Collected): Promise<number> {
  if (!existsSync(file)) return 0
  let [next, bytes] = [0, 0]
  for await (const text of linesOf(file)) {
    const line = text === null ? undefined : readLine(text)
    if (!line || text === null) break
    collected.add(line)
    next = line.index + 1
    bytes += Buffer.byteLength(text) + 1
  }
  const { size } = await stat(file)
  if (bytes > size) await appendFile(file, '\n')
  else await truncate(file, bytes)
  return next
}

interface LinesOf {
  collected: Collected
  /** Null for a whole log: its entries need no proofs. */
  subtrees: SubtreeReader | null
  checkpoint: ExportFolder['checkpoint']
  shown: ReadonlySet<number>
  /** Index of the first, where nothing is left out. */
  next: number
  floorNow: () => Promise<number>
}

async function* linesFrom(entries: AsyncIterable<GivenEntry>, { collected, subtrees, checkpoint, shown, next, floorNow }: LinesOf) {
  let expected = next
  for await (const entry of entries) {
    if (!subtrees && entry.index !== expected) {
      if ((await floorNow()) > expected) throw removedMeanwhile()
      // What retention has not removed somebody else has.
      collected.altered.push({ index: expected, what: entry.index - expected === 1 ? 'it is gone' : `${entry.index - expected} are gone` })
    }
    if (entry.fault === 'leaf') collected.altered.push({ index: entry.index, what: 'its text is not what the log has the hash of' })
    if (entry.fault === 'payload') collected.altered.push({ index: entry.index, what: 'its payload does not open' })
    expected = entry.index + 1
    const line = shown.has(entry.index) ? { index: entry.index, leaf: entry.leaf, shown: true as const } : lineOf(entry)
    const proof =
      subtrees &&
      formatProof({ index: entry.index, path: await inclusionProof(subtrees, entry.index, checkpoint.size), checkpoint: checkpoint.note })
    const whole: ExportedLine = { ...line, ...(proof === null ? {} : { proof }) }
    collected.add(whole)
    yield `${lineText(whole)}\n`
  }
  if (!subtrees && expected < checkpoint.size) collected.altered.push({ index: expected, what: `${checkpoint.size - expected} are gone` })
}

const lineOf = ({ index, leaf, payload, salt, erased, fault }: GivenEntry): ExportedLine => ({
  ...{ index, leaf },
  ...(payload === null || salt === null ? {} : { payload, salt }),
  ...(erased ? { erased: true } : {}),
  ...(fault === 'payload' ? { unreadable: true } : {}),
})

const entriesIn = (source: LogSource, range: { from: number; before: number }, { since, until, payloads }: AuditExportOptions) =>
  source.entries({ ...range, since, until }, payloads)

/** Chosen entries from an index on, page by page. */
async function* entriesAt(
  source: LogSource,
  { places, shown }: ChosenPlaces,
  from: number,
  { payloads }: AuditExportOptions,
): AsyncGenerator<GivenEntry> {
  const rest = places.filter((place) => place >= from)
  for (let at = 0; at < rest.length; at += LIMITS.pageRowsMax) {
    const page = rest.slice(at, at + LIMITS.pageRowsMax)
    const isShown = (place: number): boolean => shown.has(place)
    const entries = [
      ...(await source.entriesAt(
        page.filter((place) => !isShown(place)),
        payloads,
      )),
      ...(await source.entriesAt(page.filter(isShown), false)),
    ]
    yield* entries.sort((a, b) => a.index - b.index)
  }
}

/** The policy set of a decision; where an entry is very long, all of it is payload. */
function policySetOf(leaf: string, payload: string | undefined): string | undefined {
  const texts = payload?.startsWith('{"whole":') ? [leaf, payload] : [leaf]
  for (const text of texts) {
    const read = jsonOf(text)
    const body = isJsonObject(read) ? (read.body ?? read.whole) : undefined
    const set = isJsonObject(body) ? atPointer(body, '/decision/evidence/policySet') : undefined
    if (typeof set === 'string') return set
  }
  return undefined
}

const TILES_AT_ONCE = 256

function tilesOfGateway(source: LogSource, size: number): SubtreeReader {
  const read = new LRUCache<string, Promise<readonly Hash[]>>({ max: TILES_AT_ONCE })
  return subtreesOf((level, index) => {
    const width = Math.min(TILE_WIDTH, Math.floor(size / TILE_WIDTH ** level) - index * TILE_WIDTH)
    const path = tilePath({ level, index, width })
    const known = read.get(path) ?? source.file(path).then(hashesOf)
    read.set(path, known)
    return known
  })
}
