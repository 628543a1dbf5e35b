import { type Clock, instant } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import { LIMITS } from '../limits.ts'
import type { Log } from '../ports/telemetry.ts'
import type { Witness, WitnessAnswer } from '../ports/witness.ts'
import { openCheckpoint, parseCheckpointText } from '../record/checkpoint.ts'
import { EMPTY_ROOT, sameHash, verifyConsistency } from '../record/merkle.ts'
import { type Cosigner, type NoteVerifier, readNote, withSignatures } from '../record/signed-note.ts'
import { parseWitnessRequest, type WitnessRequest } from '../record/witness-request.ts'
import type { Conflict, Evidence } from './evidence.ts'
import { type Kept, type KeptCheckpoints, originHash } from './kept-checkpoints.ts'

export interface WitnessOptions {
  cosigner: Cosigner
  /** Keys of each log that is known, by its name. */
  logs: ReadonlyMap<string, readonly NoteVerifier[]>
  kept: KeptCheckpoints
  evidence: Evidence
  clock: Clock
  log: Log
}

type Opened = ReturnType<typeof openCheckpoint>

/** A witness by C2SP tlog-witness. Requests about one log take turns: between the look at what was cosigned last and the next cosignature comes nothing. */
export function createWitness(options: WitnessOptions): Witness {
  const { logs, kept } = options
  const turns = new Map([...logs.keys()].map((origin) => [origin, new Turns()]))
  const names = new Map([...logs.keys()].map((origin) => [originHash(origin), origin]))
  return {
    origins: [...names.keys()],
    checkpoint: (origin) => kept.get(names.get(origin) ?? '')?.note,
    async addCheckpoint(body) {
      const read = reading(body)
      if ('status' in read) return read
      const { request, origin } = read
      const keys = logs.get(origin)
      const queue = turns.get(origin)
      if (!keys || !queue) return { status: 404, why: `log \`${origin}\` is not known here` }
      const opened = openedBy(request.checkpoint, keys, origin)
      if ('status' in opened) return opened
      if (request.old > opened.size)
        return { status: 400, why: `the old size ${request.old} is larger than that of the checkpoint, ${opened.size}` }
      return await queue.run(() => decide(options, request, opened))
    },
  }
}

type Refusal = Extract<WitnessAnswer, { why: string }>

const refusal = (status: Refusal['status'], error: unknown): Refusal => {
  if (!(error instanceof GatewayError)) throw error
  return { status, why: error.message }
}

function reading(body: string): { request: WitnessRequest; origin: string } | Refusal {
  try {
    const request = parseWitnessRequest(body)
    return { request, origin: parseCheckpointText(readNote(request.checkpoint).text).origin }
  } catch (error) {
    return refusal(400, error)
  }
}

function openedBy(note: string, keys: readonly NoteVerifier[], origin: string): Opened | Refusal {
  try {
    return openCheckpoint(note, keys, origin)
  } catch (error) {
    return refusal(403, error)
  }
}

async function decide(options: WitnessOptions, request: WitnessRequest, opened: Opened): Promise<WitnessAnswer> {
  const { kept, cosigner, clock } = options
  const last = kept.get(opened.origin)
  const size = last?.size ?? 0
  if (request.old !== size) return { status: 409, size }
  const conflict = conflictOf(last, request, opened)
  if (conflict) return await refused(options, request, opened, last, conflict)
  const { origin, root, text, signatures } = opened
  // A clock that was set back must not date a larger tree before a smaller one.
  const seconds = Math.max(Math.floor(clock.now() / 1_000), last?.seconds ?? 0)
  const cosignature = cosigner.cosign(text, instant(seconds * 1_000))
  // Anybody can send what is public again and again: within a second nothing is new, and nothing is written.
  if (last?.size === opened.size && last.seconds === seconds) return { status: 200, cosignature }
  const note = withSignatures(`${text}\n`, [...signatures.map(({ line }) => line), cosignature])
  await kept.put({ origin, size: opened.size, root, note, seconds })
  return { status: 200, cosignature }
}

type Why = { why: string; kind: Conflict['kind'] | null }

/** Why a checkpoint does not go on from what was cosigned last; undefined where it does. */
function conflictOf(last: Kept | undefined, { old, proof }: WitnessRequest, { size, root }: Opened): Why | undefined {
  if (size === 0 && !sameHash(root, EMPTY_ROOT)) return { why: 'the root of an empty tree is SHA-256 of nothing', kind: null }
  if (old === 0 || old === size) {
    if (last && old === size && !sameHash(last.root, root))
      return { why: `another tree of ${size} entries was cosigned: this log has two`, kind: 'fork' }
    return proof.length === 0 ? undefined : { why: 'no proof is needed here, and there is one', kind: null }
  }
  return last && verifyConsistency(old, size, last.root, root, proof)
    ? undefined
    : { why: `the proof does not show that the tree begins with the ${old} entries that were cosigned`, kind: 'unproven' }
}

async function refused(
  { evidence, log, clock }: WitnessOptions,
  { checkpoint, old, proof }: WitnessRequest,
  { origin, size, text }: Opened,
  last: Kept | undefined,
  { why, kind }: Why,
): Promise<WitnessAnswer> {
  if (last && kind) {
    const at = new Date(clock.now()).toISOString()
    const proofLines = proof.map((hash) => Buffer.from(hash).toString('base64'))
    const file = await evidence
      .keep({ origin, kind, text, cosigned: last.note, refused: checkpoint, old, proof: proofLines, at })
      .catch((error: unknown) => {
        log.error({ error }, 'evidence of a refusal could not be written')
        return null
      })
    const facts = { origin, kind, cosigned: last.note, refused: checkpoint, file }
    if (kind === 'fork') log.error(facts, 'FORK: a log signed two trees of one size; both notes are kept as evidence')
    else log.error(facts, `refused a checkpoint of ${size} entries, which was not shown to go on from what was cosigned`)
  }
  return { status: 422, why }
}

/** One after the other. */
class Turns {
  #last: Promise<unknown> = Promise.resolve()
  #waiting = 0

  run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#waiting >= LIMITS.witnessWaitingMax)
      throw new GatewayError('UNAVAILABLE', 'too many requests about this log wait', { retryAfterSeconds: 1 })
    this.#waiting += 1
    const mine = this.#last.then(work).finally(() => {
      this.#waiting -= 1
    })
    this.#last = mine.catch(() => undefined)
    return mine
  }
}
