import { parse } from 'yaml'
import { isJsonObject, type JsonObject, type JsonValue } from '../../gateway/core/json.ts'
import { isParameterType, type ParameterType } from './parameter-types.ts'

/** What a rule has to be told. */
export interface Parameter {
  readonly name: string
  readonly type: ParameterType
  /** A phrase for people. */
  readonly about: string
  /** Left out, the lines of the rule that mention it are left out, too. */
  readonly optional: boolean
  /** As it would stand in the configuration. */
  readonly fallback?: JsonValue
  /** Type `choice` and `choices`: what can be chosen. */
  readonly of: readonly string[]
}

/** A reusable rule: Cedar with `$parameter` where a value goes, `$fact` where the name of one of its facts goes, `$name` where its use's name goes. */
export interface Rule {
  readonly name: string
  /** What it is for, first sentence first. */
  readonly about: string
  readonly parameters: readonly Parameter[]
  /** Sections of `facts.yaml` with `$parameter` as values; the names are the rule's own. */
  readonly facts: JsonObject
  readonly body: string
}

/** Thrown for a rule file that does not hold: a fault of the library, not of who uses it. */
class BrokenRule extends Error {}

/**
 * Reads a rule: a comment that says what it is for, then, in the comment, YAML with `parameters` (`name: {type, about, default, optional, of}`) and
 * `facts` as in `facts.yaml`; then the policies. Throws where it does not hold.
 */
export function readRule(name: string, text: string): Rule {
  const lines = text.split('\n')
  const end = lines.findIndex((line) => !line.startsWith('//'))
  const comment = lines.slice(0, end).map((line) => line.replace(/^\/\/ ?/, ''))
  const start = comment.indexOf('parameters:')
  if (start < 1 || end < 0) throw new BrokenRule(`rule \`${name}\`: no \`parameters:\` in the comment at its head`)
  const header: unknown = parse(comment.slice(start).join('\n'))
  if (!isRecord(header) || !isRecord(header.parameters)) throw new BrokenRule(`rule \`${name}\`: its parameters are no map`)
  const parameters = Object.entries(header.parameters).map(([parameter, declared]) => readParameter(name, parameter, declared))
  const facts = isRecord(header.facts) ? (header.facts as JsonObject) : {}
  const about = comment.slice(0, start).join(' ').trim().replace(/ {2,}/g, ' ')
  const rule = { name, about, parameters, facts, body: lines.slice(end).join('\n').trim() }
  refuseStrangers(rule)
  return rule
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function readParameter(rule: string, name: string, declared: unknown): Parameter {
  if (!isRecord(declared) || !isParameterType(declared.type) || typeof declared.about !== 'string')
    throw new BrokenRule(`rule \`${rule}\`: parameter \`${name}\` needs a known \`type\` and \`about\``)
  const { type, about, optional, of, default: fallback } = declared
  return {
    name,
    type,
    about,
    optional: optional === true,
    of: Array.isArray(of) ? of.map(String) : [],
    ...(fallback === undefined ? {} : { fallback: fallback as JsonValue }),
  }
}

/** Names of the facts that a rule brings along. */
export const factNames = ({ facts }: Pick<Rule, 'facts'>): readonly string[] =>
  Object.values(facts).flatMap((section) => (isJsonObject(section) ? Object.keys(section) : []))

function refuseStrangers(rule: Rule): void {
  const known = ['name', ...rule.parameters.map(({ name }) => name), ...factNames(rule)]
  if (new Set(known).size < known.length) throw new BrokenRule(`rule \`${rule.name}\`: a name stands twice`)
  // A condition that is left out makes its policy match more: that is safe for a forbid alone.
  const loose = rule.parameters.find(({ optional }) => optional)
  if (loose && /^\s*permit\b/m.test(rule.body.replaceAll(/@\w+\("[^"]*"\)/g, '')))
    throw new BrokenRule(`rule \`${rule.name}\`: \`${loose.name}\` is optional in a permit, which would be wider without it`)
  const used = [...`${JSON.stringify(rule.facts)}\n${rule.body}`.matchAll(/\$([A-Za-z_]\w*)/g)].map(([, name = '']) => name)
  const stranger = used.find((name) => !known.includes(name)) ?? known.find((name) => !used.includes(name))
  if (stranger !== undefined)
    throw new BrokenRule(`rule \`${rule.name}\`: \`$${stranger}\` is used and not declared, or declared and not used`)
}
