import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { jsonOf } from '../audit/exported-line.ts'
import { GatewayError } from '../core/errors.ts'
import { isJsonObject } from '../core/json.ts'
import { openCheckpoint } from '../record/checkpoint.ts'
import { rootHash, sameHash, type SubtreeReader } from '../record/merkle.ts'
import { parseVerifierKey } from '../record/signed-note.ts'
import { lockDataDirectory } from '../storage/data-lock.ts'
import type { GivenCheckpoint, LogSource } from './log-source.ts'

/** In a folder that is not whole yet: what it is to become. */
const UNFINISHED = 'unfinished.json'
const LOCK = 'gatehouse.lock'

/** The folder that an export is made in: it stands beside the one that it becomes, and stays where the command is ended before it is whole. */
export interface ExportFolder {
  dir: string
  /** Of the log as it was when the export began. */
  checkpoint: GivenCheckpoint
  /** What an earlier command wrote is in it. */
  isBegun: boolean
  /** It is whole, and gets its name. */
  finish(): Promise<void>
  /** Gives it up: for another command to go on with, or, where nothing is in it that was hard to get, for good. */
  leave(keep: boolean): Promise<void>
}

/**
 * Opens the folder for an export to `out`, to go on with where one with the same `request` was not ended. An export is of one checkpoint: it goes on with
 * that of its beginning, and only where the gateway's log still has it. Throws BAD_INPUT where `out` is there, or another export, log or command is in the way.
 */
export async function openExportFolder(
  { out, request }: { out: string; request: string },
  source: LogSource,
  subtrees: (size: number) => SubtreeReader,
): Promise<ExportFolder> {
  if (existsSync(out)) throw new GatewayError('BAD_INPUT', `\`${out}\` is there already: name a folder that is not`)
  const dir = `${resolve(out)}.part`
  await mkdir(dirname(dir), { recursive: true })
  const unlock = lockedFolder(dir)
  const leave = async (keep: boolean): Promise<void> => {
    if (!keep) await rm(dir, { recursive: true, force: true })
    else unlock()
  }
  let isBegun = true
  try {
    const begun = await readBegun(dir, request)
    isBegun = begun !== undefined
    const checkpoint = begun ? await stillOf(source, begun, subtrees) : await source.checkpoint()
    if (!begun) await begin(dir, request, checkpoint)
    return { dir, checkpoint, isBegun, leave, finish: () => finish(dir, out, unlock) }
  } catch (error) {
    await leave(isBegun)
    throw error
  }
}

function lockedFolder(dir: string): () => void {
  try {
    return lockDataDirectory(dir)
  } catch (cause) {
    throw new GatewayError('BAD_INPUT', `another command writes into \`${dir}\`: wait for it, or name another folder`, { cause })
  }
}

async function finish(dir: string, out: string, unlock: () => void): Promise<void> {
  await rm(join(dir, UNFINISHED))
  unlock()
  await rename(dir, resolve(out))
}

async function begin(dir: string, request: string, checkpoint: GivenCheckpoint): Promise<void> {
  const draft = join(dir, `${UNFINISHED}.new`)
  await writeFile(draft, JSON.stringify({ request, ...checkpoint }))
  await rename(draft, join(dir, UNFINISHED))
}

/** Undefined where nothing is in the folder. */
async function readBegun(dir: string, request: string): Promise<GivenCheckpoint | undefined> {
  const text = await readFile(join(dir, UNFINISHED), 'utf8').catch(() => undefined)
  if (text === undefined) {
    const names = (await readdir(dir)).filter((name) => name !== LOCK && name !== `${UNFINISHED}.new`)
    if (names.length > 0) throw inTheWay(dir)
    return undefined
  }
  const begun = jsonOf(text)
  if (!isJsonObject(begun) || begun.request !== request) throw inTheWay(dir)
  const { note, size, vkey } = begun
  if (typeof note !== 'string' || typeof size !== 'number' || typeof vkey !== 'string') throw inTheWay(dir)
  return { note, size, vkey }
}

const inTheWay = (dir: string): GatewayError =>
  new GatewayError(
    'BAD_INPUT',
    `\`${dir}\` has something else in it, or the beginning of another export: remove it, or name another folder`,
  )

/** The gateway's log goes on from the checkpoint of then. */
async function stillOf(source: LogSource, begun: GivenCheckpoint, subtrees: (size: number) => SubtreeReader): Promise<GivenCheckpoint> {
  const { vkey, size } = await source.checkpoint()
  const key = parseVerifierKey(begun.vkey)
  const then = openCheckpoint(begun.note, [key], key.name)
  const isSame = vkey === begun.vkey && size >= then.size && sameHash(await rootHash(subtrees(then.size), then.size), then.root)
  if (!isSame)
    throw new GatewayError('BAD_INPUT', 'the log of this gateway is not the one that the export was begun from: remove what was begun')
  return begun
}
