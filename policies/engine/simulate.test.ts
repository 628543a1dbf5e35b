import { describe, expect, test } from 'vitest'
import { instant } from '../../gateway/core/clock.ts'
import { saidBy } from '../../gateway/core/decision-change.ts'
import { type Facts, NO_FACTS } from '../../gateway/core/facts.ts'
import { isJsonObject, type JsonObject } from '../../gateway/core/json.ts'
import type { PolicySource } from '../../gateway/ports/policy-source.ts'
import type { RecordedCall, Redecided } from '../../gateway/ports/simulator.ts'
import { newCallId } from '../../gateway/core/ids.ts'
import { createDecider } from './decider.ts'
import { readingFindings, redecide } from './simulate.ts'
import { catalogueOf, clerk, operation, people, question, source } from './test-organisation.ts'

const object = (properties: JsonObject, required: string[]): JsonObject => ({ type: 'object', properties, required })
const pay = operation('bank.pay', { inputSchema: object({ payee: { type: 'string' }, amount: { type: 'number' } }, ['payee', 'amount']) })
const getPayee = operation('bank.getPayee', {
  mode: 'read',
  reversibility: 'read-only',
  inputSchema: object({ id: { type: 'string' } }, ['id']),
  outputSchema: object({ iban: { type: 'string' }, blocked: { type: 'boolean' } }, []),
})
const catalogue = catalogueOf(pay, getPayee)

const FACTS = `
history:
  paid1h: { sum: /amount, of: [bank.pay], window: 1h }
  lastPaid: { last: [bank.pay], same: /payee, window: 24h }
  paidFor: { sum: /amount, of: [bank.pay], window: 1h, by: subject }
lookups:
  payee: { call: bank.getPayee, with: { id: /payee }, fields: [/iban, /blocked] }
`
const PERMIT = '@id("may") permit(principal in Gatehouse::Role::"payer", action == Bank::Action::"pay", resource);'
const forbid = (condition: string): string =>
  `${PERMIT} @id("no") forbid(principal, action == Bank::Action::"pay", resource) when { ${condition} };`
const of = (text: string, facts = FACTS): PolicySource => ({
  ...source({ bank: text }, catalogue),
  ...(facts ? { facts: { path: 'policies/facts.yaml', text: facts } } : {}),
})

const AT = instant(Date.UTC(2026, 0, 5, 12))
const THEN = 'then'

/** A call as it would stand in the record after `then` had decided it on these facts. */
function recorded(then: PolicySource, facts: Partial<Facts>, over: Partial<RecordedCall> = {}): RecordedCall {
  const subject = over.subject ?? null
  const { verdict, evidence } = createDecider(then).decide(
    question(pay, { payee: 'p-1', amount: 100 }, { facts: { ...NO_FACTS, ...facts }, ...(subject ? { subject } : {}), now: AT }),
  )
  const { context } = evidence.request
  const lookups = Object.entries(facts.lookup ?? {}).map(([fact, fields]) => ({
    fact,
    operation: 'bank.getPayee',
    fields: isJsonObject(fields) ? fields : null,
    digest: null,
    error: null,
  }))
  return {
    callId: newCallId(AT, new Uint8Array(16)),
    at: AT,
    door: 'mcp',
    operation: pay.id,
    operationVersion: pay.version,
    input: { payee: 'p-1', amount: 100 },
    asserted: {},
    agent: clerk,
    agentAsToday: false,
    subject,
    person: people.find(({ name }) => name === subject),
    said: saidBy(verdict),
    policySet: THEN,
    context: isJsonObject(context) ? context : {},
    lookups,
    findings: undefined,
    ...over,
  }
}

function again(then: PolicySource, draft: PolicySource, call: RecordedCall): Redecided | undefined {
  const sets = new Map([[THEN, { files: then.files, facts: then.facts ?? null }]])
  return redecide({ source: draft, against: null, calls: [call], sets })[0]
}

const SUM = 'context.history.paid1h.greaterThan(decimal("5000.0"))'
const LAST = 'context.history has lastPaid && context.history.lastPaid > datetime("2026-01-05T11:00:00Z")'
const BLOCKED = 'context.lookup.payee has blocked && context.lookup.payee.blocked'
const UNTRUSTED = 'context.labels.contains("untrusted")'

describe('facts of then', () => {
  test.each<[string, PolicySource, Partial<Facts>, PolicySource, string]>([
    [
      'the same sum, another threshold',
      of(forbid(SUM)),
      { history: { paid1h: '4000.0' } },
      of(forbid(SUM.replace('5000', '3000'))),
      'permit -> deny',
    ],
    [
      'the same sum by another name',
      of(forbid(SUM)),
      { history: { paid1h: '4000.0' } },
      of(forbid(SUM.replace('5000', '3000').replace('paid1h', 'inAnHour')), FACTS.replace('paid1h', 'inAnHour')),
      'permit -> deny',
    ],
    [
      'a sum over another window',
      of(forbid(SUM)),
      { history: { paid1h: '4000.0' } },
      of(forbid(SUM), FACTS.replace('window: 1h }', 'window: 2h }')),
      '`history.paid1h` was not gathered then',
    ],
    ['a sum that nobody looked at', of(PERMIT), {}, of(forbid(SUM)), '`history.paid1h` was not gathered then'],
    ['a sum that is needed no more', of(forbid(SUM)), { history: { paid1h: '6000.0' } }, of(PERMIT, ''), 'deny -> permit'],
    [
      'there was no payment',
      of(forbid(LAST)),
      { history: { lastPaid: null } },
      of(forbid(`!(context.history has lastPaid)`)),
      'permit -> deny',
    ],
    [
      'nobody looked whether there was one',
      of(forbid(SUM)),
      { history: { paid1h: '1.0' } },
      of(forbid(LAST)),
      '`history.lastPaid` was not gathered then',
    ],
    [
      'when the last one was',
      of(forbid(LAST)),
      { history: { lastPaid: '2026-01-05T10:00:00.000Z' } },
      of(forbid(LAST.replace('T11:', 'T09:'))),
      'permit -> deny',
    ],
    [
      'what was looked up',
      of(forbid(BLOCKED)),
      { lookup: { payee: { iban: 'X', blocked: false } } },
      of(forbid('context.lookup.payee has iban && context.lookup.payee.iban == "X"')),
      'permit -> deny',
    ],
    [
      'a field that was not asked for',
      of(forbid(BLOCKED), FACTS.replace('/iban, ', '')),
      { lookup: { payee: { blocked: false } } },
      of(forbid('context.lookup.payee has iban')),
      '`lookup.payee` was not gathered then',
    ],
    ['a lookup that failed', of(forbid(BLOCKED)), { lookup: { payee: null } }, of(forbid(BLOCKED)), 'deny'],
    ['labels', of(forbid(UNTRUSTED)), { labels: ['pii', 'untrusted'] }, of(forbid('context.labels.contains("secret")')), 'deny -> permit'],
    ['labels that nobody looked at', of(PERMIT), {}, of(forbid(UNTRUSTED)), '`labels` were not gathered then'],
    [
      'findings that nobody looked at',
      of(PERMIT),
      {},
      of(forbid('context.findings.contains("link")')),
      '`findings` were not gathered then',
    ],
    [
      'what only a shadow looks at',
      of(PERMIT),
      {},
      of(`${PERMIT} @id("try") @shadow forbid(principal, action, resource) when { ${UNTRUSTED} };`),
      'permit',
    ],
  ])('%s', (_title, then, facts, draft, expected) => {
    const answer = again(then, draft, recorded(then, facts))
    const said = answer?.kind === 'decided' ? [answer.before.effect, answer.after.effect] : []
    expect(answer?.kind === 'undecided' ? answer.why : [...new Set(said)].join(' -> ')).toBe(expected)
  })

  test('facts are not needed where no permit can apply', () => {
    const then = of(PERMIT)
    const nobody = of(forbid(SUM).replace('"payer"', '"treasurer"'))
    expect(again(then, nobody, recorded(then, {}))).toMatchObject({ kind: 'decided', after: { effect: 'deny', reason: 'no_permit' } })
  })

  test('what counts for a subject denies whoever acts for nobody', () => {
    const then = of(PERMIT)
    const draft = of(forbid('context.history.paidFor.greaterThan(decimal("1.0"))'))
    expect(again(then, draft, recorded(then, {}))).toMatchObject({ kind: 'decided', after: { effect: 'deny', reason: 'policy_error' } })
    const forAll = of(
      forbid('context.history.paidFor.greaterThan(decimal("1.0"))').replace('principal in Gatehouse::Role::"payer"', 'principal'),
    )
    const call = recorded(then, {}, { subject: 'maria' })
    expect(again(then, forAll, call)).toEqual({ kind: 'undecided', why: '`history.paidFor` was not gathered then' })
  })

  test('findings of today stand in for those of then', () => {
    const then = of(PERMIT)
    const draft = of(forbid('context.findings.contains("link")'))
    expect(again(then, draft, recorded(then, {}, { findings: ['link'] }))).toMatchObject({ kind: 'decided', after: { effect: 'deny' } })
    expect([...readingFindings(draft)]).toEqual(['bank.pay'])
    expect([...readingFindings(then)]).toEqual([])
  })

  test('the time is that of then', () => {
    const then = of(PERMIT)
    const draft = of(forbid('context.now < datetime("2026-02-01")'))
    expect(again(then, draft, recorded(then, {}))).toMatchObject({ kind: 'decided', after: { effect: 'deny' } })
  })
})

describe('what cannot be decided again', () => {
  test.each<[string, Partial<RecordedCall>, string]>([
    ['the operation changed', { operationVersion: 'f'.repeat(64) }, 'the operation `bank.pay` has changed since'],
    ['the agent is gone', { agent: undefined }, 'the agent is not registered any more'],
  ])('%s', (_title, over, why) => {
    expect(again(of(PERMIT), of(PERMIT), recorded(of(PERMIT), {}, over))).toEqual({ kind: 'undecided', why })
  })

  test('a set that is not known gathered nothing', () => {
    const then = of(forbid(SUM))
    const call = recorded(then, { history: { paid1h: '1.0' } }, { policySet: 'another' })
    expect(again(then, then, call)).toEqual({ kind: 'undecided', why: '`history.paid1h` was not gathered then' })
  })
})

test('two drafts are compared with each other', () => {
  const then = of(PERMIT)
  const calls = [recorded(then, {})]
  const limit = (amount: string): PolicySource => of(forbid(`context.input.amount.greaterThan(decimal("${amount}"))`))
  const answer = redecide({ source: limit('50.0'), against: limit('200.0'), calls, sets: new Map() })
  expect(answer).toMatchObject([{ kind: 'decided', before: { effect: 'permit' }, after: { effect: 'deny', policies: ['no'] } }])
})
