import { LIMITS } from '../limits.ts'

/** What is wrong with an export: `what` is a word for machines, `why` a sentence. `index`: of the entry; null where it is about none. */
export interface AuditFault {
  index: number | null
  what:
    | 'checkpoint'
    | 'witness'
    | 'consistency'
    | 'tile'
    | 'root'
    | 'line'
    | 'order'
    | 'missing'
    | 'extra'
    | 'leaf'
    | 'proof'
    | 'sample'
    | 'sequence'
    | 'range'
    | 'unchecked'
    | 'time'
    | 'payload'
    | 'erased'
    | 'call'
    | 'policy-set'
    | 'decision'
  why: string
}

/** The faults of lowest index, and how many there were. */
export class Faults {
  readonly #kept: AuditFault[] = []
  count = 0

  add(what: AuditFault['what'], index: number | null, why: string): void {
    this.count += 1
    this.#kept.push({ index, what, why })
    if (this.#kept.length > 2 * LIMITS.auditFaultsMax) this.#kept.splice(0, this.#kept.length, ...this.listed())
  }

  /** Those about no entry first, then by index; at most `LIMITS.auditFaultsMax`. */
  listed(): AuditFault[] {
    return this.#kept.toSorted((a, b) => (a.index ?? -1) - (b.index ?? -1)).slice(0, LIMITS.auditFaultsMax)
  }
}

export const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error))
