import { GatewayError } from '../core/errors.ts'
import { LIMITS } from '../limits.ts'
import type { EntrySealer, SealedPayload } from '../ports/entry-sealer.ts'
import type { CosignedCheckpoint, ExportedEntry, LogRange, LogStore, OpenPayload, PublishedLog, TransparencyLog } from '../ports/log.ts'
import { leafOf } from './leaf.ts'
import { isItsLeaf } from './log-guard.ts'
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
  onAltered: (index: number) => void = () => undefined,
): TransparencyLog {
  const altered = (index: number): GatewayError => {
    onAltered(index)
    return new GatewayError(
      'RECORD_ALTERED',
      `the entry at index ${index} of the log is not what was recorded: somebody altered or removed it in the database`,
    )
  }
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
      const [size, places] = [(await store.checkpoint())?.size ?? 0, await store.places(index * TILE_WIDTH, width)]
      if (index * TILE_WIDTH + width > size) return undefined
      await refuseRemoved(store, index)
      return Buffer.concat(
        places.map(({ index: at, hash, entry }) => {
          if (!entry || !isItsLeaf({ hash, entry })) throw altered(at)
          return prefixed(leafOf(entry))
        }),
      )
    },
    page: (range, first, payloads) => pageOf(store, sealer, range, { first, payloads, onAltered }),
    async proofs(callId) {
      const checkpoint = await checkpointNow()
      const entries = await store.range({ from: 0, calls: [callId] }, LIMITS.pageRowsMax)
      const hashes = await store.leafHashes(entries.map(({ index }) => index))
      const proved = entries.map(async ({ index, entry }) => {
        if (!isItsLeaf({ hash: hashes.get(index) ?? null, entry })) throw altered(index)
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
  { first, payloads, onAltered }: { first: number; payloads: boolean; onAltered: (index: number) => void },
): Promise<readonly ExportedEntry[]> {
  const page: ExportedEntry[] = []
  let { from } = range
  for (let chars = 0; page.length < first && chars < LIMITS.exportPageCharsMax; ) {
    const asked = Math.min(first - page.length, LIMITS.exportReadRowsMax)
    const rows = await store.range({ ...range, from }, asked)
    const hashes = await store.leafHashes(rows.map(({ index }) => index))
    for (const { index, entry, sealed } of rows) {
      const { commitment, erased = false } = entry
      const isAsked = payloads && commitment !== null && sealed !== null
      const payload = isAsked ? openedOr(sealer, { commitment, sealed }) : null
      const isLeaf = isItsLeaf({ hash: hashes.get(index) ?? null, entry })
      const fault = isLeaf ? (isAsked && !payload ? 'payload' : null) : 'leaf'
      if (fault) onAltered(index)
      page.push({ index, leaf: leafOf(entry), payload, erased, fault })
      chars += payload?.text.length ?? 0
      from = index + 1
    }
    if (rows.length < asked) break
  }
  return page
}

/** Null where it does not open: it was changed, or is that of another entry. */
function openedOr(sealer: EntrySealer, sealed: SealedPayload): OpenPayload | null {
  try {
    return sealer.open(sealed)
  } catch (error) {
    if (error instanceof GatewayError) return null
    throw error
  }
}
