import { availableParallelism, totalmem } from 'node:os'
import type { DecisionReport } from './decisions.ts'
import type { Memory, Plan, Row } from './measure.ts'
import type { ProfileSummary, Share } from './profile.ts'

/** All that one run found out. */
export interface Report {
  machine: string
  date: string
  plan: Plan
  rows: readonly Row[]
  memory: readonly Memory[]
  profiles: readonly { title: string; profile: ProfileSummary }[]
  decisions: DecisionReport | null
}

/** Cores, memory and version of Node; nothing that names the machine. */
export const machine = (): string =>
  `${availableParallelism()} cores, ${Math.round(totalmem() / 1_073_741_824)} GiB memory, ${process.platform} ${process.arch}, Node ${process.versions.node}; load, upstream, servers and PostgreSQL share them`

const ms = (value: number | null): string => (value === null ? '' : value.toFixed(2))
const percent = (part: number): string => `${(part * 100).toFixed(1)} %`

/** The report as Markdown: what is pasted into `docs/performance.md`. */
export function markdown(report: Report): string {
  const { plan } = report
  return [
    `Run on ${report.date}: ${report.machine}. ${plan.rounds} rounds of ${plan.callsPerRound} calls over ${plan.connections} connections, ${plan.openCalls} calls at ${plan.rate} a second.`,
    '',
    '| what | calls/s | calls per core-second | of its peer (aim) | p50 / p99 ms at 300/s | added p50 / p99 ms | RSS MiB |',
    '|---|---:|---:|---|---:|---:|---:|',
    ...report.rows.map(line),
    '',
    ...report.memory.map(memoryLine),
    ...(report.decisions ? ['', ...decisionLines(report.decisions)] : []),
    ...report.profiles.flatMap(({ title, profile }) => ['', ...profileLines(title, profile)]),
    '',
  ].join('\n')
}

function line({
  title,
  callsPerSecond,
  callsPerCoreSecond,
  spread,
  ofPeer,
  p50Ms,
  p99Ms,
  addedP50Ms,
  addedP99Ms,
  rssMiB,
  failures,
}: Row): string {
  const peer = ofPeer ? `${ofPeer.ratio.toFixed(2)} ± ${ofPeer.spread.toFixed(2)} of ${ofPeer.peer} (${ofPeer.aim})` : ''
  const added = addedP50Ms === null ? '' : `${ms(addedP50Ms)} / ${ms(addedP99Ms)}`
  const cells = [
    failures === 0 ? title : `${title} (${failures} FAILED)`,
    callsPerSecond.toFixed(0),
    `${callsPerCoreSecond.toFixed(0)} ± ${(spread * 100).toFixed(0)} %`,
    peer,
    `${ms(p50Ms)} / ${ms(p99Ms)}`,
    added,
    rssMiB.toFixed(0),
  ]
  return `| ${cells.join(' | ')} |`
}

function memoryLine({ database, samples }: Memory): string {
  const told = samples.map(({ calls, rssMiB }) => `${rssMiB.toFixed(0)} (${Math.round(calls / 1_000)}k)`).join(', ')
  return `RSS of the gateway on ${database}, MiB after so many calls through all doors: ${told}.`
}

function decisionLines({ plan, policies, operations, compileMs, rssMiB, effects, rows }: DecisionReport): string[] {
  const { connectors, agents } = plan.size
  const said = Object.entries(effects).map(([effect, part]) => `${percent(part)} ${effect}`)
  const [before = 0, compiled = 0, asked = 0] = rssMiB.map(Math.round)
  return [
    `Decisions: ${policies} policies over ${connectors} connectors with ${operations} operations in all, ${agents} agents; ${said.join(', ')}. Compiled in ${Math.round(compileMs)} ms; RSS ${before} MiB before, ${compiled} MiB compiled, ${asked} MiB once ${plan.questionsPerRound} questions were asked.`,
    '',
    '| decision | p50 us | p99 us |',
    '|---|---:|---:|',
    ...rows.map(({ title, p50Micros, p99Micros }) => `| ${title} | ${p50Micros.toFixed(0)} | ${p99Micros.toFixed(0)} |`),
  ]
}

function profileLines(title: string, { modules, functions }: ProfileSummary): string[] {
  const table = (name: string, shares: readonly Share[]): string[] => [
    `| ${name} | self time |`,
    '|---|---:|',
    ...shares.map((share) => `| ${share.name} | ${percent(share.share)} |`),
  ]
  return [`CPU profile, ${title}:`, '', ...table('module', modules), '', ...table('function', functions)]
}
