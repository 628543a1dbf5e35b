import { createHash } from 'node:crypto'
import { z } from 'zod'
import { canonicalJson, isJsonObject, type JsonObject, type JsonValue } from '../core/json.ts'
import { LIMITS } from '../limits.ts'
import type { PlaybookSource } from '../ports/playbooks.ts'
import type { Environment } from './environment.ts'
import type { Faults } from './faults.ts'
import { name } from './schema.ts'
import { filesIn, readYaml } from './yaml-file.ts'

const outcome = z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, 'an outcome is lower-case letters, digits and dashes, starting with a letter')

const recordSchema = z.custom<JsonObject>(isJsonObject, 'write a JSON Schema (2020-12) of type `object`').superRefine((schema, context) => {
  const fault = (path: readonly string[], message: string): void => context.addIssue({ code: 'custom', path: [...path], message })
  if (schema.type !== 'object') fault(['type'], 'a decision record is an object: write `type: object`')
  if (JSON.stringify(schema).length > LIMITS.playbookSchemaCharsMax)
    fault([], `the schema is longer than ${LIMITS.playbookSchemaCharsMax} characters of JSON`)
  refuseOthers(schema, [], fault)
})

const REFERENCES = ['$ref', '$dynamicRef']
const DIALECT = 'https://json-schema.org/draft/2020-12/schema'

/** What would make the schema another document's, or too deep to read. */
function refuseOthers(value: JsonValue, path: readonly string[], fault: (path: readonly string[], message: string) => void): void {
  if (path.length > LIMITS.playbookSchemaDepthMax) {
    fault(path, `the schema nests deeper than ${LIMITS.playbookSchemaDepthMax}`)
    return
  }
  if ((typeof value === 'number' && !Number.isFinite(value)) || (typeof value === 'string' && !value.isWellFormed()))
    fault(path, 'is no value of JSON')
  if (typeof value !== 'object' || value === null) return
  for (const [key, member] of Object.entries(value)) {
    const at = [...path, key]
    if (REFERENCES.includes(key) && typeof member === 'string' && !member.startsWith('#'))
      fault(at, 'a reference stays in its own schema: start it with `#`')
    if (key === '$schema' && member !== DIALECT)
      fault(at, `only JSON Schema 2020-12 is read: leave \`$schema\` out, or write \`${DIALECT}\``)
    if (key === '$id' && typeof member === 'string') fault(at, 'a schema has no address of its own here: leave `$id` out')
    refuseOthers(member, at, fault)
  }
}

const text = (charsMax: number) =>
  z
    .string()
    .min(1)
    .max(charsMax)
    .refine((value) => value.isWellFormed(), 'is not well-formed text')

export const playbookFile = z.strictObject({
  name,
  /** The text of a version that was served once never changes again. */
  version: z
    .string('write the version in quotes, as in "1" or "1.2"')
    .regex(/^(0|[1-9]\d{0,5})(\.(0|[1-9]\d{0,5})){0,2}$/, 'a version is one to three numbers with dots, as in "1" or "1.2"'),
  title: text(200),
  /** What an agent does, step by step, as Markdown. */
  procedure: text(LIMITS.playbookTextCharsMax),
  /** What it may come to. */
  outcomes: z
    .array(outcome)
    .min(1)
    .max(LIMITS.playbookOutcomesMax)
    .refine((all) => new Set(all).size === all.length, 'an outcome stands there twice'),
  /** JSON Schema 2020-12, of type `object`, of what an agent attaches to its call. */
  record: recordSchema,
})

const sha256 = (value: JsonValue): string => createHash('sha256').update(canonicalJson(value)).digest('hex')

/** The playbooks of these folders. Two files of one name and version are a fault. */
export function readPlaybooks(
  folders: readonly { folder: string; askedAt: string }[],
  environment: Environment,
  faults: Faults,
): readonly PlaybookSource[] {
  const paths = folders.flatMap(({ folder, askedAt }) => filesIn(folder, ['.yaml', '.yml'], askedAt, faults))
  if (paths.length > LIMITS.playbooksMax) {
    faults.add(paths[LIMITS.playbooksMax] ?? '', `${paths.length} playbooks are more than ${LIMITS.playbooksMax}`)
    return []
  }
  const taken = new Map<string, string>()
  return paths.flatMap((path) => {
    const read = readYaml(path, playbookFile, environment, path, faults)
    if (!read) return []
    const { value, place } = read
    const id = `${value.name} ${value.version}`
    const twin = taken.get(id)
    if (twin !== undefined)
      faults.add(place(['version']), `version \`${value.version}\` of playbook \`${value.name}\` stands already at ${twin}`)
    taken.set(id, place(['version']))
    return [{ ...value, digest: sha256(value), schema: sha256(value.record), place }]
  })
}
