import { GatewayError } from '../core/errors.ts'
import { LIMITS } from '../limits.ts'
import type { EntrySealer } from '../ports/entry-sealer.ts'
import type { CosignedCheckpoint, ExportedEntry, LogRange, LogStore, PublishedLog, TransparencyLog } from '../ports/log.ts'
import { leafOf } from './leaf.ts'
import { consistencyProof, inclusionProof } from './merkle.ts'
import type { NoteSigner } from './signed-note.ts'
import { subtreesOf, TILE_WIDTH } from './tile.ts'
import { formatProof } from './tlog-proof.ts'

/**
 * The log of one origin, over what is stored of it (ports/log.ts). `sealer` opens the payloads of its entries. `published`: what witnesses were asked about;
 * without it, every checkpoint is published when it is signed.
 */
export function createTransparencyLog(
  store: LogStore,
  signer: NoteSigner,
  sealer: EntrySealer,
  published: Pick<PublishedLog, 'checkpoint'> | null,
): TransparencyLog {
  const subtrees = subtreesOf((level, index) => store.hashes(level, index * TILE_WIDTH, TILE_WIDTH))
  const checkpointNow = async (): Promise<CosignedCheckpoint | undefined> => {
    const cosigned = await published?.checkpoint()
    if (cosigned) return cosigned
    const newest = await store.checkpoint()
    return newest && { ...newest, cosignatures: [] }
  }
  return {
    origin: signer.name,
    vkey: signer.vkey,
    checkpoint: checkpointNow,
    consistency: (older, newer) => consistencyProof(subtrees, older, newer),
    floor: () => store.floor(),
    async tile(level, index, width) {
      const hashes = await store.hashes(level, index * TILE_WIDTH, width)
      return hashes.length === width ? Buffer.concat(hashes) : undefined
    },
    async bundle(index, width) {
      const entries = await store.entries(index * TILE_WIDTH, width)
      if (entries.length < width) await refuseRemoved(store, index)
      return entries.length === width ? Buffer.concat(entries.map((entry) => prefixed(leafOf(entry)))) : undefined
    },
    page: (range, first, payloads) => pageOf(store, sealer, range, first, payloads),
    async proofs(callId) {
      const checkpoint = await checkpointNow()
      const entries = await store.range({ from: 0, calls: [callId] }, LIMITS.pageRowsMax)
      const proved = entries.map(async ({ index, entry }) => {
        const logged = { process: entry.process, seq: entry.seq, index, leaf: leafOf(entry) }
        if (!checkpoint || index >= checkpoint.size) return { ...logged, proof: null }
        const path = await inclusionProof(subtrees, index, checkpoint.size)
        return { ...logged, proof: formatProof({ index, path, checkpoint: checkpoint.note }) }
      })
      return Promise.all(proved)
    },
  }
}

async function refuseRemoved(store: LogStore, bundle: number): Promise<void> {
  const { index } = await store.floor()
  if ((bundle + 1) * TILE_WIDTH <= index)
    throw new GatewayError('REMOVED', `entries below index ${index} of the log were removed under retention; their hashes are still there`)
}

/** An entry of a bundle: its length in two bytes, big-endian, before it (C2SP tlog-tiles, "Log entries"). */
function prefixed(leaf: Uint8Array): Uint8Array {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(leaf.length)
  return Buffer.concat([length, leaf])
}

/** Sealed texts are long in few entries: they are read some at a time, until a page is full. */
async function pageOf(
  store: LogStore,
  sealer: EntrySealer,
  range: LogRange,
  first: number,
  payloads: boolean,
): Promise<readonly ExportedEntry[]> {
  const page: ExportedEntry[] = []
  let { from } = range
  for (let chars = 0; page.length < first && chars < LIMITS.exportPageCharsMax; ) {
    const asked = Math.min(first - page.length, LIMITS.exportReadRowsMax)
    const rows = await store.range({ ...range, from }, asked)
    for (const { index, entry, sealed } of rows) {
      const { commitment, erased = false } = entry
      const payload = payloads && commitment !== null && sealed !== null ? sealer.open({ commitment, sealed }) : null
      page.push({ index, leaf: leafOf(entry), payload, erased })
      chars += payload?.text.length ?? 0
      from = index + 1
    }
    if (rows.length < asked) break
  }
  return page
}
