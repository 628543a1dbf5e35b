import { createHash } from 'node:crypto'
import { canonicalJson, isJsonObject, type JsonObject, type JsonValue } from '../../gateway/core/json.ts'
import type { Catalogue } from '../../gateway/core/operation.ts'
import type { PolicyText } from '../../gateway/ports/decider.ts'
import type { PolicyFile } from '../../gateway/ports/policy-source.ts'
import type { PolicySetTexts } from '../../gateway/ports/policy-sets.ts'
import { CedarEngine } from './cedar.ts'
import { factsJson } from './compile.ts'
import { factsFilesOf, loadFacts } from './facts-file.ts'
import { lineAndColumn, splitPolicies } from './policy-text.ts'

/** A set as it is kept: texts to compile, and policies as people read them. */
export interface KeptSet extends PolicySetTexts {
  policies: readonly PolicyText[]
}

interface Covered {
  connector: string | null
  text: string
}

/**
 * Compares kept sets with the texts that they are named after (`Decider.wholeText`): files, policies as people read them, and declared facts. Comments
 * and what stands where in a file are not covered. Facts that do not hold beside today's operations cannot be compared.
 */
export class KeptSets {
  readonly #engine = new CedarEngine()

  /** What of the set is not what the text says, for people; undefined where all is. */
  fault(kept: KeptSet, whole: string, catalogue: Catalogue): string | undefined {
    try {
      const [texts, , facts] = JSON.parse(whole) as JsonValue[]
      const covered = new Map((texts as [string, string | null, string][]).map(([id, connector, text]) => [id, { connector, text }]))
      return filesFault(kept.files, covered) ?? this.#policiesFault(kept, covered) ?? factsFault(kept, facts ?? null, catalogue)
    } catch {
      return 'it cannot be read'
    }
  }

  #policiesFault({ files, policies }: KeptSet, covered: ReadonlyMap<string, Covered>): string | undefined {
    if (policies.length !== covered.size) return `${policies.length} policies are kept of ${covered.size}`
    const places = new Set(files.flatMap(statementsOf).map(({ file, line, text }) => placed(file, line, text)))
    for (const policy of policies) {
      const { id, file, line, text } = policy
      const said = covered.get(id)
      if (said?.text !== text || !places.has(placed(file, line, text))) return `the policy \`${id}\` is another`
      const meant = { ...this.#read(text), hash: createHash('sha256').update(text).digest('hex') }
      const { effect, annotations, hash } = policy
      if (canonicalJson({ effect, annotations, hash }) !== canonicalJson(meant)) return `what is said of the policy \`${id}\` is not so`
    }
    return undefined
  }

  #read(text: string): JsonObject {
    const parsed = this.#engine.with((api) => api.policyToJson(text))
    if (parsed.type === 'failure') throw new TypeError('a policy cannot be read')
    const { effect, annotations = {} } = parsed.json as unknown as JsonObject
    const given = isJsonObject(annotations) ? Object.entries(annotations) : []
    const values = given.map(([name, value]): [string, string] => [name, typeof value === 'string' ? value : ''])
    return { effect: effect === 'permit' ? 'permit' : 'forbid', annotations: Object.fromEntries(values) }
  }
}

/** What of kept policies is not what an entry said of them when they became active: their ids and the hashes of their texts. */
export function textsFault({ files, policies }: KeptSet, said: Readonly<Record<string, string>>): string | undefined {
  const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex')
  if (canonicalJson(Object.fromEntries(policies.map(({ id, text }) => [id, hashOf(text)]))) !== canonicalJson(said))
    return 'its policies are others than when it became active'
  const inFiles = files.flatMap(statementsOf).map(({ text }) => hashOf(text))
  return canonicalJson(inFiles.sort()) === canonicalJson(Object.values(said).sort()) ? undefined : 'its files hold other policies'
}

const placed = (file: string, line: number, text: string): string => JSON.stringify([file, line, text])

const statementsOf = ({ path, connector, text: all }: PolicyFile) =>
  splitPolicies(all).map(({ text, offset }) => ({ file: path, connector, text, line: lineAndColumn(all, offset).line }))

function filesFault(files: readonly PolicyFile[], covered: ReadonlyMap<string, Covered>): string | undefined {
  const counts = new Map<string, number>()
  const count = ({ connector, text }: Covered, by: number): void => {
    const key = JSON.stringify([connector, text])
    counts.set(key, (counts.get(key) ?? 0) + by)
  }
  for (const said of covered.values()) count(said, 1)
  for (const file of files)
    for (const statement of statementsOf(file)) {
      count(statement, -1)
      if ((counts.get(JSON.stringify([statement.connector, statement.text])) ?? 0) < 0)
        return `${file.path}:${statement.line} has a policy that does not belong to it`
    }
  const [missing] = [...covered].find(([, { connector, text }]) => (counts.get(JSON.stringify([connector, text])) ?? 0) > 0) ?? []
  return missing === undefined ? undefined : `no file has the policy \`${missing}\``
}

function factsFault({ files, facts }: KeptSet, said: JsonValue, catalogue: Catalogue): string | undefined {
  const loaded = loadFacts(factsFilesOf({ files, ...(facts ? { facts } : {}) }), catalogue)
  const kept = factsJson(loaded.facts)
  const wanted = isJsonObject(said) ? said : {}
  for (const section of ['history', 'derived', 'lookup'] as const) {
    const own = wanted[section]
    const declared = isJsonObject(own) ? own : {}
    const names = loaded.faults.length > 0 ? Object.keys(kept[section]) : Object.keys({ ...kept[section], ...declared })
    for (const name of names)
      if (canonicalJson(kept[section][name] ?? null) !== canonicalJson(declared[name] ?? null))
        return `the declared fact \`${name}\` is another`
  }
  return undefined
}
