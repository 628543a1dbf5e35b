import type { Verdict } from '../../gateway/core/decision.ts'
import type { Question } from '../../gateway/ports/decider.ts'
import { CedarEngine } from '../../policies/engine/cedar.ts'
import { compilePolicies } from '../../policies/engine/compile.ts'
import { createDecider } from '../../policies/engine/decider.ts'
import { ask, Plan, type PlannedRequest } from '../../policies/engine/plan.ts'
import { type OrganisationSize, organisationOf, questionOf } from '../decision-organisation.ts'
import { percentile } from '../statistics.ts'

/** What is asked of a decider: `raw` puts the very same requests to Cedar alone, on the same policies, all of it prepared before. */
export interface DecisionAsk {
  how: 'fresh' | 'mixed' | 'raw'
  from: number
  questions: number
}

/** Microseconds, each question timed by itself. */
export interface DecisionTimes {
  p50Micros: number
  p99Micros: number
  effects: Partial<Record<Verdict['effect'], number>>
  rssMiB: number
}

const size = JSON.parse(process.argv[2] ?? '{}') as OrganisationSize
const rssMiB = (): number => process.memoryUsage.rss() / 1_048_576
const source = organisationOf(size)
const rssBeforeMiB = rssMiB()
const startedMs = performance.now()
const decider = createDecider(source)
const compileMs = performance.now() - startedMs

function times(questions: readonly Question[], answer: (question: Question) => Verdict['effect'] | undefined): DecisionTimes {
  const micros: number[] = []
  const effects: DecisionTimes['effects'] = {}
  for (const question of questions) {
    const begunMs = performance.now()
    const effect = answer(question)
    micros.push((performance.now() - begunMs) * 1_000)
    if (effect) effects[effect] = (effects[effect] ?? 0) + 1
  }
  return { p50Micros: percentile(micros, 50), p99Micros: percentile(micros, 99), effects, rssMiB: rssMiB() }
}

let raw: ((questions: readonly Question[]) => DecisionTimes) | undefined

/** Cedar alone: one question to the slice's preparsed set under its preparsed schema. */
function rawTimes(): (questions: readonly Question[]) => DecisionTimes {
  const engine = new CedarEngine()
  const { sliceOf, facts } = compilePolicies(source, engine)
  const around = { connectors: new Map(source.catalogue.connectors.map((c) => [c.name, c])), people: new Map(), facts }
  const plans = new Map<string, { plan: Plan; set: string; schema: string }>()
  const planOf = ({ operation }: Question) => {
    const known = plans.get(operation.id)
    if (known) return known
    const slice = sliceOf.get(operation.id)
    if (!slice) throw new Error('an operation has no slice')
    engine.ensurePolicySet(slice.id, () => Object.fromEntries(slice.policies.map(({ id, text }) => [id, text])))
    const plan = new Plan(operation, slice.policies, 'raw', around)
    const made = { plan, set: slice.id, schema: plan.prepare(engine) }
    plans.set(operation.id, made)
    return made
  }
  return (questions) => {
    const ready = new Map<Question, { set: string; schema: string; request: PlannedRequest }>()
    for (const question of questions) {
      const { plan, set, schema } = planOf(question)
      ready.set(question, { set, schema, request: plan.request(question) })
    }
    return times(questions, (question) => {
      const prepared = ready.get(question)
      const [principal] = prepared?.request.principals ?? []
      if (prepared && principal) ask(engine, prepared.set, prepared.schema, prepared.request, principal)
      return undefined
    })
  }
}

function answer({ how, from, questions }: DecisionAsk): DecisionTimes {
  const list = Array.from({ length: questions }, (_, index) => questionOf(from + index, source, size, how !== 'mixed'))
  if (how !== 'raw') return times(list, (question) => decider.decide(question).verdict.effect)
  raw ??= rawTimes()
  return raw(list)
}

process.on('message', (message: DecisionAsk) => {
  try {
    process.send?.({ value: answer(message) })
  } catch (error) {
    process.send?.({ error: String(error) })
  }
})
process.on('disconnect', () => process.exit(0))
const operations = source.catalogue.operations.size
process.send?.({ value: { compileMs, rssBeforeMiB, rssMiB: rssMiB(), operations, policies: decider.policies().length } })
