import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import pg from 'pg'
import { type Contender, type DatabaseKind, type Field, openField } from './contenders.ts'
import { DECISIONS, type DecisionPlan, measureDecisions } from './decisions.ts'
import { type Memory, Measurement, type Plan } from './measure.ts'
import { machine, type Report } from './report.ts'
import type { Kind } from './workload.ts'

/** Where time goes is told for these doors, on the first database. */
const PROFILED: readonly Kind[] = ['read', 'write-fresh']

export interface Bench {
  plan: Plan
  /** Absent: the plan of the published figures. */
  decisions?: DecisionPlan
  /** Beginnings of row ids; none means all. */
  only: readonly string[]
  databases: readonly DatabaseKind[]
  /** The PostgreSQL server on which a database is made and dropped. */
  databaseUrl: string
  /** For configurations and embedded databases. */
  folder: string
  apiKey: string
  say: (line: string) => void
}

/** Runs the whole bench and cleans up after itself. Throws where something does not start. */
export async function runBench(bench: Bench): Promise<Report> {
  const decisions = isWanted(bench, 'decisions') ? await measureDecisions(bench.decisions ?? DECISIONS, bench.apiKey, bench.say) : null
  if (bench.only.length > 0 && bench.only.every((prefix) => 'decisions'.startsWith(prefix)))
    return { ...header(bench.plan), rows: [], memory: [], profiles: [], decisions }
  const report = await inField(bench, 'speed', (field) => measure(bench, field))
  // Memory is told of gateways that are new, and were not profiled.
  const memory = bench.plan.rssCalls > 0 ? await inField(bench, 'memory', (field) => remember(bench, field)) : []
  return { ...report, memory, decisions }
}

/** Everything of a run is its own: a gateway with another vault key refuses a database whose log it did not sign. */
async function inField<T>(bench: Bench, run: string, use: (field: Field) => Promise<T>): Promise<T> {
  const made = bench.databases.includes('postgres') ? await makeDatabase(bench.databaseUrl) : undefined
  const urls: Readonly<Record<DatabaseKind, string>> = { postgres: made?.url ?? '', pglite: '' }
  try {
    const field = await openField({
      apiKey: bench.apiKey,
      folderOf: (kind) => join(bench.folder, run, kind),
      databases: bench.databases.map((kind) => ({ kind, url: urls[kind] })),
    })
    try {
      return await use(field)
    } finally {
      await field.close()
    }
  } finally {
    await made?.drop()
  }
}

async function remember({ plan, databases, say }: Bench, field: Field): Promise<Memory[]> {
  const measurement = new Measurement(field, plan, say)
  const memory: Memory[] = []
  for (const database of databases) memory.push(await measurement.memory(database))
  return memory
}

async function measure({ plan, only, databases, say }: Bench, field: Field): Promise<Omit<Report, 'memory' | 'decisions'>> {
  const contenders = chosen(field.contenders, only)
  const measurement = new Measurement(field, plan, say)
  const rows = await measurement.rows(contenders)
  const profiles: Report['profiles'][number][] = []
  const profiled = contenders.filter(({ id }) => plan.profileCalls > 0 && PROFILED.some((kind) => id === `${databases[0]}-${kind}`))
  for (const contender of profiled) profiles.push({ title: contender.title, profile: await measurement.profile(contender) })
  return { ...header(plan), rows, profiles }
}

const header = (plan: Plan): Pick<Report, 'machine' | 'date' | 'plan'> => ({
  machine: machine(),
  date: new Date().toISOString().slice(0, 10),
  plan,
})

const isWanted = ({ only }: Bench, id: string): boolean => only.length === 0 || only.some((prefix) => id.startsWith(prefix))

/** The named rows, with what they are compared with. */
function chosen(all: readonly Contender[], only: readonly string[]): readonly Contender[] {
  if (only.length === 0) return all
  const named = all.filter(({ id }) => only.some((prefix) => id.startsWith(prefix)))
  const peers = new Set(named.flatMap(({ peer }) => (peer ? [peer.id] : [])))
  const direct = new Set<string>(named.map(({ target }) => (target.kind.startsWith('write') ? 'direct-write' : 'direct-read')))
  return all.filter((contender) => named.includes(contender) || peers.has(contender.id) || direct.has(contender.id))
}

async function makeDatabase(serverUrl: string): Promise<{ url: string; drop(): Promise<void> }> {
  const name = `gatehouse_bench_${randomBytes(6).toString('hex')}`
  const run = async (statement: string): Promise<void> => {
    const client = new pg.Client({ connectionString: serverUrl })
    await client.connect()
    try {
      await client.query(statement)
    } finally {
      await client.end()
    }
  }
  await run(`create database ${name}`)
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  return { url: url.href, drop: () => run(`drop database if exists ${name} with (force)`) }
}
