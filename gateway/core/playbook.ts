import type { JsonObject } from './json.ts'

/** One version of a decision procedure that agents of the organisation share. */
export interface Playbook {
  name: string
  /** Numbers with dots, at most three: versions of a playbook have an order. */
  version: string
  title: string
  /** What an agent does, step by step, as Markdown. */
  procedure: string
  /** What it may come to. */
  outcomes: readonly string[]
  /** JSON Schema 2020-12 of what an agent says of its way there. */
  record: JsonObject
  /** SHA-256 hex over the canonical JSON of all of the above. */
  digest: string
  /** SHA-256 hex over the canonical JSON of `record`. */
  schema: string
}

/** The playbooks of an organisation: by name, and the newest version of each first. */
export class Playbooks {
  readonly all: readonly Playbook[]
  readonly #byName: ReadonlyMap<string, readonly Playbook[]>

  constructor(playbooks: readonly Playbook[]) {
    this.all = playbooks.toSorted((a, b) => (a.name === b.name ? compareVersions(b.version, a.version) : a.name < b.name ? -1 : 1))
    this.#byName = Map.groupBy(this.all, ({ name }) => name)
  }

  /** Every version of one playbook, the newest first; undefined where there is none of that name. */
  versions(name: string): readonly Playbook[] | undefined {
    return this.#byName.get(name)
  }

  /** The newest version where none is asked for. */
  find(name: string, version?: string): Playbook | undefined {
    const versions = this.#byName.get(name)
    return version === undefined ? versions?.[0] : versions?.find((playbook) => playbook.version === version)
  }
}

/** Number by number; what is missing is before every number. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((version) => version.split('.').map(Number)) as [number[], number[]]
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? -1) - (right[i] ?? -1)
    if (difference !== 0) return difference
  }
  return 0
}
