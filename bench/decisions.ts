import { Child } from './child.ts'
import { LARGE, type OrganisationSize } from './decision-organisation.ts'
import type { DecisionAsk, DecisionTimes } from './servers/decisions.ts'
import { median } from './statistics.ts'

export interface DecisionPlan {
  size: OrganisationSize
  rounds: number
  questionsPerRound: number
}

export const DECISIONS: DecisionPlan = { size: LARGE, rounds: 5, questionsPerRound: 20_000 }

export interface DecisionRow {
  title: string
  /** Medians over the rounds, microseconds. */
  p50Micros: number
  p99Micros: number
}

export interface DecisionReport {
  plan: DecisionPlan
  policies: number
  operations: number
  compileMs: number
  /** Of the process: before anything was compiled, after, and after the last question. */
  rssMiB: readonly number[]
  /** How the fresh questions were answered, parts of all. */
  effects: Readonly<Record<string, number>>
  rows: readonly DecisionRow[]
}

interface Compiled {
  compileMs: number
  rssBeforeMiB: number
  rssMiB: number
  operations: number
  policies: number
}

const ROWS: readonly { how: DecisionAsk['how']; title: string }[] = [
  { how: 'raw', title: '`statefulIsAuthorized` alone, same slice, schema and request' },
  { how: 'fresh', title: 'a decision, no question asked before' },
  { how: 'mixed', title: 'a decision, every amount one of twenty' },
]
const WAIT_MS_MAX = 600_000

/**
 * How long one decision takes in a large organisation, beside Cedar alone; each round asks all rows in turn. The first questions of an operation, which
 * prepare its slice, are a row of their own and not in the others.
 */
export async function measureDecisions(plan: DecisionPlan, apiKey: string, say: (line: string) => void): Promise<DecisionReport> {
  const { child, said } = await Child.start<Compiled>('./servers/decisions.js', [JSON.stringify(plan.size)], { apiKey })
  try {
    let from = 0
    const put = async (how: DecisionAsk['how']): Promise<DecisionTimes> => {
      const times = await child.ask<DecisionTimes>({ how, from, questions: plan.questionsPerRound }, WAIT_MS_MAX)
      from += plan.questionsPerRound
      return times
    }
    const first = await put('fresh')
    for (const { how } of ROWS) await put(how)
    const all = new Map<DecisionAsk['how'], DecisionTimes[]>(ROWS.map(({ how }) => [how, []]))
    for (let round = 1; round <= plan.rounds; round++) {
      say(`decisions, round ${round} of ${plan.rounds}`)
      for (const { how } of ROWS) all.get(how)?.push(await put(how))
    }
    const effects = Object.fromEntries(
      Object.entries(all.get('fresh')?.at(-1)?.effects ?? {}).map(([effect, count]) => [effect, count / plan.questionsPerRound]),
    )
    const rows = ROWS.map(({ how, title }) => rowOf(title, all.get(how) ?? []))
    return {
      plan,
      policies: said.policies,
      operations: said.operations,
      compileMs: said.compileMs,
      rssMiB: [said.rssBeforeMiB, said.rssMiB, first.rssMiB],
      effects,
      rows: [...rows, rowOf('a decision right after the start: the first of an operation prepares its slice', [first])],
    }
  } finally {
    await child.close()
  }
}

const rowOf = (title: string, times: readonly DecisionTimes[]): DecisionRow => ({
  title,
  p50Micros: median(times.map(({ p50Micros }) => p50Micros)),
  p99Micros: median(times.map(({ p99Micros }) => p99Micros)),
})
