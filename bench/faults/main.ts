import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { LIMITS } from '../../gateway/limits.ts'
import { machine } from '../report.ts'
import { percentile } from '../statistics.ts'
import type { Kill } from './cluster.ts'
import { CheckpointWatch, settle } from './run.ts'
import { Scene, type Taken } from './scene.ts'
import { FORMS, Traffic } from './traffic.ts'
import type { Verdict } from './verdict.ts'

const USAGE = `usage: node tools/run.mjs bench/faults/main [--minutes N] [--rate N] [--every SECONDS] [--keep]

--minutes  how long PostgreSQL is killed again and again (5)
--rate     calls a second, whether or not earlier ones were answered (300)
--every    seconds between two kills (4)
--keep     leaves the export, the journal and the gateways' logs where they are
`
/** In turns: how it is killed and for how long it stays away. A long one outlasts the patience of calls and of the other replica. */
const KILLS: readonly (readonly [what: Kill, awayMs: number])[] = [
  ['server', 0],
  ['backend', 0],
  ['postmaster', 500],
  ['server', 2_000],
  ['backend', 0],
  ['server', 200],
  ['postmaster', 0],
  ['server', 15_000],
]

/** Connections that are kept, to the database and to the system, and a few more for the export. */
const HANDLES_MORE_MAX = LIMITS.databaseConnectionsMax + LIMITS.upstreamConnectionsPerHostMax + 20

interface Back {
  readyMs: number
  /** From then to the first call that is answered. */
  firstCallMs: number
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '5' },
      rate: { type: 'string', default: '300' },
      every: { type: 'string', default: '4' },
      keep: { type: 'boolean', default: false },
    },
  })
  const [minutes, rate, every] = [Number(values.minutes), Number(values.rate), Number(values.every)]
  if (![minutes, rate, every].every((value) => value > 0)) throw new TypeError(USAGE)
  return { minutes, rate, everyMs: every * 1_000, keep: values.keep }
}

/** Kills the database until the time is up. */
async function killAgain(scene: Scene, traffic: Traffic, untilMs: number, everyMs: number): Promise<Back[]> {
  const backs: Promise<Back>[] = []
  for (let turn = 0; performance.now() < untilMs; turn += 1) {
    await sleep(everyMs)
    const [what, awayMs] = KILLS[turn % KILLS.length] as (typeof KILLS)[number]
    await scene.cluster.kill(what)
    await sleep(awayMs)
    await scene.cluster.start()
    const readyMs = performance.now()
    backs.push(traffic.next(({ ending }) => ending === 'done').then(({ endedMs }) => ({ readyMs, firstCallMs: endedMs - readyMs })))
  }
  return await Promise.all(backs)
}

const taken = (scene: Scene): Promise<Taken[]> => Promise.all(scene.gateways.map((gateway) => gateway.taken()))

interface Outcome {
  verdict: Verdict
  backs: readonly Back[]
  checkpoints: number
  before: readonly Taken[]
  after: readonly Taken[]
  refusedMs: readonly number[]
}

async function run(folder: string, { minutes, rate, everyMs }: ReturnType<typeof readOptions>): Promise<Outcome> {
  const scene = await Scene.open({ folder, apiKey: randomBytes(24).toString('base64url') })
  const traffic = new Traffic(scene.gateways)
  const watch = new CheckpointWatch(scene.gateways)
  try {
    const before = await taken(scene)
    traffic.start(rate)
    await sleep(everyMs)
    const backs = await killAgain(scene, traffic, performance.now() + minutes * 60_000, everyMs)
    await sleep(everyMs)
    const verdict = await settle(scene, traffic, watch, join(folder, 'export'))
    await traffic.close()
    const after = await taken(scene)
    const refusedMs = traffic.answers.filter(({ ending }) => ending === 'refused').map(({ sentMs, endedMs }) => endedMs - sentMs)
    const kept = after.map(({ handles }, turn) => handles - (before[turn]?.handles ?? 0))
    const leaks = kept.filter((more) => more > HANDLES_MORE_MAX).map((more) => `a gateway keeps ${more} more handles than before`)
    const violations = [...verdict.violations, ...leaks]
    return { verdict: { ...verdict, violations }, backs, checkpoints: watch.notes.length, before, after, refusedMs }
  } finally {
    await traffic.close()
    await watch.close()
    await scene.close()
  }
}

const ms = (values: readonly number[]): string =>
  `${percentile(values, 50).toFixed(0)} / ${percentile(values, 99).toFixed(0)} / ${Math.max(...values).toFixed(0)}`
const each = (values: readonly Taken[]): string =>
  values.map(({ rssMiB, handles }) => `${rssMiB.toFixed(0)} MiB and ${handles} handles`).join(', ')

function report({ verdict, backs, checkpoints, before, after, refusedMs }: Outcome, rate: number): string {
  const { offered, endings, effects, calls, entries, inDoubt, notSent, violations } = verdict
  return [
    `${machine()}. ${rate} calls a second through ${FORMS.length} forms and 2 gateways; PostgreSQL killed ${backs.length} times.`,
    '',
    `offered ${offered}: ${endings.done} done, ${endings.held} held, ${endings.refused} refused, ${endings.doubt} told to be in doubt, ${endings.broken} without an answer`,
    `the system was asked ${effects} times; the record has ${entries} entries of ${calls} calls, of which ${inDoubt} in doubt and ${notSent} intended and not sent`,
    `refusals took ${ms(refusedMs)} ms (median / p99 / longest)`,
    `from the database's return to the first call answered: ${ms(backs.map(({ firstCallMs }) => firstCallMs))} ms`,
    `checkpoints seen: ${checkpoints}, each the beginning of the last`,
    `gateways before: ${each(before)}; when all was answered: ${each(after)}`,
    violations.length === 0 ? 'violations: none' : `VIOLATIONS:\n${violations.map((line) => `- ${line}`).join('\n')}`,
    '',
  ].join('\n')
}

const options = readOptions()
const folder = mkdtempSync(join(tmpdir(), 'gatehouse-faults-'))
try {
  const outcome = await run(folder, options)
  process.stdout.write(report(outcome, options.rate))
  process.exitCode = outcome.verdict.violations.length > 0 ? 1 : 0
} finally {
  if (options.keep) process.stderr.write(`kept in ${folder}\n`)
  else rmSync(folder, { recursive: true, force: true })
}
