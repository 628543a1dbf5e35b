import { isJsonObject, type JsonObject, type JsonValue } from '../../gateway/core/json.ts'
import type { Cedar, CedarSchema } from './cedar.ts'
import { nearest } from './policy-text.ts'

/** More names than this are not listed in a sentence. */
const NAMES_SHOWN = 8

interface Rule {
  pattern: RegExp
  /** Cause and remedy from the pattern's groups. */
  say(groups: readonly string[], schema: CedarSchema, help: string): string
}

/** What the validator says, said to people: the cause in the policy's own words, then the remedy. The first rule that fits speaks. */
const RULES: readonly Rule[] = [
  {
    pattern: /^attribute `([^`]+)` in context for (.+?) not found$/,
    say([path = '', action = ''], schema) {
      const names = path.split('.')
      const known = Object.keys(attributes(contextOf(schema, action), names.slice(0, -1)))
      return `there is no attribute \`${path}\` in the context of ${action}: ${meant(names.at(-1) ?? '', known)}`
    },
  },
  {
    pattern: /^attribute `([^`]+)` on entity type `([^`]+)` not found$/,
    say: ([name = '', type = ''], schema) => entityAttribute(name, type, schema),
  },
  {
    pattern: /^unable to guarantee safety of access to optional attribute `([^`]+)` in context for (.+)$/,
    say([path = '', action = '']) {
      const names = ['context', ...path.split('.')]
      return `the optional attribute \`${path}\` may be absent in the context of ${action}: ask \`${names.slice(0, -1).join('.')} has ${names.at(-1)} &&\` first`
    },
  },
  {
    pattern: /^unable to guarantee safety of access to optional attribute `([^`]+)` on entity type `([^`]+)`$/,
    say: ([name = '', type = '']) => `the optional attribute \`${name}\` of a \`${type}\` may be absent: ask \`has ${name} &&\` first`,
  },
  {
    pattern: /^unrecognized action `(.+)`$/,
    say: ([action = ''], schema) =>
      `there is no action \`${action}\`: ${action.startsWith('Gatehouse::') ? group(action, schema) : other(action, actionsIn(schema))}`,
  },
  {
    pattern: /^unrecognized entity type `(.+)`$/,
    say: ([type = ''], schema) => `there is no entity type \`${type}\`: ${other(type, typesIn(schema))}`,
  },
  {
    pattern: /^the types (.+) and (.+) are not compatible$/,
    say: ([one = '', two = '']) => `the types ${one} and ${two} do not go together: ${together(one, two)}`,
  },
  {
    pattern: /^unexpected type: (expected (.+) but saw (.+))$/,
    say: ([all = '', expected = '', saw = '']) => `${all}: ${instead(expected, saw)}`,
  },
  {
    pattern: /^(.*(?:BIDI|mixed scripts|confusable).*)$/s,
    say: ([cause], _schema, help) => `${cause}: ${help || 'write it in one script, without invisible characters'}`,
  },
  {
    pattern: /^(unable to find an applicable action.*)$/s,
    say: ([cause]) => `${cause}: name an operation of this connector, and a resource that it has`,
  },
  {
    pattern: /^error during extension function argument validation: (.*)$/s,
    say: ([cause = ''], _schema, help) => [cause, help].filter(Boolean).join(': '),
  },
]

/** One validation error as a sentence with cause and remedy. */
export function validationMessage({ message, help }: Cedar.DetailedError, schema: CedarSchema): string {
  const cause = message.replace(/^for policy `[^`]*`, /, '')
  const advice = (help ?? '').replace(/^for policy `[^`]*`, /, '')
  for (const { pattern, say } of RULES) {
    const match = pattern.exec(cause)
    if (match) return say(match.slice(1), schema, advice)
  }
  return advice ? `${cause}: ${advice}` : cause
}

/** What to say of an attribute that no context of these actions has; undefined where one of them has it. */
export function absentAttribute(path: readonly string[], actions: readonly string[], schema: CedarSchema): string | undefined {
  const above = actions.map((action) => Object.keys(attributes(contextOf(schema, action), path.slice(0, -1))))
  const name = path.at(-1) ?? ''
  if (above.some((names) => names.includes(name))) return undefined
  return `there is no attribute \`${path.join('.')}\` in the context: ${meant(name, [...new Set(above.flat())])}`
}

const object = (value: JsonValue | undefined): JsonObject => (isJsonObject(value) ? value : {})

const actionsIn = (schema: CedarSchema): readonly string[] =>
  Object.entries(schema).flatMap(([namespace, { actions }]) =>
    Object.keys(actions).map((name) => `${namespace}::Action::${JSON.stringify(name)}`),
  )

const typesIn = (schema: CedarSchema): readonly string[] =>
  Object.entries(schema).flatMap(([namespace, { entityTypes }]) => Object.keys(entityTypes).map((name) => `${namespace}::${name}`))

/** The context's type at an action, in the schema's JSON form. */
function contextOf(schema: CedarSchema, action: string): JsonObject {
  const [, namespace = '', name = ''] = /^(\w+)::Action::"(.*)"$/.exec(action) ?? []
  return object(schema[namespace]?.actions[name]?.appliesTo?.context as unknown as JsonObject)
}

/** The attributes of a record's type, below a path of it. */
function attributes(type: JsonObject, path: readonly string[]): JsonObject {
  const own = object(type.attributes)
  const [name, ...rest] = path
  return name === undefined ? own : attributes(object(own[name]), rest)
}

const attributesOf = (schema: CedarSchema, type: string): readonly string[] => {
  const [namespace = '', name = ''] = type.split('::')
  return Object.keys(attributes(object(object(schema[namespace]?.entityTypes[name] as unknown as JsonObject).shape), []))
}

/** Agents and people are both principals: what only one of them has must not be asked of the other. */
function entityAttribute(name: string, type: string, schema: CedarSchema): string {
  const principals = ['Gatehouse::Agent', 'Gatehouse::Person']
  if (!principals.includes(type)) return `there is no attribute \`${name}\` on a \`${type}\`: ${meant(name, attributesOf(schema, type))}`
  const owner = principals.find((one) => attributesOf(schema, one).includes(name))
  if (owner) return `there is no attribute \`${name}\` on a \`${type}\`: ask \`principal is ${owner} &&\` first`
  const known = new Set(principals.flatMap((one) => attributesOf(schema, one)))
  return `there is no attribute \`${name}\` on agents or people: ${meant(name, [...known])}`
}

function meant(word: string, known: readonly string[]): string {
  const near = nearest(word, known)
  if (near !== undefined) return `did you mean \`${near}\`?`
  if (known.length === 0) return 'there is nothing below it, remove it'
  const more = known.length > NAMES_SHOWN ? ` and ${known.length - NAMES_SHOWN} more` : ''
  return `there is ${known
    .slice(0, NAMES_SHOWN)
    .map((name) => `\`${name}\``)
    .join(', ')}${more}`
}

/** Another qualified name: the same last part in another namespace, then the nearest. */
function other(name: string, known: readonly string[]): string {
  const same = known.find((one) => one.endsWith(`::${name.split('::').at(-1)}`))
  const near = same ?? nearest(name, known)
  return near === undefined ? 'name one of a configured connector' : `did you mean \`${near}\`?`
}

const group = (action: string, schema: CedarSchema): string =>
  meant(
    action,
    actionsIn(schema).filter((one) => one.startsWith('Gatehouse::')),
  )

/** What to do where two values are of different types. */
function together(one: string, two: string): string {
  const both = [one, two]
  if (both.every((type) => type.endsWith('::Action')))
    return 'actions of several connectors cannot stand in one list, write a policy for each'
  if (both.some((type) => /\bas(String|Long|Decimal|Bool|Set|Record)\?/.test(type)))
    return 'the property has several types, ask for one of them: `x has asString && x.asString == "..."`'
  if (both.includes('decimal')) return 'a `number` is a decimal: compare it with `decimal("1000.0")`'
  if (both.includes('datetime')) return 'a point in time is written `datetime("2026-01-31T12:00:00Z")`'
  if (both.includes('String')) return 'text stands in quotes, numbers do not'
  return 'compare values of one type'
}

function instead(expected: string, saw: string): string {
  if (saw === 'decimal')
    return 'a `number` is a decimal, which has methods instead of operators: `.lessThan(decimal("1000.0"))`, `.greaterThan(...)`'
  if (saw === 'String' && expected === 'datetime') return 'a point in time is written `datetime("2026-01-31T12:00:00Z")`'
  if (saw === 'String' && expected === 'duration') return 'a duration is written `duration("4h")`'
  if (saw === 'String') return 'text has no order: compare it with `==`, `like` or the `contains` of a set'
  return 'compare values of one type'
}
