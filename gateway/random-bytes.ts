import { randomFillSync } from 'node:crypto'

const POOL_BYTES = 4_096

/** Random bytes from the operating system's generator, fetched by the page: one system call serves hundreds of ids. No byte is given out twice. */
export function createRandomBytes(): (count: number) => Uint8Array {
  const pool = new Uint8Array(POOL_BYTES)
  let used = POOL_BYTES
  return (count) => {
    if (used + count > POOL_BYTES) {
      randomFillSync(pool)
      used = 0
    }
    used += count
    return pool.slice(used - count, used)
  }
}
