import { GatewayError } from '../core/errors.ts'
import { type Hash, HASH_BYTES } from './merkle.ts'

/** What a witness is asked (C2SP tlog-witness, "add-checkpoint"). */
export interface WitnessRequest {
  /** Size of the checkpoint that it cosigned last; 0 before the first. */
  old: number
  /** That the new checkpoint goes on from that one (RFC 6962 section 2.1.2). */
  proof: readonly Hash[]
  /** The signed note, verbatim. */
  checkpoint: string
}

const PROOF_LINES_MAX = 63

export const formatWitnessRequest = ({ old, proof, checkpoint }: WitnessRequest): string =>
  [`old ${old}`, ...proof.map((hash) => Buffer.from(hash).toString('base64')), '', checkpoint].join('\n')

/** Reads a request; its checkpoint is not looked at. Throws BAD_INPUT. */
export function parseWitnessRequest(text: string): WitnessRequest {
  const end = text.indexOf('\n\n')
  const [first = '', ...lines] = text.slice(0, Math.max(end, 0)).split('\n')
  const [, old] = /^old (0|[1-9]\d*)$/.exec(first) ?? []
  if (old === undefined || !Number.isSafeInteger(Number(old)))
    throw new GatewayError(
      'BAD_INPUT',
      'write `old` and a size in the first line, hashes of the proof below, an empty line, and the checkpoint',
    )
  if (lines.length > PROOF_LINES_MAX) throw new GatewayError('BAD_INPUT', `the proof has more than ${PROOF_LINES_MAX} lines`)
  const proof = lines.map((line) => Buffer.from(line, 'base64'))
  if (proof.some((hash, at) => hash.length !== HASH_BYTES || hash.toString('base64') !== lines[at]))
    throw new GatewayError('BAD_INPUT', 'a line of the proof is not the base64 of a hash')
  return { old: Number(old), proof, checkpoint: text.slice(end + 2) }
}
