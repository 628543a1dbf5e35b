import fc from 'fast-check'
import { createSecretKey } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Counted, FactNeeds, HistoryFact } from '../core/facts.ts'
import { NO_NEEDS } from '../core/facts.ts'
import { operationId } from '../core/ids.ts'
import type { JsonObject, JsonValue } from '../core/json.ts'
import type { Operation } from '../core/operation.ts'
import { LIMITS } from '../limits.ts'
import type { CounterAnswer } from '../ports/recorder.ts'
import { type CountedCall, historyOf, streakCounters } from './history.ts'

const counting = { organisation: 'acme', factKey: createSecretKey(Buffer.alloc(32, 7)) }
const PAY = operationId('erp', 'pay')
const operation = { id: PAY } as Operation

const fact = (kind: HistoryFact['kind'], over: Partial<HistoryFact> = {}, counted: Partial<Counted> = {}): HistoryFact => ({
  name: kind,
  kind,
  series: `series of ${kind}`,
  by: 'agent',
  windowMs: 3_600_000,
  inclusive: kind === 'sum',
  of: new Map([
    [PAY, { values: kind === 'sum' ? ['/amount'] : kind === 'unseen' ? ['/to/*', '/cc/*'] : [], same: over.same ?? [], ...counted }],
  ]),
  same: [],
  ...over,
})

const call = (input: JsonObject, over: Partial<CountedCall> = {}): CountedCall => ({
  operation,
  input,
  agent: 'clerk',
  owner: 'paul',
  subject: null,
  ...over,
})

const needs = (read: readonly HistoryFact[], counted: readonly HistoryFact[] = read): FactNeeds => ({ ...NO_NEEDS, history: read, counted })

/** What comes of one fact that is read and counted, with the counters' answer. */
function told(of: HistoryFact, input: JsonObject, answer: CounterAnswer | undefined, over: Partial<CountedCall> = {}) {
  const history = historyOf(counting, call(input, over), needs([of]))
  if (!history) throw new Error('nothing was asked')
  const { history: facts, missing } = history.facts(new Map(answer ? [[of.name, answer]] : []))
  return { value: facts[of.name] as JsonValue | undefined, missing, ...history }
}

const value = (v: string | number | null): CounterAnswer => ({ kind: 'value', value: v })

test('where nothing is read and nothing is counted there is no history', () => {
  expect(historyOf(counting, call({}), NO_NEEDS)).toBeNull()
})

describe('a fact is what was counted, with the present call where it counts', () => {
  test.each<[string, HistoryFact, JsonObject, CounterAnswer, JsonValue]>([
    ['a sum', fact('sum'), { amount: 2_000 }, value('3000.5'), '5000.5'],
    ['a sum of nothing yet', fact('sum'), { amount: 0.1 }, value('0.0'), '0.1'],
    ['tenths that binary fractions do not hold', fact('sum'), { amount: 0.2 }, value('0.1'), '0.3'],
    ['four places', fact('sum'), { amount: 0.0001 }, value('4999.9999'), '5000.0'],
    ['a sum that this operation does not add to', fact('sum', { of: new Map() }), {}, value('12.5'), '12.5'],
    ['a count', fact('count'), {}, value(3), 3],
    ['a count that includes the present call', fact('count', { inclusive: true }), {}, value(3), 4],
    ['an inclusive count of other operations', fact('count', { inclusive: true, of: new Map() }), {}, value(3), 3],
    ['values never seen', fact('unseen'), { to: ['a', 'b'], cc: ['a'] }, value(1), 1],
    ['no values at all', fact('unseen'), { to: [] }, { kind: 'unknown', why: 'never asked' }, 0],
    ['the last one', fact('last'), {}, value(Date.UTC(2026, 0, 2, 3, 4, 5, 6)), '2026-01-02T03:04:05.006Z'],
    ['no last one', fact('last'), {}, value(null), null],
    ['a streak', fact('streak'), {}, value(7), 7],
  ])('%s', (_title, of, input, answer, expected) => {
    const { value: known, missing } = told(of, input, answer)
    expect([known, missing]).toEqual([expected, []])
  })
})

describe('what cannot be computed is missing, with its reason, and cannot be counted either', () => {
  const amounts: [string, JsonValue | undefined, RegExp][] = [
    ['no amount', undefined, /`\/amount` is absent/],
    ['null', null, /`\/amount` is absent/],
    ['a negative amount', -0.01, /`\/amount` is negative/],
    ['five places', 1.00001, /at most four decimal places/],
    ['beyond a decimal', 1e15, /that policy can hold/],
    ['a tiny amount', 1e-9, /at most four decimal places/],
    ['text', '5', /no number/],
    ['several', [1, 2], /no number/],
  ]
  test.each(amounts)('%s', (_title, amount, why) => {
    const { value: known, missing, uncounted, reserves, counters } = told(fact('sum'), amount === undefined ? {} : { amount }, value('0.0'))
    expect(known).toBeUndefined()
    expect(missing.map(({ error }) => error).join()).toMatch(why)
    expect(uncounted?.error).toMatch(why)
    expect(uncounted?.advice).toMatch(/^`\/amount` [^\n]*\.$/)
    expect([reserves, counters]).toEqual([[], []])
  })

  test.each<[string, HistoryFact, JsonObject, CounterAnswer | undefined, RegExp]>([
    ['nothing that must be the same', fact('count', { same: ['/vendor'] }), {}, value(1), /`\/vendor` is absent/],
    ['a counter that does not know', fact('count'), {}, { kind: 'unknown', why: 'too many rows' }, /too many rows/],
    ['values of an operation that names none', fact('unseen', { of: new Map() }), {}, value(0), /whose values are remembered/],
    ['no answer', fact('count'), {}, undefined, /nobody counted/],
    ['a sum that overflows', fact('sum'), { amount: 1 }, value('922337203685477.5807'), /beyond what a decimal holds/],
  ])('%s', (_title, of, input, answer, why) => {
    const { value: known, missing } = told(of, input, answer)
    expect([known, missing.length]).toEqual([undefined, 1])
    expect(missing[0]?.error).toMatch(why)
  })

  test('more values than a call may name', () => {
    const to = Array.from({ length: LIMITS.factKeysPerCallMax + 1 }, (_, i) => `a${i}`)
    const { missing, uncounted } = told(fact('unseen'), { to }, value(0))
    expect([missing.length, uncounted]).toEqual([1, expect.objectContaining({ error: expect.stringMatching(/more than 1000 values/) })])
  })
})

describe('whose calls count together', () => {
  const keyOf = (of: HistoryFact, who: Partial<CountedCall>, input: JsonObject = {}) => told(of, input, value(0), who).counters[0]?.keys[0]

  test.each<[HistoryFact['by'], Partial<CountedCall>, Partial<CountedCall>, boolean]>([
    ['agent', { agent: 'a' }, { agent: 'b' }, false],
    ['agent', { agent: 'a', subject: 's', owner: 'x' }, { agent: 'a', subject: null, owner: 'y' }, true],
    ['subject', { agent: 'a', subject: 's' }, { agent: 'b', subject: 's' }, true],
    ['subject', { subject: 's' }, { subject: 't' }, false],
    ['agent-and-subject', { agent: 'a', subject: 's' }, { agent: 'b', subject: 's' }, false],
    ['agent-and-subject', { agent: 'a', subject: 's' }, { agent: 'a', subject: 't' }, false],
    ['owner', { agent: 'a', owner: 'x' }, { agent: 'b', owner: 'x' }, true],
    ['organisation', { agent: 'a', owner: 'x' }, { agent: 'b', owner: 'y' }, true],
  ])('by %s', (by, one, other, together) => {
    const of = fact('count', { by })
    expect(keyOf(of, one) === keyOf(of, other)).toBe(together)
  })

  test.each<HistoryFact['by']>(['subject', 'agent-and-subject'])('by %s without a subject: unknown, and nothing to count', (by) => {
    const { missing, uncounted, reserves } = told(fact('count', { by }), {}, value(0))
    expect([missing.map(({ error }) => error).join(), uncounted, reserves]).toEqual([expect.stringMatching(/made for nobody/), null, []])
  })

  test('an agent and a subject of one name are two', () => {
    expect(keyOf(fact('count', { by: 'agent' }), { agent: 'x' })).not.toBe(keyOf(fact('count', { by: 'subject' }), { subject: 'x' }))
  })

  test('what must be the same is told apart by value and by type', () => {
    const of = fact('count', { same: ['/a', '/b'] })
    const keys = [
      { a: '1', b: 2 },
      { a: 1, b: 2 },
      { a: 2, b: '1' },
      { a: '12', b: '' },
      { a: '1', b: '2' },
    ].map((i) => keyOf(of, {}, i))
    expect(new Set(keys).size).toBe(5)
  })

  test('a name says nothing of the values, and changes with the key', () => {
    const key = keyOf(fact('count', { same: ['/iban'] }), {}, { iban: 'DE89' })
    const other = { ...counting, factKey: createSecretKey(Buffer.alloc(32, 8)) }
    expect(key).toMatch(/^[0-9a-f]{64}$/)
    expect(historyOf(other, call({ iban: 'DE89' }), needs([fact('count', { same: ['/iban'] })]))?.counters[0]?.keys[0]).not.toBe(key)
  })
})

describe('what the intent reserves', () => {
  test('facts of one series share a counter, whatever their windows', () => {
    const day = fact('sum', { name: 'day', windowMs: 86_400_000 })
    const history = historyOf(counting, call({ amount: 12.5 }), needs([day, fact('sum')]))
    expect(history?.reserves).toEqual([{ key: history?.counters[0]?.keys[0], amount: '12.5' }])
    expect(history?.counters[0]?.keys).toEqual(history?.counters[1]?.keys)
  })

  test('each different value once, and no streak', () => {
    const history = historyOf(counting, call({ to: ['a', 'b', 'a'], cc: 'b' }), needs([], [fact('unseen'), fact('streak')]))
    expect(history?.reserves.map(({ amount }) => amount)).toEqual([null, null])
    expect(history?.counters).toEqual([])
  })

  test('an operation that is not counted reserves nothing', () => {
    expect(historyOf(counting, call({}), needs([fact('count', { of: new Map() })], []))?.reserves).toEqual([])
  })

  test('streaks have keys of their own use', () => {
    expect(streakCounters(counting, call({}), { counted: [fact('streak'), fact('count')] })).toHaveLength(1)
    expect(streakCounters(counting, call({}), { counted: [fact('streak', { by: 'subject' })] })).toEqual([])
    expect(streakCounters(counting, call({}), { counted: [fact('streak', { same: ['/vendor'] })] })).toEqual([])
  })
})

test('sums are exact whatever the amounts', () => {
  const units = fc.integer({ min: 0, max: 2_000_000_000 })
  fc.assert(
    fc.property(units, units, (before, present) => {
      const text = (n: number) => `${Math.floor(n / 10_000)}.${String(n % 10_000).padStart(4, '0')}`
      const { value: known } = told(fact('sum'), { amount: Number(text(present)) }, value(text(before)))
      expect(Number(known) * 10_000).toBeCloseTo(before + present, 0)
      expect(String(known)).toMatch(/^\d+\.\d{1,4}$/)
    }),
  )
})
