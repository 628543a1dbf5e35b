import type { ReadingChange } from '../../gateway/ports/policy-drafts.ts'
import { classesOf, type Operation } from '../../gateway/core/operation.ts'
import type { Agent, Person } from '../../gateway/core/principal.ts'
import { LIMITS } from '../../gateway/limits.ts'
import type { Decider } from '../../gateway/ports/decider.ts'
import { atomsOf, ruleOf } from './atoms.ts'
import type { Compiled } from './compile.ts'
import { mergeReads } from './expression.ts'
import { agentCandidates, subjectCandidates } from './principal-candidates.ts'
import type { Candidate } from './request-space.ts'

interface ClassSide {
  readonly compiled: Compiled
  readonly decider: Decider
}

export interface ReadingDiff {
  readonly changes: readonly ReadingChange[]
  /** Operations, agents and people that were combined; each was asked of both sets about all classes of the operation. */
  readonly asked: number
  /** False where a bound was reached. */
  readonly complete: boolean
}

/** Who may read which data classes in one of two policy sets alone: every kind of agent, alone and for every kind of person. */
export function diffClasses(sides: readonly [ClassSide, ClassSide], agents: readonly Agent[], people: readonly Person[]): ReadingDiff {
  const policies = sides.flatMap(({ compiled }) => compiled.classPolicies)
  const same = sides.map(({ compiled }) => compiled.classPolicies.map(({ id, hash, connector }) => `${id} ${hash} ${connector}`).join('\n'))
  if (same[0] === same[1]) return { changes: [], asked: 0, complete: true }
  const known = { reads: mergeReads(policies.map(({ reads }) => reads)), atoms: atomsOf(policies.map(ruleOf)), people }
  const whole = agentCandidates(agents, known)
  const subjects = subjectCandidates(whole, known)
  const found: ReadingChange[] = []
  let asked = 0
  for (const operations of kindsOf(sides[0].compiled.operations, known.reads.context.children.has('operation'))) {
    // Nobody is made up for what a registered one shows.
    const shown = new Set<string>()
    for (const agent of whole) {
      const alone = new Set<string>()
      for (const subject of subjects) {
        if (asked >= LIMITS.diffClassQuestionsMax) return { changes: joined(found), asked, complete: false }
        asked += 1
        for (const one of changesOf(sides, operations, agent, subject)) {
          // What an agent meets alone is not told again for every person.
          const key = `${one.change} ${one.dataClass}`
          if (!alone.has(key) && (one.registered || !shown.has(key))) found.push(one)
          if (one.registered) shown.add(key)
          if (subject === undefined) alone.add(key)
        }
      }
    }
  }
  return { changes: joined(found), asked, complete: true }
}

/** Operations that policies about classes cannot tell apart. */
function kindsOf(operations: readonly Operation[], named: boolean): Iterable<[Operation, ...Operation[]]> {
  const kinds = new Map<string, [Operation, ...Operation[]]>()
  for (const operation of operations) {
    const classes = classesOf(operation)
    if (classes.length === 0) continue
    const key = JSON.stringify([operation.connector, operation.region, classes, named && operation.id])
    const known = kinds.get(key)
    if (known) known.push(operation)
    else kinds.set(key, [operation])
  }
  return kinds.values()
}

function changesOf(
  sides: readonly [ClassSide, ClassSide],
  operations: readonly [Operation, ...Operation[]],
  { who, registered }: Candidate<Agent>,
  subject: Candidate<Person> | undefined,
): ReadingChange[] {
  const principal = {
    agent: who,
    ...(subject === undefined ? {} : { subject: subject.who.name }),
    actors: [who.name],
    issuer: 'diff',
    tokenExpiresAtMs: 0,
  }
  const [before, after] = sides.map(({ decider }) => decider.readableClasses(principal, subject?.who, operations[0].id))
  return classesOf(operations[0]).flatMap((dataClass) => {
    const readable = after?.has(dataClass) === true
    if (before?.has(dataClass) === readable) return []
    return [
      {
        change: readable ? 'newly-readable' : 'newly-masked',
        dataClass,
        agent: who.name,
        subject: subject?.who.name ?? null,
        registered: registered && (subject?.registered ?? true),
        operations: operations.map(({ id }) => id),
      },
    ]
  })
}

function joined(changes: readonly ReadingChange[]): ReadingChange[] {
  const byKey = new Map<string, ReadingChange>()
  for (const change of changes) {
    const { operations: _operations, ...rest } = change
    const key = JSON.stringify(rest)
    const known = byKey.get(key)
    byKey.set(key, { ...change, operations: [...new Set([...(known?.operations ?? []), ...change.operations])] })
  }
  return [...byKey.values()].sort(
    (a, b) => Number(a.change === 'newly-masked') - Number(b.change === 'newly-masked') || Number(b.registered) - Number(a.registered),
  )
}
