import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Bench, runBench } from './bench.ts'
import { FULL, QUICK } from './measure.ts'
import { markdown } from './report.ts'

const USAGE = `usage: npm run bench -- [--quick] [--only ID,...] [--database postgres|pglite|both] [--json] [--write]

--quick     fewer calls, no memory run
--only      the named rows (a prefix is enough: \`postgres-\`), and those they are compared with; \`decisions\` is policy alone
--database  where the record is (both)
--json      the report as JSON instead of Markdown
--write     puts the report into docs/performance.md

PostgreSQL is the server of TEST_DATABASE_URL (the local one without it); the run makes a database there and drops it.
`
const BEGIN = '<!-- bench:begin -->'
const END = '<!-- bench:end -->'

function readOptions(): (Bench & { json: boolean; write: boolean }) | null {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      database: { type: 'string', default: 'both' },
      json: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const { database } = values
  if (values.help || !['postgres', 'pglite', 'both'].includes(database)) return null
  return {
    plan: values.quick ? QUICK : FULL,
    only: values.only?.split(',') ?? [],
    databases: database === 'both' ? ['postgres', 'pglite'] : [database === 'pglite' ? 'pglite' : 'postgres'],
    databaseUrl: process.env.TEST_DATABASE_URL ?? 'postgres://postgres@127.0.0.1:5432/postgres',
    folder: mkdtempSync(join(tmpdir(), 'gatehouse-bench-')),
    apiKey: randomBytes(24).toString('base64url'),
    say: (line) => process.stderr.write(`${line}\n`),
    json: values.json,
    write: values.write,
  }
}

/** Replaces what stands between the markers of the guide. */
function writeReport(report: string): void {
  const file = fileURLToPath(new URL('../../docs/performance.md', import.meta.url))
  const text = existsSync(file) ? readFileSync(file, 'utf8') : `${BEGIN}\n${END}\n`
  const [head = '', rest = ''] = text.split(BEGIN)
  writeFileSync(file, `${head}${BEGIN}\n\n${report}\n${END}${rest.split(END)[1] ?? ''}`)
}

const options = readOptions()
if (!options) {
  process.stderr.write(USAGE)
  process.exit(2)
}
try {
  const report = await runBench(options)
  process.stdout.write(options.json ? `${JSON.stringify(report, undefined, 2)}\n` : markdown(report))
  if (options.write) writeReport(markdown(report))
  process.exitCode = report.rows.some(({ failures }) => failures > 0) ? 1 : 0
} finally {
  rmSync(options.folder, { recursive: true, force: true })
}
