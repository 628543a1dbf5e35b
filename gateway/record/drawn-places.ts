import { createHash } from 'node:crypto'

const DIGITS_BYTES = 6

/** A number below `below` that seed and turn tell, and nothing else. */
function lot(seed: string, turn: number, below: number): number {
  return createHash('sha256').update(`${seed}:${turn}`).digest().readUIntBE(0, DIGITS_BYTES) % below
}

/**
 * The places 0 to `size` - 1 in an order that the seed tells: the shuffle of Fisher and Yates, of which only as much is done as is read. The lot of a turn is
 * the first 6 bytes of SHA-256 over `<seed>:<turn>`, so that anybody can draw again without us. Of a log that begins at `floor`, what is there is drawn from:
 * `size` - `floor` places, counted from there.
 */
export function* drawnPlaces(seed: string, size: number, floor = 0): Generator<number> {
  for (const place of shuffled(seed, size - floor)) yield floor + place
}

function* shuffled(seed: string, size: number): Generator<number> {
  const moved = new Map<number, number>()
  for (let turn = 0; turn < size; turn++) {
    const taken = turn + lot(seed, turn, size - turn)
    yield moved.get(taken) ?? taken
    moved.set(taken, moved.get(turn) ?? turn)
    moved.delete(turn)
  }
}
