import { type Fault, GatewayError } from '../gateway/core/errors.ts'
import { pointerToken } from '../gateway/core/json.ts'
import type { Manifest } from '../gateway/ports/connector.ts'

const SUGGESTION_DISTANCE_MAX = 3

/** Faults of one manifest and its source, with their places; nothing throws before all are known. */
export class SourceFaults {
  readonly #found: Fault[] = []
  readonly #manifest: Pick<Manifest, 'file' | 'source'>

  constructor(manifest: Pick<Manifest, 'file' | 'source'>) {
    this.#manifest = manifest
  }

  /** `at` are the keys that lead to the place in the source document. */
  source(at: readonly string[], message: string): void {
    this.#found.push({ pointer: `${this.#manifest.source.path}#${at.map((key) => `/${pointerToken(key)}`).join('')}`, message })
  }

  /** A place in the source known by line. */
  line(line: number, message: string): void {
    this.#found.push({ pointer: `${this.#manifest.source.path}:${line}`, message })
  }

  manifest(at: readonly string[], message: string): void {
    this.#found.push({ pointer: `${this.#manifest.file}#${at.map((key) => `/${pointerToken(key)}`).join('')}`, message })
  }

  get any(): boolean {
    return this.#found.length > 0
  }

  /** Throws CONFIG_INVALID with every fault, if there is one. */
  refuse(): void {
    if (this.any) throw this.error()
  }

  error(): GatewayError {
    const lines = this.#found.map(({ pointer, message }) => `${pointer}: ${message}`)
    return new GatewayError('CONFIG_INVALID', `the connector description is faulty:\n${lines.join('\n')}`, { faults: this.#found })
  }
}

/** ` Did you mean ...?` with the nearest known name, or nothing. */
export function didYouMean(name: string, known: Iterable<string>): string {
  let best: string | undefined
  let least = SUGGESTION_DISTANCE_MAX + 1
  for (const candidate of known) {
    if (Math.abs(candidate.length - name.length) >= least) continue
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase())
    if (distance < least) {
      least = distance
      best = candidate
    }
  }
  return best === undefined ? '' : `; did you mean \`${best}\`?`
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const substituted = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      row.push(Math.min((previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, substituted))
    }
    previous = row
  }
  return previous[b.length] ?? 0
}
