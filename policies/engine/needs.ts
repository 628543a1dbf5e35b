import { tenThousandths } from '../../gateway/core/decimal.ts'
import { type FactNeeds, type HistoryFact, NO_NEEDS } from '../../gateway/core/facts.ts'
import type { OperationId } from '../../gateway/core/ids.ts'
import type { JsonObject } from '../../gateway/core/json.ts'
import type { Operation } from '../../gateway/core/operation.ts'
import { valuesAt } from '../../gateway/core/pointers.ts'
import type { Compiled } from './compile.ts'
import { CannotEncode } from './encode.ts'
import { mergeReads, type ReadTree } from './expression.ts'
import type { Slice } from './slice.ts'

/** What an operation's policies, shadows among them, must know, and which counters its calls are counted in. */
export class Needs {
  readonly #compiled: Compiled
  readonly #ofOperation = new Map<OperationId, FactNeeds>()
  readonly #contextOf = new Map<Slice, ReadTree>()
  /** History that some policy anywhere reads: nothing else is counted. */
  readonly #read: ReadonlySet<string>

  constructor(compiled: Compiled) {
    this.#compiled = compiled
    const { children, whole } = mergeReads(compiled.ruling.map(({ reads }) => reads)).context
    const history = children.get('history')
    this.#read = new Set(whole || history?.whole ? compiled.facts.all.history.keys() : history?.children.keys())
  }

  /** One and the same object for each operation. */
  of(operation: Operation): FactNeeds {
    const known = this.#ofOperation.get(operation.id)
    if (known) return known
    const made = this.#made(operation)
    this.#ofOperation.set(operation.id, made)
    return made
  }

  #made(operation: Operation): FactNeeds {
    const slice = this.#compiled.sliceOf.get(operation.id)
    if (!slice) return NO_NEEDS
    const context = this.#context(slice)
    const own = this.#compiled.facts.of(operation)
    const read = <T>(section: string, facts: ReadonlyMap<string, T>): T[] => {
      const tree = context.children.get(section)
      return [...facts].flatMap(([name, fact]) => (context.whole || tree?.whole || tree?.children.has(name) ? [fact] : []))
    }
    const history = read('history', own.history).map(({ fact }) => fact)
    const counted = [...own.history.values()]
      .map(({ fact }) => fact)
      .filter((fact) => fact.of.has(operation.id) && this.#read.has(fact.name))
    const lookups = read('lookup', own.lookup).map(({ fact }) => fact)
    const [labels, findings] = ['labels', 'findings'].map((name) => context.whole || context.children.has(name))
    if (!labels && !findings && history.length + counted.length + lookups.length === 0) return NO_NEEDS
    return { history, counted, lookups, labels: labels === true, findings: findings === true }
  }

  #context(slice: Slice): ReadTree {
    const known = this.#contextOf.get(slice)
    if (known) return known
    const { context } = mergeReads([...slice.policies, ...slice.shadows].map(({ reads }) => reads))
    this.#contextOf.set(slice, context)
    return context
  }
}

/** Throws CannotEncode for an amount that no sum can take: below zero it would make room for others, with more than four places it would not be exact. */
export function checkCounted(counted: readonly HistoryFact[], operation: OperationId, input: JsonObject): void {
  for (const { kind, of } of counted) {
    if (kind !== 'sum') continue
    for (const pointer of of.get(operation)?.values ?? []) {
      for (const value of valuesAt(input, pointer)) {
        const units = typeof value === 'number' ? tenThousandths(value) : undefined
        if (units === undefined)
          throw new CannotEncode(`/input${pointer}`, 'has more than four decimal places or is too large: give at most four')
        if (units < 0n) throw new CannotEncode(`/input${pointer}`, 'is below zero: what is added up cannot be negative')
      }
    }
  }
}
