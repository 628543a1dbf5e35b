import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { playbookFile } from './config/playbooks.ts'
import { agentsFile, approvalsFile, gatehouseFile, manifestFile, peopleFile } from './config/schema.ts'
import { ERRORS } from './core/errors.ts'
import { entriesPage } from './entries-page.ts'
import { LIMITS } from './limits.ts'
import { SPANS } from './ports/telemetry.ts'
import { METRICS } from './telemetry/metrics.ts'

const GENERATED = 'Generated from the sources by `npm run reference`: change it there.'

/** The files of a configuration, by the key of `gatehouse.yaml` that names them. */
const FILES = {
  'gatehouse.yaml': gatehouseFile,
  'people.yaml': peopleFile,
  'agents.yaml': agentsFile,
  'approvals.yaml': approvalsFile,
  'connectors/<name>.yaml': manifestFile,
  'playbooks/*.yaml': playbookFile,
} as const

const RETRY = { never: 'never', later: 'later', 'if-idempotent': 'only where repeating is safe' } as const

function errorsPage(): string {
  const rows = Object.entries(ERRORS).map(([code, { http, retry, says }]) => `| \`${code}\` | ${http} | ${RETRY[retry]} | ${says} |`)
  return `# Error codes

${GENERATED}

One catalogue for all doors: GraphQL \`extensions.code\`, \`code\` of the problem (RFC 9457) at HTTP doors, and the reason in the sentence of an MCP result.
"Repeat" says whether the same request can succeed when it is sent again unchanged.

| code | HTTP | repeat | meaning |
|---|---|---|---|
${rows.join('\n')}
`
}

function limitsPage(): string {
  const rows = Object.entries(LIMITS).map(([name, value]) => `| \`${name}\` | ${value.toLocaleString('en')} |`)
  return `# Limits

${GENERATED}

Everything is bounded. The unit stands at the end of the name, before \`Max\` or \`Min\`; \`Default\` marks what \`limits\` in \`gatehouse.yaml\` changes.

| limit | value |
|---|---|
${rows.join('\n')}
`
}

function metricsPage(): string {
  const rows = Object.values(METRICS).map(
    ({ name, type, help, labels }) => `| \`${name}\` | ${type} | ${labels.map((l) => `\`${l}\``).join(', ') || '-'} | ${help} |`,
  )
  return `# Metrics

${GENERATED}

Served at \`/metrics\` in Prometheus text format. Beside these stand the usual process metrics.

| metric | type | labels | meaning |
|---|---|---|---|
${rows.join('\n')}
`
}

function tracesPage(): string {
  const spans = Object.entries(SPANS).map(([name, { kind, says, attributes }]) => {
    const rows = Object.entries(attributes).map(([attribute, help]) => `| \`${attribute}\` | ${help} |`)
    return `## \`${name}\` (${kind})\n\n${says}.\n\n| attribute | value |\n|---|---|\n${rows.join('\n')}\n`
  })
  return `# Traces

${GENERATED}

A call is three spans at most: \`call\`, and below it \`decision\` and \`upstream\`; beside them one \`lookup\` for each question that policy needs an answer to, and one more \`decision\`
for each that is made again. The scope is \`gatehouse\` with its version, the resource as in [Signals](../guides/operating.md#signals). Attributes are ids, names, numbers and codes, at most
${LIMITS.spanAttributeCharsMax} characters each: no arguments, no answers, no secrets. \`http.response.status_code\` and \`error.type\` are those of OpenTelemetry's semantic conventions.

${spans.join('\n')}`
}

interface Property {
  type?: string
  enum?: unknown[]
  const?: unknown
  default?: unknown
  items?: Property
  properties?: Record<string, Property>
  required?: string[]
  additionalProperties?: Property | boolean
  anyOf?: Property[]
  oneOf?: Property[]
  pattern?: string
  format?: string
}

function typeOf(property: Property): string {
  if (property.const !== undefined) return `\`${String(property.const)}\``
  if (property.enum) return property.enum.map((value) => `\`${String(value)}\``).join(' \\| ')
  const alternatives = property.anyOf ?? property.oneOf
  if (alternatives) return alternatives.map(typeOf).join(' or ')
  if (property.type === 'array') return `list of ${property.items ? typeOf(property.items) : 'values'}`
  if (property.properties) return 'mapping'
  if (typeof property.additionalProperties === 'object') return `mapping of name to ${typeOf(property.additionalProperties)}`
  return property.format === 'uri' ? 'address' : (property.type ?? 'value')
}

function rowsOf(schema: Property, path: string): string[] {
  const list = schema.type === 'array' && schema.items
  if (list) return rowsOf(list, `${path}[]`)
  const alternatives = schema.anyOf ?? schema.oneOf
  if (alternatives) return [...new Set(alternatives.flatMap((alternative) => rowsOf(alternative, path)))]
  if (typeof schema.additionalProperties === 'object' && !schema.properties)
    return rowsOf(schema.additionalProperties, path ? `${path}.<name>` : '<name>')
  return Object.entries(schema.properties ?? {}).flatMap(([name, property]) => {
    const at = path ? `${path}.${name}` : name
    const needed = schema.required?.includes(name)
      ? 'required'
      : property.default === undefined
        ? ''
        : `default \`${JSON.stringify(property.default)}\``
    return [`| \`${at}\` | ${typeOf(property)} | ${needed} |`, ...rowsOf(property, at)]
  })
}

const schemaOf = (schema: z.ZodType): Property => z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Property

function configurationPage(): string {
  const sections = Object.entries(FILES).map(
    ([file, schema]) => `## \`${file}\`\n\n| key | value | |\n|---|---|---|\n${rowsOf(schemaOf(schema), '').join('\n')}\n`,
  )
  return `# Configuration

${GENERATED}

Unknown keys are errors, and all faults are listed at once with file, line and column. Values may say \`\${NAME}\` or \`\${NAME:-default}\`; paths are relative to the file that names them;
durations are \`500ms\`, \`30s\`, \`5m\`, \`1h\`, \`7d\` or ISO 8601. The environment overrides the file: \`DATABASE_URL\`, \`REDIS_URL\`. Telemetry follows the standard \`OTEL_*\` variables.
The JSON Schema for editors is [configuration.schema.json](configuration.schema.json).

${sections.join('\n')}`
}

/** Name to text of every generated page in `docs/reference`. */
export function referencePages(): Readonly<Record<string, string>> {
  const schemas = Object.fromEntries(Object.entries(FILES).map(([file, schema]) => [file, schemaOf(schema)]))
  return {
    'errors.md': errorsPage(),
    'entries.md': entriesPage(GENERATED),
    'limits.md': limitsPage(),
    'metrics.md': metricsPage(),
    'traces.md': tracesPage(),
    'configuration.md': configurationPage(),
    'configuration.schema.json': `${JSON.stringify({ $comment: GENERATED, $defs: schemas }, null, 2)}\n`,
  }
}

/** Writes the pages into a folder. */
export function writeReference(folder: string): void {
  for (const [name, text] of Object.entries(referencePages())) writeFileSync(join(folder, name), text)
}
