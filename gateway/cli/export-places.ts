import { readLeaf } from '../audit/exported-entry.ts'
import { LIMITS } from '../limits.ts'
import { drawnPlaces } from '../record/drawn-places.ts'
import type { LogSource } from './log-source.ts'

/** Entries of the log that an export of some calls has, by their indexes, in order. */
export interface ChosenPlaces {
  places: readonly number[]
  /** Those among them that only show how calls were drawn: they are taken without payloads. */
  shown: ReadonlySet<number>
}

/** What says why the log begins at its floor. */
export type GivenRemoval = Awaited<ReturnType<LogSource['removal']>>

/** The same with that entry, which tells of calls that began before. */
export const withRemoval = ({ places, shown }: ChosenPlaces, removal: GivenRemoval, size: number): ChosenPlaces =>
  removal === null || removal.index >= size
    ? { places, shown }
    : { places: [...new Set([...places, removal.index])].sort(ascending), shown }

/** All entries of these calls in the first `size` of the log. */
export async function placesOfCalls(source: LogSource, size: number, calls: readonly string[]): Promise<ChosenPlaces> {
  const places: number[] = []
  for (let at = 0; at < calls.length; at += LIMITS.exportCallsMax) {
    const some = calls.slice(at, at + LIMITS.exportCallsMax)
    for await (const { index } of source.entries({ from: 0, before: size, calls: some }, false)) places.push(index)
  }
  return { places: places.sort(ascending), shown: new Set() }
}

/**
 * All entries of calls that the seed draws from the first `size` of the log, as `sample` of operator GraphQL draws them, and with them every place that was
 * looked at on the way: who has the export draws again, and sees that no call was passed over.
 */
export async function placesOfSample(
  source: LogSource,
  { size, floor }: { size: number; floor: number },
  { count, seed }: { count: number; seed: string },
): Promise<ChosenPlaces> {
  const order = drawnPlaces(seed, size, floor)
  const calls = new Set<string>()
  const looked = new Set<number>()
  const most = Math.min(size - floor, LIMITS.samplePlacesExportedMax)
  for (let turns = 0; calls.size < count && turns < most; ) {
    const turn = taken(order, Math.min(LIMITS.exportCallsMax, most - turns))
    turns += turn.length
    const decided = await decisionsAt(source, turn)
    const firsts = await firstDecisions(source, size, [...new Set(decided.values())])
    for (const place of turn) {
      if (calls.size === count) break
      const call = decided.get(place)
      const first = call === undefined ? undefined : firsts.get(call)
      looked.add(place)
      if (first !== undefined) looked.add(first)
      if (call !== undefined && first === place) calls.add(call)
    }
  }
  const own = await placesOfCalls(source, size, [...calls])
  for (const place of own.places) looked.delete(place)
  return { places: [...own.places, ...looked].sort(ascending), shown: looked }
}

const ascending = (a: number, b: number): number => a - b

function taken(places: Iterator<number>, count: number): number[] {
  return Array.from({ length: count }, () => places.next()).flatMap(({ done, value }) => (done ? [] : [value]))
}

/** The calls of those places where a decision stands. */
async function decisionsAt(source: LogSource, places: readonly number[]): Promise<ReadonlyMap<number, string>> {
  const decided = new Map<number, string>()
  for (const { index, leaf } of await source.entriesAt(places, false)) {
    const read = readLeaf(leaf)
    if (read?.body.kind === 'decision' && read.call !== null) decided.set(index, read.call)
  }
  return decided
}

/** Where the first decision of each call stands. */
async function firstDecisions(source: LogSource, size: number, calls: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const firsts = new Map<string, number>()
  if (calls.length === 0) return firsts
  for await (const { index, leaf } of source.entries({ from: 0, before: size, calls }, false)) {
    const read = readLeaf(leaf)
    if (read?.body.kind === 'decision' && read.call !== null && !firsts.has(read.call)) firsts.set(read.call, index)
  }
  return firsts
}
