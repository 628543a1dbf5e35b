import type { Finding } from '../../../gateway/ports/policy-drafts.ts'
import type { Operation } from '../../../gateway/core/operation.ts'
import { type Condition, conditionsOf, partsOf } from '../conditions.ts'
import type { LoadedPolicy } from '../load-policies.ts'
import { nearest } from '../policy-text.ts'
import { canApply } from '../slice.ts'
import type { ConditionProbe } from './condition-probe.ts'
import { type Examined, placeIn } from './finding.ts'
import type { Domain } from './value-domain.ts'

/** Conditions that look at one and the same attribute of the context, and at nothing else. */
export interface SameAttribute {
  path: readonly string[]
  conditions: readonly Condition[]
}

/** A policy's conditions by the one attribute that they look at; those that look at several are left out. */
export function byAttribute(conditions: readonly Condition[], probe: ConditionProbe): readonly SameAttribute[] {
  const found = new Map<string, { path: readonly string[]; conditions: Condition[] }>()
  for (const condition of conditions) {
    const [chain, ...more] = probe.parsed(condition).chains
    if (!chain || more.length > 0 || chain.variable !== 'context') continue
    const known = found.get(chain.path.join('.')) ?? { path: chain.path, conditions: [] }
    known.conditions.push(condition)
    found.set(chain.path.join('.'), known)
  }
  return [...found.values()]
}

/**
 * Conditions that never hold together for any value that an operation takes, and parts of them that say the same of every value: constants outside an
 * enumeration or bounds, conditions that contradict each other.
 */
export function constantConditions(examined: Examined, probe: ConditionProbe): Finding[] {
  return examined.compiled.policies
    .filter(({ classes }) => !classes)
    .flatMap((policy) => {
      const operations = examined.compiled.operations.filter((operation) => canApply(policy, operation))
      const conditions = conditionsOf(policy.text)
      const never = byAttribute(conditions, probe).flatMap((same) => impossible(policy, same, operations, probe))
      const parts = byAttribute(conditions.flatMap(partsOf), probe)
      const dead = parts.flatMap(({ path, conditions: all }) =>
        all.flatMap((part) => constant(policy, { path, conditions: [part] }, operations, probe)),
      )
      // A part that makes its whole condition impossible is the cause; what contradicts another part is none by itself.
      const causes = new Set(dead.map(({ place }) => place))
      return [...dead, ...never.filter(({ place }) => !causes.has(place))]
    })
}

/** What each operation that has the attribute says to these conditions: the values it takes, and whether they hold. Operations alike are asked once. */
function heard({ path, conditions }: SameAttribute, operations: readonly Operation[], probe: ConditionProbe): readonly Heard[] {
  const heard = new Map<string, Heard>()
  for (const operation of operations) {
    const domain = probe.domain(operation, path, conditions)
    if (!domain) return []
    const key = JSON.stringify(domain)
    if (!heard.has(key))
      heard.set(key, { operation, domain, holds: domain.samples.map((value) => probe.holds(operation, conditions, path, value)) })
  }
  return [...heard.values()]
}

interface Heard {
  operation: Operation
  domain: Domain
  holds: readonly (boolean | undefined)[]
}

function impossible(policy: LoadedPolicy, same: SameAttribute, operations: readonly Operation[], probe: ConditionProbe): Finding[] {
  const answers = heard(same, operations, probe)
  if (answers.length === 0 || !answers.every(({ holds }) => holds.every((one) => one === false))) return []
  const [first] = same.conditions
  const all = same.conditions.map(({ kind, text }) => `\`${kind === 'when' ? text : `!(${text})`}\``).join(' and ')
  const why = same.conditions.length > 1 ? `${all} never hold together` : `${all} never holds${takes(answers)}`
  const message = `the policy never matches: ${why}: correct it, or remove it`
  return [{ place: placeIn(policy, first?.offset ?? 0), severity: 'error', rule: 'never-matches', policy: policy.id, message }]
}

function constant(policy: LoadedPolicy, same: SameAttribute, operations: readonly Operation[], probe: ConditionProbe): Finding[] {
  const answers = heard(same, operations, probe)
  const [part] = same.conditions
  if (!part || answers.length === 0 || answers.some(({ domain }) => domain.says === undefined)) return []
  const always = answers.every(({ holds }) => holds.every((one) => one === true))
  const never = answers.every(({ holds }) => holds.every((one) => one === false))
  if (!always && !never) return []
  const members = answers.flatMap(({ domain }) => domain.members ?? [])
  const strange = [...part.text.matchAll(/"((?:[^"\\]|\\.)*)"/g)]
    .map(([, literal = '']) => literal)
    .filter((literal) => !members.includes(literal))
  // A number that every value is above does no harm; a word that is none of the operation's does.
  if (always && (members.length === 0 || strange.length === 0)) return []
  const near = strange.map((literal) => nearest(literal, members)).find((one) => one !== undefined)
  const remedy = near === undefined ? 'correct it, or remove it' : `did you mean \`${JSON.stringify(near)}\`?`
  const message = `\`${part.text}\` is ${always ? 'always' : 'never'} true${takes(answers)}: ${remedy}`
  return [{ place: placeIn(policy, part.offset), severity: 'warning', rule: 'constant-condition', policy: policy.id, message }]
}

/** `, as `erp.pay` takes `EUR`, `USD``. */
function takes(answers: readonly { operation: Operation; domain: Domain }[]): string {
  const [first] = answers
  return first?.domain.says === undefined ? '' : `, as \`${first.operation.id}\` ${first.domain.says}`
}
