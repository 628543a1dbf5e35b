import { isMap, isScalar, LineCounter, parseDocument, type Document } from 'yaml'
import type { Fault } from '../../gateway/core/errors.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../../gateway/core/json.ts'
import type { Catalogue, Operation } from '../../gateway/core/operation.ts'
import { LIMITS } from '../../gateway/limits.ts'
import { type FactsFile, isLibraryFile, type PolicyFile, type PolicySource } from '../../gateway/ports/policy-source.ts'
import { Declaration, meant } from './declaration.ts'
import { type DerivedFact, derivedExists, derivedFact, operandWords } from './derived.ts'
import { historyExists, historyFact, type TypedHistoryFact } from './history-fact.ts'
import { inputShape } from './input-shape.ts'
import { lookupExists, lookupFact, lookupWords, type TypedLookup } from './lookup-fact.ts'
import { pointersOf } from './pointer-shape.ts'

/** The declared facts that one operation's policies can read, by name. */
export interface OperationFacts {
  readonly history: ReadonlyMap<string, TypedHistoryFact>
  readonly derived: ReadonlyMap<string, DerivedFact>
  readonly lookup: ReadonlyMap<string, TypedLookup>
}

const NONE: OperationFacts = { history: new Map(), derived: new Map(), lookup: new Map() }

/** All declared facts, and which of them exist for an operation. */
export interface DeclaredFacts {
  readonly all: OperationFacts
  of(operation: Operation): OperationFacts
}

export const NO_DECLARED_FACTS: DeclaredFacts = { all: NONE, of: () => NONE }

interface Loaded {
  facts: DeclaredFacts
  faults: readonly Fault[]
}

type Section = 'history' | 'derived' | 'lookups'
const SECTIONS: readonly Section[] = ['history', 'derived', 'lookups']
/** Cedar's own words, which cannot stand behind a dot. */
const RESERVED = new Set(['true', 'false', 'if', 'then', 'else', 'in', 'is', 'like', 'has', '__cedar', '__entity', '__extn', '__expr'])

/**
 * Reads declared facts, of `facts.yaml` and of rules that bring their own: `history`, `derived` and `lookups`, each a map of names to facts (semantics,
 * "Facts a policy can use"). Collects every fault with `path:line:column`; a faulty fact is left out. A fact exists for the operations that are counted
 * in it or whose arguments have what it needs; one that exists for none is a fault, and so is one that is declared twice.
 */
export function loadFacts(files: readonly FactsFile[], catalogue: Catalogue): Loaded {
  if (files.length === 0) return { facts: NO_DECLARED_FACTS, faults: [] }
  const read = files.map((file) => {
    const reader = new FactsReader(file, catalogue)
    return { reader, own: reader.read() }
  })
  const all: OperationFacts = {
    history: byName(read.flatMap(({ own }) => [...own.history])),
    derived: byName(read.flatMap(({ own }) => [...own.derived])),
    lookup: byName(read.flatMap(({ own }) => [...own.lookup])),
  }
  const of = new Map<string, OperationFacts>()
  for (const operation of catalogue.operations.values()) of.set(operation.id, existing(all, operation))
  for (const [i, { reader, own }] of read.entries()) {
    for (const section of SECTIONS) {
      reader.refuseIdle(section, own, [...of.values()])
      reader.refuseTwins(
        section,
        own,
        read.slice(0, i).map((one) => one.own),
      )
    }
  }
  return { facts: { all, of: ({ id }) => of.get(id) ?? NONE }, faults: read.flatMap(({ reader }) => reader.faults) }
}

/** All declared facts of a source: its own file, and what rules of the library carry in the comment at their head, after `// facts:`. */
export function factsFilesOf({ files, facts }: Pick<PolicySource, 'files' | 'facts'>): readonly FactsFile[] {
  return [...(facts ? [facts] : []), ...files.filter(isLibraryFile).flatMap(carriedFacts)]
}

/** Lines and columns stay those of the policy file. */
function carriedFacts({ path, text }: PolicyFile): readonly FactsFile[] {
  const lines = text.split('\n')
  const start = lines.indexOf('// facts:')
  const end = lines.findIndex((line) => !line.startsWith('//'))
  if (start < 0 || (end >= 0 && end < start)) return []
  const own = lines.map((line, i) => (i > start && (end < 0 || i < end) ? `  ${line.slice(2)}` : ''))
  return [{ path, text: own.join('\n') }]
}

/** Sorted, so that the order of declarations never shows, not even in which missing fact is named. */
const byName = <T>(facts: readonly (readonly [string, T])[]): ReadonlyMap<string, T> =>
  new Map([...facts].sort(([a], [b]) => (a < b ? -1 : 1)))

function existing(all: OperationFacts, operation: Operation): OperationFacts {
  const input = inputShape(operation.inputSchema)
  const kept = <T>(facts: ReadonlyMap<string, T>, exists: (fact: T) => boolean): ReadonlyMap<string, T> =>
    new Map([...facts].filter(([, fact]) => exists(fact)))
  const own = {
    history: kept(all.history, (fact) => historyExists(fact, operation, input)),
    derived: kept(all.derived, (fact) => derivedExists(fact, input)),
    lookup: kept(all.lookup, (fact) => lookupExists(fact, operation, input)),
  }
  return own.history.size + own.derived.size + own.lookup.size === 0 ? NONE : own
}

class FactsReader {
  readonly faults: Fault[] = []
  readonly #file: FactsFile
  readonly #catalogue: Catalogue
  readonly #lines = new LineCounter()
  readonly #document: Document

  constructor(file: FactsFile, catalogue: Catalogue) {
    this.#file = file
    this.#catalogue = catalogue
    const tooLarge = Buffer.byteLength(file.text) > LIMITS.policyFileBytesMax
    this.#document = parseDocument(tooLarge ? '' : file.text, { lineCounter: this.#lines, uniqueKeys: true, merge: false })
    if (tooLarge) this.#fault([], `the file is larger than ${LIMITS.policyFileBytesMax} bytes: remove facts`)
  }

  read(): OperationFacts {
    const root = this.#root()
    for (const key of Object.keys(root))
      if (!SECTIONS.some((section) => section === key))
        this.#fault([key], `unknown key \`${key}\`: ${meant(key, SECTIONS, 'use `history`, `derived`, `lookups`')}`)
    return {
      history: this.#section(root, 'history', historyFact),
      derived: this.#section(root, 'derived', derivedFact),
      lookup: this.#section(root, 'lookups', lookupFact),
    }
  }

  /** A fact that exists for no operation could never be read. */
  refuseIdle(section: Section, all: OperationFacts, of: readonly OperationFacts[]): void {
    const name = section === 'lookups' ? 'lookup' : section
    for (const fact of all[name].keys())
      if (!of.some((one) => one[name].has(fact)))
        this.#fault([section, fact], `\`${fact}\` exists for no operation: ${this.#missing(section, fact, all)}`)
  }

  /** One name is one fact, wherever it is declared. */
  refuseTwins(section: Section, own: OperationFacts, others: readonly OperationFacts[]): void {
    const name = section === 'lookups' ? 'lookup' : section
    for (const fact of own[name].keys())
      if (others.some((other) => other[name].has(fact)))
        this.#fault([section, fact], `\`${fact}\` is declared twice: rename one, or the use of the rule that brings it`)
  }

  #missing(section: Section, name: string, all: OperationFacts): string {
    const [derived, lookup] = [all.derived.get(name), all.lookup.get(name)]
    if (section === 'lookups') return `none of its connector has \`${lookup ? lookupWords(lookup) : ''}\` in its arguments`
    const known = [...this.#catalogue.operations.values()].flatMap((operation) => pointersOf(inputShape(operation.inputSchema)))
    const [strange] = derived?.pointers.filter((pointer) => !known.includes(pointer)) ?? []
    if (strange !== undefined) return `none has \`${strange}\` in its arguments, ${meant(strange, known, 'name a place in them')}`
    return `none has all its pointers with ${derived ? operandWords(derived) : 'values'} there`
  }

  #root(): JsonObject {
    for (const error of this.#document.errors)
      this.faults.push({ pointer: this.#at(error.pos[0]), message: (error.message.split('\n')[0] ?? '').replace(/ at line.*$/, '') })
    if (this.#document.errors.length > 0) return {}
    const root = this.#plain()
    if (root === null) return {}
    if (!isJsonObject(root)) this.#fault([], 'the file is no map: write `history`, `derived` and `lookups`')
    return isJsonObject(root) ? root : {}
  }

  #plain(): JsonValue {
    try {
      return this.#document.toJS({ maxAliasCount: 50 }) as JsonValue
    } catch {
      this.#fault([], 'the file repeats itself by aliases too often: write it out')
      return null
    }
  }

  #section<T>(root: JsonObject, section: Section, read: (declared: Declaration) => T | undefined): ReadonlyMap<string, T> {
    const declared = root[section] ?? {}
    const facts = new Map<string, T>()
    if (!isJsonObject(declared)) {
      this.#fault([section], `\`${section}\` is no map: write names and what they stand for`)
      return facts
    }
    const entries = Object.entries(declared)
    if (entries.length > LIMITS.factsPerSectionMax)
      this.#fault([section], `${entries.length} facts are too many: at most ${LIMITS.factsPerSectionMax}`)
    for (const [name, body] of entries.slice(0, LIMITS.factsPerSectionMax)) {
      const fault = (keys: readonly (string | number)[], message: string): void => this.#fault([section, name, ...keys], message)
      if (!/^[A-Za-z_][A-Za-z0-9_]{0,63}$/.test(name) || RESERVED.has(name))
        fault([], `\`${name}\` cannot be a fact's name: take letters, digits and \`_\`, a letter first, no word of Cedar's own`)
      else if (!isJsonObject(body)) fault([], `\`${name}\` is no map: write what it is made from`)
      else {
        const fact = read(new Declaration(name, body, this.#catalogue, fault))
        if (fact) facts.set(name, fact)
      }
    }
    return facts
  }

  #fault(keys: readonly (string | number)[], message: string): void {
    this.faults.push({ pointer: this.#at(this.#offsetOf(keys)), message })
  }

  #at(offset: number): string {
    const { line, col } = this.#lines.linePos(offset)
    return `${this.#file.path}:${Math.max(line, 1)}:${Math.max(col, 1)}`
  }

  /** Where the deepest existing part of a path starts; for entries of a map, where the key stands. */
  #offsetOf(keys: readonly (string | number)[]): number {
    for (let depth = keys.length; depth > 0; depth--) {
      const parent = depth === 1 ? this.#document.contents : this.#document.getIn(keys.slice(0, depth - 1), true)
      if (isMap(parent)) {
        const pair = parent.items.find(({ key }) => isScalar(key) && String(key.value) === String(keys[depth - 1]))
        if (pair && isScalar(pair.key) && pair.key.range) return pair.key.range[0]
      }
      const node = this.#document.getIn(keys.slice(0, depth), true)
      if (isScalar(node) && node.range) return node.range[0]
    }
    return 0
  }
}
