import { createHash, randomBytes } from 'node:crypto'
import { createWriteStream, existsSync } from 'node:fs'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { LRUCache } from 'lru-cache'
import { ABOUT, type About, CHECKPOINT, ENTRIES, type ExportedLine, FORM, jsonOf, SETS, tileFile, VKEY } from '../audit/exported-line.ts'
import type { Address } from '../config/address-file.ts'
import { GatewayError } from '../core/errors.ts'
import { atPointer, isJsonObject } from '../core/json.ts'
import { LIMITS } from '../limits.ts'
import { type Hash, inclusionProof, type SubtreeReader } from '../record/merkle.ts'
import { hashesOf, subtreesOf, TILE_WIDTH, tilePath, tilesOf } from '../record/tile.ts'
import { formatProof } from '../record/tlog-proof.ts'
import { type GivenCheckpoint, type GivenEntry, LogSource } from './log-source.ts'
import type { ExitCode, Output } from './output.ts'

export interface AuditExportOptions {
  /** Must not be there yet. */
  out: string
  /** Written at or after, and before; ISO 8601. */
  since: string | null
  until: string | null
  calls: readonly string[] | null
  /** So many entries, drawn by the seed, with all of the calls that they belong to. */
  sample: { count: number; seed: string } | null
  /** Whether payloads are asked for: each look is recorded. */
  payloads: boolean
}

/**
 * Writes the log of a running gateway, or a part of it, into a folder that is verified without the gateway. The folder appears when it is whole. Throws
 * BAD_INPUT, FORBIDDEN without the role of security or auditor, NOT_FOUND, UNAVAILABLE.
 */
export async function exportAudit(output: Output, address: Address, options: AuditExportOptions): Promise<ExitCode> {
  const out = resolve(options.out)
  if (existsSync(out)) throw new GatewayError('BAD_INPUT', `\`${options.out}\` is there already: name a folder that is not`)
  const source = new LogSource(address)
  const making = `${out}.part-${randomBytes(6).toString('hex')}`
  await mkdir(dirname(out), { recursive: true })
  await mkdir(making, { mode: 0o700 })
  try {
    const made = await write(source, making, options)
    await rename(making, out)
    const kept = made.notKept.length === 0 ? '' : `; the gateway does not keep the text of ${made.notKept.length} policy sets`
    output.print(
      `${made.entries} of ${made.size} entries in ${options.out}, with ${made.payloads} payloads and ${made.sets} policy sets${kept}`,
      {
        out: options.out,
        ...made,
      },
    )
    return 0
  } catch (error) {
    await rm(making, { recursive: true, force: true })
    throw error
  }
}

async function write(source: LogSource, dir: string, options: AuditExportOptions) {
  const checkpoint = await source.checkpoint()
  const about = aboutOf(options, checkpoint.size)
  await writeFile(join(dir, CHECKPOINT), checkpoint.note)
  await writeFile(join(dir, VKEY), `${checkpoint.vkey}\n`)
  await writeFile(join(dir, ABOUT), `${JSON.stringify(about)}\n`)
  const isWhole = about.part === 'whole'
  if (isWhole) await writeTiles(source, dir, checkpoint.size)
  const calls = options.sample ? await callsOfSample(source, checkpoint.size, options.sample) : options.calls
  const collected = new Collected()
  const lines = linesOf(source, options, { calls, checkpoint, isWhole }, collected)
  await pipeline(Readable.from(lines), createWriteStream(join(dir, ENTRIES)))
  await mkdir(join(dir, SETS))
  const notKept: string[] = []
  for (const hash of collected.sets) {
    const whole = await source.policySet(hash)
    if (whole === undefined) notKept.push(hash)
    else await writeFile(join(dir, SETS, `${hash}.json`), whole)
  }
  const { entries, payloads, sets } = collected
  return { size: checkpoint.size, part: about.part, entries, payloads, sets: sets.size - notKept.length, notKept }
}

function aboutOf({ since, until, calls, sample }: AuditExportOptions, size: number): About {
  const about = (part: About['part'], asked: string): About => ({ form: FORM, size, part, asked })
  if (sample) return about('calls', `${sample.count} entries drawn with the seed ${sample.seed}, and all of their calls`)
  if (calls) return about('calls', `calls ${calls.join(', ')}`)
  if (since === null && until === null) return about('whole', 'everything')
  return about('range', [since && `from ${since}`, until && `to ${until}`].filter(Boolean).join(' '))
}

async function writeTiles(source: LogSource, dir: string, size: number): Promise<void> {
  for (const address of tilesOf(size)) {
    const path = tilePath(address)
    const file = join(dir, tileFile(path))
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, await source.file(path))
  }
}

/** What is found while entries go by. */
class Collected {
  entries = 0
  payloads = 0
  /** Hashes of policy sets that decided. */
  readonly sets = new Set<string>()
}

interface Part {
  calls: readonly string[] | null
  checkpoint: GivenCheckpoint
  isWhole: boolean
}

async function* linesOf(source: LogSource, { since, until, payloads }: AuditExportOptions, part: Part, collected: Collected) {
  const { calls, checkpoint, isWhole } = part
  const subtrees = isWhole ? null : tilesOfGateway(source, checkpoint.size)
  const asked = { from: 0, before: checkpoint.size, since, until }
  const entries = calls === null ? source.entries({ ...asked, calls }, payloads) : entriesOfCalls(source, asked, calls, payloads)
  for await (const entry of entries) {
    const line = lineOf(entry)
    if (subtrees) {
      const path = await inclusionProof(subtrees, entry.index, checkpoint.size)
      line.proof = formatProof({ index: entry.index, path, checkpoint: checkpoint.note })
    }
    collected.entries += 1
    if (entry.payload !== null) collected.payloads += 1
    const set = policySetOf(entry)
    if (set !== undefined) collected.sets.add(set)
    yield `${JSON.stringify(line)}\n`
  }
}

/** Calls are asked for so many at a time, and their entries put into the log's order: `LIMITS.exportCallsMax` times a few. */
async function* entriesOfCalls(
  source: LogSource,
  asked: Omit<Parameters<LogSource['entries']>[0], 'calls'>,
  calls: readonly string[],
  payloads: boolean,
): AsyncGenerator<GivenEntry> {
  if (calls.length > LIMITS.exportCallsMax)
    throw new GatewayError(
      'BAD_INPUT',
      `${calls.length} calls are too many for one part: at most ${LIMITS.exportCallsMax}, or export everything`,
    )
  if (calls.length > 0) yield* source.entries({ ...asked, calls }, payloads)
}

function lineOf({ index, leaf, payload, salt, erased }: GivenEntry): ExportedLine {
  return { index, leaf, ...(payload === null || salt === null ? {} : { payload, salt }), ...(erased ? { erased: true } : {}) }
}

/** The policy set of a decision; where an entry is very long, all of it is payload. */
function policySetOf({ leaf, payload }: GivenEntry): string | undefined {
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

/** The entry that a draw comes to: the first 48 bits of SHA-256 over `seed`, the size of the log and the draw's number, modulo the size. */
export const drawnIndex = (seed: string, size: number, draw: number): number =>
  createHash('sha256').update(`${seed}\n${size}\n${draw}`).digest().readUIntBE(0, 6) % size

async function callsOfSample(
  source: LogSource,
  size: number,
  { count, seed }: { count: number; seed: string },
): Promise<readonly string[]> {
  if (count > LIMITS.exportCallsMax)
    throw new GatewayError('BAD_INPUT', `a sample has at most ${LIMITS.exportCallsMax} entries, or export everything`)
  const calls = new Set<string>()
  for (let draw = 0; draw < count; draw += 1) {
    const from = drawnIndex(seed, size, draw)
    for await (const { leaf } of source.entries({ from, before: from + 1, since: null, until: null, calls: null }, false)) {
      const read = jsonOf(leaf)
      if (isJsonObject(read) && typeof read.call === 'string') calls.add(read.call)
    }
  }
  return [...calls]
}
