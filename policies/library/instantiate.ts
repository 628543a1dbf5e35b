import { stringify } from 'yaml'
import type { Fault } from '../../gateway/core/errors.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../../gateway/core/json.ts'
import { LIMITS } from '../../gateway/limits.ts'
import type { LibraryUse, PolicyFile } from '../../gateway/ports/policy-source.ts'
import { nearest } from '../engine/policy-text.ts'
import { Misfit, type Rendered, render, type Surroundings } from './parameter-types.ts'
import { factNames, type Parameter, type Rule } from './rule-file.ts'

export interface Instantiated {
  readonly files: readonly PolicyFile[]
  readonly faults: readonly Fault[]
}

/**
 * The rules that an organisation uses, as policy files like any other: values in place as literals of their types, ids `library.<name>.<part>`, the
 * facts they bring along in the comment at the head. Collects every fault at the place of the use that has it; a faulty use gives no file.
 */
export function instantiate(uses: readonly LibraryUse[], rules: readonly Rule[], around: Surroundings): Instantiated {
  const faults: Fault[] = []
  const files: PolicyFile[] = []
  const names = new Map<string, LibraryUse>()
  if (uses.length > LIMITS.libraryUsesMax)
    faults.push({
      pointer: uses[0]?.place([]) ?? '',
      message: `${uses.length} uses of the library are too many: at most ${LIMITS.libraryUsesMax}`,
    })
  for (const use of uses.slice(0, LIMITS.libraryUsesMax)) {
    const fault = (keys: readonly string[], message: string): void => void faults.push({ pointer: use.place(keys), message })
    const twin = names.get(use.name)
    if (twin) fault(['name'], `the name \`${use.name}\` is taken by ${twin.place(['name'])}: names are unique, rename one`)
    names.set(use.name, use)
    const rule = rules.find(({ name }) => name === use.rule)
    if (!rule) {
      fault(
        ['rule'],
        `the library has no rule \`${use.rule}\`: ${meant(
          use.rule,
          rules.map(({ name }) => name),
          'list them with `gatehouse policy library`',
        )}`,
      )
      continue
    }
    const before = faults.length
    const values = valuesOf(use, rule, around, fault)
    if (faults.length === before) files.push(fileOf(use, rule, values))
  }
  return { files, faults }
}

function meant(word: string, candidates: readonly string[], otherwise: string): string {
  const near = nearest(word, candidates)
  return near === undefined ? otherwise : `did you mean \`${near}\`?`
}

type Values = ReadonlyMap<string, Rendered>

function valuesOf(use: LibraryUse, rule: Rule, around: Surroundings, fault: (keys: readonly string[], message: string) => void): Values {
  const values = new Map<string, Rendered>()
  const known = rule.parameters.map(({ name }) => name)
  for (const key of Object.keys(use.with))
    if (!known.includes(key))
      fault(
        ['with', key],
        `rule \`${rule.name}\` has no parameter \`${key}\`: ${meant(key, known, `use ${known.map((k) => `\`${k}\``).join(', ')}`)}`,
      )
  for (const parameter of rule.parameters) {
    const value = use.with[parameter.name] ?? parameter.fallback
    if (value === undefined || value === null) {
      if (!parameter.optional) fault(['with'], missing(rule, parameter))
      continue
    }
    try {
      values.set(parameter.name, render(parameter.type, value, around, parameter.of))
    } catch (error) {
      if (!(error instanceof Misfit)) throw error
      fault(['with', parameter.name], `\`${parameter.name}\`: ${error.message}`)
    }
  }
  return values
}

const missing = (rule: Rule, { name, about }: Parameter): string => `rule \`${rule.name}\` needs \`${name}\`: ${about}`

/** A fact's name in the organisation: the use's name makes it its own. */
const ownFact = (use: LibraryUse, fact: string): string => `${use.name.replaceAll('-', '_')}_${fact}`

function fileOf(use: LibraryUse, rule: Rule, values: Values): PolicyFile {
  const head = [`// ${rule.about}`, `// Rule \`${rule.name}\` of the library, used as \`${use.name}\`.`]
  const facts = factsOf(use, rule, values)
  if (Object.keys(facts).length > 0) {
    const yaml = stringify({ facts }, { lineWidth: 0, collectionStyle: 'any' }).trimEnd()
    head.push('//', ...yaml.split('\n').map((line) => `// ${line}`))
  }
  return {
    path: `library/${rule.name}.cedar (as ${use.name})`,
    connector: null,
    text: `${head.join('\n')}\n\n${bodyOf(use, rule, values)}\n`,
  }
}

function factsOf(use: LibraryUse, rule: Rule, values: Values): JsonObject {
  const filled = (value: JsonValue): JsonValue | undefined => {
    if (typeof value === 'string' && value.startsWith('$')) return values.get(value.slice(1))?.fact
    if (Array.isArray(value)) return value.flatMap((item) => filled(item) ?? [])
    if (!isJsonObject(value)) return value
    return Object.fromEntries(
      Object.entries(value).flatMap(([key, item]): [string, JsonValue][] => {
        const there = filled(item)
        return there === undefined ? [] : [[key, there]]
      }),
    )
  }
  return Object.fromEntries(
    Object.entries(rule.facts).map(([section, facts]) => [
      section,
      Object.fromEntries(
        Object.entries(isJsonObject(facts) ? facts : {}).map(([name, fact]) => [ownFact(use, name), filled(fact) ?? null]),
      ),
    ]),
  )
}

/** A line that mentions an optional parameter that is not given is left out. */
function bodyOf(use: LibraryUse, rule: Rule, values: Values): string {
  const facts = new Set(factNames(rule))
  const words = (name: string): string | undefined => (name === 'name' ? `library.${use.name}` : values.get(name)?.words)
  const absent = rule.parameters.filter(({ name }) => !values.has(name)).map(({ name }) => name)
  return rule.body
    .split('\n')
    .filter((line) => !absent.some((name) => new RegExp(`\\$${name}\\b`).test(line)))
    .join('\n')
    .replace(TEXT_OR_PLACEHOLDER, (found, name: string | undefined) => {
      if (name === undefined) return found.replace(PLACEHOLDER, (placeholder, within: string) => words(within) ?? placeholder)
      if (facts.has(name)) return ownFact(use, name)
      return values.get(name)?.cedar ?? found
    })
}

const PLACEHOLDER = /\$([A-Za-z_]\w*)/g
const TEXT_OR_PLACEHOLDER = /"(?:[^"\\]|\\.)*"|\$([A-Za-z_]\w*)/g
