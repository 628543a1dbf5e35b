import { hash, randomBytes } from 'node:crypto'
import { appendFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GatewayError } from '../core/errors.ts'
import { LIMITS } from '../limits.ts'
import type { CallFact } from './call-facts.ts'
import { linesOf } from './exported-line.ts'

const HEAPS = 256

/**
 * Facts by call, for more calls than there is memory for: what is beyond `LIMITS.auditFactsAtOnceMax` goes to files of the system's temporary folder, a call
 * always to the same of 256, and one file is read at a time in the end. Which one is told by a number of this run, so that nobody can choose it.
 */
export class GatheredFacts {
  readonly #max: number
  readonly #salt = randomBytes(16).toString('hex')
  #calls = new Map<string, CallFact[]>()
  #facts = 0
  #dir: string | undefined

  constructor(max: number = LIMITS.auditFactsAtOnceMax) {
    this.#max = max
  }

  /** The facts of a call that are in memory, to be replaced where fewer say the same. */
  of(call: string): readonly CallFact[] {
    return this.#calls.get(call) ?? []
  }

  replace(call: string, facts: readonly CallFact[]): void {
    this.#facts += facts.length - this.of(call).length
    this.#calls.set(call, [...facts])
  }

  async add(call: string, fact: CallFact): Promise<void> {
    const own = this.#calls.get(call)
    if (own) own.push(fact)
    else this.#calls.set(call, [fact])
    this.#facts += 1
    if (this.#facts >= this.#max) await this.#spill()
  }

  /** All calls, each once with its facts in the order they were added in; afterwards there are none. */
  async *calls(): AsyncGenerator<[call: string, facts: readonly CallFact[]]> {
    if (this.#dir === undefined) {
      yield* this.#calls
      this.#calls = new Map()
      return
    }
    await this.#spill()
    for (let heap = 0; heap < HEAPS; heap += 1) yield* await factsIn(join(this.#dir, String(heap)))
  }

  /** Removes what was written. Calling it twice is harmless. */
  async close(): Promise<void> {
    if (this.#dir !== undefined) await rm(this.#dir, { recursive: true, force: true })
  }

  async #spill(): Promise<void> {
    this.#dir ??= await mkdtemp(join(tmpdir(), 'gatehouse-verify-'))
    this.#facts = 0
    const heaps = Array.from({ length: HEAPS }, (): string[] => [])
    for (const [call, facts] of this.#calls) heaps[this.#heapOf(call)]?.push(`${JSON.stringify([call, facts])}\n`)
    this.#calls = new Map()
    for (const [heap, lines] of heaps.entries()) if (lines.length > 0) await written(join(this.#dir, String(heap)), lines.join(''))
  }

  #heapOf(call: string): number {
    return Number.parseInt(hash('sha256', this.#salt + call).slice(0, 2), 16)
  }
}

const written = (file: string, text: string): Promise<void> =>
  appendFile(file, text, { mode: 0o600 }).catch((cause: unknown) => {
    throw new GatewayError('UNAVAILABLE', `the temporary file \`${file}\` cannot be written: give it room, or another folder by TMPDIR`, {
      cause,
    })
  })

async function factsIn(file: string): Promise<ReadonlyMap<string, CallFact[]>> {
  const calls = new Map<string, CallFact[]>()
  try {
    for await (const line of linesOf(file)) {
      const [call, facts] = JSON.parse(line ?? '') as [string, CallFact[]]
      const own = calls.get(call)
      if (own) own.push(...facts.slice(0, LIMITS.auditFactsPerCallMax - own.length))
      else calls.set(call, facts)
    }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
  }
  return calls
}
