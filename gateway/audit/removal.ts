import { isJsonObject } from '../core/json.ts'
import { readLeaf } from './exported-entry.ts'
import { ENTRIES, linesOf, readLine } from './exported-line.ts'
import { join } from 'node:path'

/** What an entry of the log says of those before `floor`: they were removed under retention. */
export interface Removal {
  floor: number
  /** Of the entry, in the log. */
  index: number
  at: number
  /** When the newest of the removed entries was written. */
  newest: number | null
  /** Calls of later ids have lost nothing. */
  lastCall: string | null
  /** The last entry that was removed, of each process that has others. */
  processes: ReadonlyMap<string, number>
  /** Of the log as it was then, by its checkpoint; root in base64. */
  checkpoint: { size: number; root: string }
}

/** JSON within JSON. */
const MARK = '\\"kind\\":\\"log.pruned\\"'

/**
 * The removal that lets an export begin at this index, as one of its own entries tells it; undefined where none does. It says nothing before that entry is
 * found to be in the log.
 */
export async function removalIn(dir: string, floor: number): Promise<Removal | undefined> {
  try {
    for await (const text of linesOf(join(dir, ENTRIES))) {
      const line = text?.includes(MARK) ? readLine(text) : undefined
      const found = line && removalOf(line.index, line.leaf)
      if (found?.floor === floor) return found
    }
  } catch {
    // What cannot be read is told of when the lines are checked.
  }
  return undefined
}

const TIME_MS_MAX = 8_640_000_000_000_000

const isTime = (value: unknown): value is number => typeof value === 'number' && value >= 0 && value <= TIME_MS_MAX

function removalOf(index: number, text: string): Removal | undefined {
  const leaf = readLeaf(text)
  if (leaf?.body.kind !== 'log.pruned') return undefined
  const { floor, newest, lastCall, processes, checkpoint } = leaf.body as Readonly<Record<string, unknown>>
  const isPlaced = typeof floor === 'number' && Number.isSafeInteger(floor) && floor > 0 && floor <= index && isTime(leaf.at)
  if (!isPlaced || !(newest === null || isTime(newest)) || !(lastCall === null || typeof lastCall === 'string')) return undefined
  if (!isJsonObject(checkpoint) || !Number.isSafeInteger(checkpoint.size) || !Array.isArray(processes)) return undefined
  const last = new Map<string, number>()
  for (const each of processes) {
    if (!isJsonObject(each) || typeof each.process !== 'string' || !Number.isSafeInteger(each.seq)) return undefined
    last.set(each.process, Number(each.seq))
  }
  const log = { size: Number(checkpoint.size), root: String(checkpoint.root) }
  return { ...{ floor, index, at: leaf.at, newest, lastCall, checkpoint: log }, processes: last }
}
