import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import {
  buildClientSchema,
  buildSchema,
  getIntrospectionQuery,
  type GraphQLSchema,
  type IntrospectionQuery,
  parse,
  validate,
} from 'graphql'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse as parseYaml, stringify as stringifyYaml } from 'yaml'
import type { z } from 'zod'
import { acmeConfiguration } from '../../examples/acme/start.ts'
import { createDecider } from '../../policies/engine/decider.ts'
import { loadFacts } from '../../policies/engine/facts-file.ts'
import { instantiate } from '../../policies/library/instantiate.ts'
import { libraryRules } from '../../policies/library/rules.ts'
import { compile } from '../compile.ts'
import { Faults } from '../config/faults.ts'
import { loadConfiguration } from '../config/load.ts'
import { agentsFile, approvalsFile, gatehouseFile, manifestFile, peopleFile } from '../config/schema.ts'
import { readYaml } from '../config/yaml-file.ts'
import { GatewayError } from '../core/errors.ts'
import type { JsonObject } from '../core/json.ts'
import { createDialer } from '../egress/dialer.ts'
import type { PolicyFile } from '../ports/policy-source.ts'
import { type DocsBed, isSetUp, openDocsBed } from './docs-bed.ts'
import { type Block, literally, missing, pages, ROOT } from './docs-blocks.ts'

const all = pages()
const blocks = all.flatMap((page) => page.blocks)
const inLanguage = (language: string): [string, Block][] =>
  blocks.filter((block) => block.language === language).map((block) => [`${block.file}:${block.line}`, block])

let bed: DocsBed
beforeAll(async () => {
  bed = await openDocsBed()
})
afterAll(() => bed?.close())

describe('commands', () => {
  test.each(all.map((page) => [page.file, page] as const))(
    'of %s end well and print what the page shows',
    { timeout: 180_000 },
    async (_file, page) => {
      const { outputs, failed } = await bed.run(page)
      expect(failed).toBeUndefined()
      const unseen = [...outputs].flatMap(([block, output]) =>
        missing(block, output).map((line) => `${block.file}:${block.line}: not printed: ${line}\nbut: ${output}`),
      )
      expect(unseen).toEqual([])
    },
  )

  test('to set up are scripts of the package, and the start prints what the page shows', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: Record<string, string> }
    const setUp = blocks.filter(isSetUp)
    expect(setUp.map(({ text }) => text)).toEqual(expect.arrayContaining(['npm ci && npm start', 'npm ci && npm test']))
    for (const block of setUp) expect(scripts).toHaveProperty([block.text.split(' ').at(-1) ?? ''])
    for (const block of setUp.filter(({ text }) => text.endsWith('start'))) expect(missing(block, bed.printed)).toEqual([])
    expect(scripts).toMatchObject({ gatehouse: 'node bin/gatehouse.mjs', demo: 'node tools/run.mjs examples/acme/demo-main' })
  })

  test('that the start prints as the next step work when pasted', async () => {
    const pasted = /another terminal:\n\n([\s\S]*?)\n\n/.exec(bed.printed)?.[1] ?? ''
    const { code, output } = await bed.shell(`set -euo pipefail\n${pasted}`)
    expect(code).toBe(0)
    expect(JSON.parse(output)).toMatchObject({
      data: { whoami: { name: 'invoice-clerk' }, erp_listInvoices: { items: [{ id: expect.stringMatching(/^INV-/) }, {}] } },
    })
  })
})

const { policySource: acme, playbooks } = compile(
  loadConfiguration(acmeConfiguration(), {}),
  createDialer({ development: true }),
  () => undefined,
)

/** What is wrong with the uses of the library that a block shows, on the example organisation. */
function libraryFaults(text: string): readonly unknown[] {
  const { library = [] } = parseYaml(text) as { library?: { rule: string; name: string; with: JsonObject }[] }
  const uses = library.map((use) => ({ ...use, place: () => use.name }))
  const { files, faults } = instantiate(uses, libraryRules(), { ...acme, playbooks: playbooks.playbooks })
  createDecider({ ...acme, files: [...acme.files, ...files] })
  return faults
}

/** The facts that a page shows and the example organisation does not have, carried as a rule of the library carries its own. */
function factsOf(page: string): PolicyFile {
  const shown = blocks.filter((block) => block.file === page && block.label === 'facts.yaml').map(({ text }) => sections(text))
  const known = sections(acme.facts?.text ?? '{}')
  const more = shown.flatMap((facts) =>
    Object.entries(facts).map(([section, names]) => [
      section,
      Object.fromEntries(Object.entries(names).filter(([name]) => !(name in (known[section] ?? {})))),
    ]),
  )
  const lines = stringifyYaml({ facts: Object.fromEntries(more) })
    .trimEnd()
    .split('\n')
  return { path: 'library/guide.cedar (as guide)', connector: null, text: lines.map((line) => `// ${line}`).join('\n') }
}

const sections = (text: string): Record<string, JsonObject> => parseYaml(text) as Record<string, JsonObject>

describe('blocks', () => {
  test('are in languages that are looked at here', () => {
    const known = ['sh', 'text', 'yaml', 'json', 'cedar', 'graphql', 'ts', 'js']
    expect(blocks.filter(({ language }) => !known.includes(language)).map(({ file, line }) => `${file}:${line}`)).toEqual([])
  })

  test.each(inLanguage('json'))('%s is JSON', (_place, { text }) => expect(() => JSON.parse(text)).not.toThrow())

  test.each(inLanguage('js'))('%s is a program that the page runs', (_place, { file, label }) => {
    const page = all.find((one) => one.file === file)
    expect(page?.blocks.some(({ language, text }) => language === 'sh' && label !== undefined && text.includes(`node ${label}`))).toBe(true)
  })

  const HOOK = `whsec_${'A'.repeat(32)}`
  const SECRETS = { REPORT_WRITER_SECRET_HASH: 'scrypt$', MAIL_PASSWORD: 'secret', CHAT_SECRET: HOOK, SIEM_SECRET: HOOK }
  const FILES: Readonly<Record<string, z.ZodType>> = {
    'gatehouse.yaml': gatehouseFile.partial(),
    'people.yaml': peopleFile,
    'agents.yaml': agentsFile,
    'approvals.yaml': approvalsFile,
  }
  test.each(inLanguage('yaml'))('%s is what a start reads', (_place, { text, label = '', line }) => {
    if (label === 'facts.yaml') return expect(loadFacts([{ path: label, text }], acme.catalogue).faults).toEqual([])
    const schema = FILES[basename(label)] ?? (label.includes('/connectors/') ? manifestFile : undefined)
    if (!schema) throw new Error(`name the file above the block, \`${label}\` is none of the configuration`)
    const path = join(bed.home, `block-${line}.yaml`)
    writeFileSync(path, text)
    const faults = new Faults()
    readYaml(path, schema, SECRETS, path, faults)
    expect(() => faults.refuse()).not.toThrow()
    if (basename(label) === 'gatehouse.yaml') expect(libraryFaults(text)).toEqual([])
  })

  test.each(inLanguage('cedar'))('%s is accepted, or refused as the page says', (_place, { text, label, file }) => {
    if (label !== undefined) return expect(label).toMatch(/^my-organisation\/policies\/[a-z]+\.cedar$/) // `check` runs on these.
    const said = /^\/\/ refused: (.*)$/m.exec(text)?.[1]
    const connector = /\b([A-Z][a-z]+)::Action::/.exec(text.replaceAll('Gatehouse::', ''))?.[1]?.toLowerCase() ?? null
    const source = { ...acme, files: [...acme.files, factsOf(file), { path: 'guide.cedar', connector, text }] }
    const refused = ((): string | undefined => {
      try {
        createDecider(source)
        return undefined
      } catch (error) {
        return error instanceof GatewayError ? error.message : String(error)
      }
    })()
    if (said === undefined) expect(refused).toBeUndefined()
    else expect(refused).toMatch(new RegExp(`guide\\.cedar:.*${literally(said)}`))
  })

  test('of TypeScript compile', () => {
    const folder = join(bed.home, 'snippets')
    mkdirSync(folder)
    for (const [, { file, line, text }] of inLanguage('ts')) writeFileSync(join(folder, `${basename(file, '.md')}-${line}.ts`), text)
    const { compilerOptions } = JSON.parse(readFileSync(join(ROOT, 'tsconfig.json'), 'utf8')) as { compilerOptions: object }
    const own = { ...compilerOptions, rootDir: '.', noEmit: true }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: own, include: ['*.ts'] }))
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
    expect(inLanguage('ts').length).toBeGreaterThan(0)
    expect(() => execFileSync(process.execPath, [tsc, '-p', folder], { encoding: 'utf8' })).not.toThrow()
  })
})

describe('GraphQL documents', () => {
  let people: GraphQLSchema
  let agents: GraphQLSchema
  beforeAll(async () => {
    people = buildSchema(readFileSync(join(ROOT, 'schema/operator.graphql'), 'utf8'))
    const { output } = await bed.shell('npm run --silent gatehouse -- agent token invoice-clerk')
    const response = await fetch(`${bed.url}/graphql`, {
      method: 'POST',
      headers: { authorization: `Bearer ${output.trim()}`, 'content-type': 'application/json' },
      body: JSON.stringify({ query: getIntrospectionQuery() }),
    })
    const { data } = (await response.json()) as { data: IntrospectionQuery }
    agents = buildClientSchema(data)
  })
  test.each(inLanguage('graphql'))('%s fits the schema of its reader', (_place, { file, text }) => {
    const schema = file.endsWith('agents.md') ? agents : people
    expect(validate(schema, parse(text)).map(({ message }) => message)).toEqual([])
  })
})

/** As GitHub makes them: lower case, punctuation dropped, spaces to hyphens. */
const anchorsOf = (text: string): string[] =>
  [...text.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )

test.each(all.map((page) => [page.file, page] as const))('the links of %s lead somewhere', (file, { text }) => {
  const prose = text.replaceAll(/```[\s\S]*?```/g, '')
  const broken = [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^https?:/.test(target))
    .filter((target) => {
      const [path = '', anchor] = target.split('#')
      const to = path === '' ? join(ROOT, file) : join(ROOT, dirname(file), path)
      if (!existsSync(to)) return true
      return anchor !== undefined && (statSync(to).isDirectory() || !anchorsOf(readFileSync(to, 'utf8')).includes(anchor))
    })
  expect(broken).toEqual([])
})
