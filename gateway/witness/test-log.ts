import { checkpointText, signCheckpoint } from '../record/checkpoint.ts'
import { consistencyProof, type Hash, leafHash, rootHash, type SubtreeReader } from '../record/merkle.ts'
import { type NoteSigner, noteSigner } from '../record/signed-note.ts'
import { foldTile } from '../record/tile.ts'
import { formatWitnessRequest } from '../record/witness-request.ts'

/** A log of texts, which can be asked for any of its checkpoints. Two of one seed and different texts are a fork. */
export class TestLog {
  readonly signer: NoteSigner
  readonly #leaves: readonly Hash[]
  readonly #read: SubtreeReader

  constructor(origin: string, seed: Uint8Array, texts: readonly string[]) {
    this.signer = noteSigner(origin, seed)
    this.#leaves = texts.map((text) => leafHash(Buffer.from(text)))
    this.#read = (height, index) => Promise.resolve(foldTile(this.#leaves.slice(index * 2 ** height, (index + 1) * 2 ** height)))
  }

  async text(size: number): Promise<string> {
    return checkpointText({ origin: this.signer.name, size, root: await rootHash(this.#read, size) })
  }

  async checkpoint(size: number, signers: readonly NoteSigner[] = [this.signer]): Promise<string> {
    return signCheckpoint({ origin: this.signer.name, size, root: await rootHash(this.#read, size) }, signers)
  }

  proof(older: number, newer: number): Promise<Hash[]> {
    return consistencyProof(this.#read, older, newer)
  }

  /** What a witness is asked, with the proof that there is. */
  async request(old: number, size: number): Promise<string> {
    const proof = old > size ? [] : await this.proof(old, size)
    return formatWitnessRequest({ old, proof, checkpoint: await this.checkpoint(size) })
  }
}

export const numbered = (count: number, name = 'entry'): string[] => Array.from({ length: count }, (_, at) => `${name} ${at}`)
