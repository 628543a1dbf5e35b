import type { PolicyDiff } from '../../gateway/ports/policy-drafts.ts'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { changeOf, saidBy } from '../../gateway/core/decision-change.ts'
import type { JsonObject } from '../../gateway/core/json.ts'
import type { Agent } from '../../gateway/core/principal.ts'
import type { Question } from '../../gateway/ports/decider.ts'
import { createDecider } from './decider.ts'
import { diffPolicies } from './diff.ts'

import { clerk, closeTicket, faultsOf, getInvoice, question, releasePayment, source } from './test-organisation.ts'

/** Whatever the policies and the edit: what asking at random finds, the diff has found. */

const AGENTS: Agent[] = ['finance', 'sales'].flatMap((team) =>
  [0, 1, 2, 3].flatMap((autonomy) =>
    [[], ['payer'], ['auditor'], ['payer', 'auditor']].map((roles, i) => ({
      ...clerk,
      name: `${team}-${autonomy}-${i}`,
      team,
      autonomy,
      roles,
    })),
  ),
)

const SCOPES = [
  'principal',
  'principal is Gatehouse::Agent',
  'principal in Gatehouse::Role::"payer"',
  'principal is Gatehouse::Person',
  'principal in Gatehouse::Group::"finance-managers"',
]
const ACTIONS = ['action', 'action in Gatehouse::Action::"write"', 'action == Erp::Action::"releasePayment"']
const AMOUNT = 'context.input has amount && context.input.amount'
const CONDITIONS = [
  'true',
  `${AMOUNT}.greaterThan(decimal("100.0"))`,
  `${AMOUNT}.greaterThanOrEqual(decimal("100.0"))`,
  `${AMOUNT}.lessThan(decimal("50.5"))`,
  'context.input has fee && context.input.fee.lessThan(decimal("1.0"))',
  'context.input has fee',
  'context.input has note && context.input.note like "a*b"',
  'context.input has note && context.input.note == "ab"',
  'context.input has refund && context.input.refund has asLong && context.input.refund.asLong > 10',
  'context has subject && context.subject in Gatehouse::Group::"finance-managers"',
  'context has subject && principal is Gatehouse::Agent && principal.owner == context.subject',
  'context.door == "mcp"',
  'context.now > datetime("2026-01-05T10:00:00Z")',
  'context.now.toTime() < duration("8h")',
  'principal is Gatehouse::Agent && principal.autonomy > 1',
  'principal is Gatehouse::Agent && principal.team == "finance"',
  'principal in Gatehouse::Role::"auditor"',
  'resource == Erp::Vendor::"v1"',
]

interface Rule {
  effect: 'permit' | 'forbid'
  hold: string
  scope: number
  action: number
  first: number
  second: number
  joint: '&&' | '||'
  clause: 'when' | 'unless'
}

const index = (list: readonly unknown[]) => fc.nat(list.length - 1)
const rule: fc.Arbitrary<Rule> = fc.record({
  effect: fc.constantFrom('permit', 'permit', 'forbid'),
  hold: fc.constantFrom('', 'finance', 'cfo'),
  scope: index(SCOPES),
  action: index(ACTIONS),
  first: index(CONDITIONS),
  second: index(CONDITIONS),
  joint: fc.constantFrom('&&', '||'),
  clause: fc.constantFrom('when', 'when', 'unless'),
})

const text = ({ effect, hold, scope, action, first, second, joint, clause }: Rule, i: number): string => {
  const held = effect === 'forbid' && hold ? `@hold("${hold}") ` : ''
  const condition = `(${CONDITIONS[first]}) ${joint} (${CONDITIONS[second]})`
  return `@id("p${i}") ${held}${effect} (${SCOPES[scope]}, ${ACTIONS[action]}, resource) ${clause} { ${condition} };`
}

/** One part of one rule is changed, or the rule goes, or another comes. */
const edited = (all: readonly Rule[]): fc.Arbitrary<Rule[]> =>
  fc
    .tuple(fc.nat(all.length - 1), fc.constantFrom('effect', 'hold', 'scope', 'first', 'second', 'joint', 'clause', 'none', 'more'), rule)
    .map(([at, part, other]) => {
      if (part === 'none') return all.toSpliced(at, 1)
      if (part === 'more') return [...all, other]
      return all.map((one, i) => (i === at ? { ...one, [part]: other[part] } : one))
    })

const asked: fc.Arbitrary<Question> = fc
  .record({
    of: fc.constantFrom(releasePayment, releasePayment, releasePayment, getInvoice, closeTicket),
    vendorId: fc.constantFrom('v1', 'v2'),
    amount: fc.constantFrom(1, 50.5, 50.4, 99.9999, 100, 100.0001),
    fee: fc.constantFrom(null, 0.9999, 1, 2),
    note: fc.constantFrom(null, 'ab', 'axb', 'b'),
    refund: fc.constantFrom('all', 10, 11, null),
    agent: fc.constantFrom(...AGENTS),
    subject: fc.constantFrom(undefined, 'maria', 'paul', 'stranger'),
    door: fc.constantFrom('mcp' as const, 'http' as const),
    hour: fc.constantFrom(7, 8, 10, 11),
  })
  .map(({ of, vendorId, amount, fee, note, refund, agent, subject, door, hour }) => {
    const inputs: Record<string, JsonObject> = {
      releasePayment: { vendorId, amount, fee, note },
      getInvoice: { id: 7 },
      closeTicket: { id: 't', refund },
    }
    const now = new Date(Date.UTC(2026, 0, 5, hour)).getTime() as Question['now']
    return question(of, inputs[of.name] ?? {}, { agent, door, now, ...(subject === undefined ? {} : { subject }) })
  })

const known = new Map<string, boolean>()
const isValid = (one: Rule): boolean => {
  const policy = text(one, 0)
  const valid = known.get(policy) ?? faultsOf(() => createDecider(source({ org: policy }))).length === 0
  known.set(policy, valid)
  return valid
}

const told = ({ changes }: PolicyDiff): Set<string> =>
  new Set(
    changes.flatMap(({ operations, before, after }) =>
      operations.map((o) => JSON.stringify([o, before.effect, before.approvals, after.effect, after.approvals])),
    ),
  )

test('what asking at random finds, the diff has found', { timeout: 120_000 }, () => {
  let differences = 0
  const cases = fc.array(rule.filter(isValid), { minLength: 2, maxLength: 6 }).chain((all) =>
    fc.tuple(
      fc.constant(all),
      edited(all).filter((rules) => rules.every(isValid)),
      fc.array(asked, { minLength: 60, maxLength: 80 }),
    ),
  )
  fc.assert(
    fc.property(cases, ([before, after, questions]) => {
      const [old, now] = [before, after].map((rules) => source({ org: rules.map(text).join('\n') }))
      if (!old || !now) return
      const [one, other] = [createDecider(old), createDecider(now)]
      const answer = diffPolicies({ before: old, after: now, agents: AGENTS })
      expect(answer.complete).toBe(true)
      const findings = told(answer)
      for (const q of questions) {
        const [said, says] = [one, other].map((decider) => saidBy(decider.decide(q).verdict))
        if (!said || !says || !changeOf(said, says)) continue
        differences += 1
        const key = JSON.stringify([q.operation.id, said.effect, said.approvals, says.effect, says.approvals])
        if (!findings.has(key))
          throw new Error(
            `${key} is missing from ${[...findings].join(' ')} for ${JSON.stringify([before.map(text), after.map(text), q.input, q.principal])}`,
          )
      }
    }),
    { numRuns: 20 },
  )
  expect(differences).toBeGreaterThan(0)
})
