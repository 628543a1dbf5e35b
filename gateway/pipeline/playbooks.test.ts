import { describe, expect, test } from 'vitest'
import type { DecisionRecord } from '../core/call.ts'
import { GatewayError } from '../core/errors.ts'
import type { JsonObject } from '../core/json.ts'
import type { PlaybookSource } from '../ports/playbooks.ts'
import { compilePlaybooks } from './playbooks.ts'

const RECORD: JsonObject = {
  type: 'object',
  properties: { order: { type: 'string', pattern: '^O-[0-9]+$' }, amount: { type: 'number', maximum: 500 }, seen: { $ref: '#/$defs/day' } },
  required: ['order'],
  additionalProperties: false,
  $defs: { day: { type: 'string', format: 'date' } },
}

const book = (version: string, record: JsonObject = RECORD, name = 'refund'): PlaybookSource => ({
  name,
  version,
  title: 'Refunds',
  procedure: '1. Look.',
  outcomes: ['refund', 'refuse'],
  record,
  digest: `${name} ${version}`,
  schema: `schema of ${version}`,
  place: (keys) => `books/${name}-${version}.yaml#${keys.join('/')}`,
})

const rules = compilePlaybooks([book('2'), book('10'), book('1.2'), book('1')])
const claim = (more: Partial<DecisionRecord> = {}): DecisionRecord => ({
  playbook: 'refund',
  version: '2',
  outcome: 'refund',
  record: { order: 'O-1' },
  ...more,
})

function faultsOf(work: () => unknown): string[] {
  try {
    work()
  } catch (error) {
    if (error instanceof GatewayError) return error.faults.map(({ pointer, message }) => `${error.code} ${pointer} ${message}`)
    throw error
  }
  return []
}

describe('a decision record', () => {
  test('of a playbook that is configured is checked, and stays as it came', () => {
    const attached = claim({ record: { order: 'O-1', amount: 1.5, seen: '2026-07-28' } })
    expect(rules.check(attached)).toEqual({ ...attached, checked: true, schema: 'schema of 2' })
  })

  test('of a playbook that nobody configured is taken unchecked', () => {
    for (const attached of [claim({ playbook: 'mine', record: { any: ['thing'] } }), { playbook: 'mine', version: 'x', outcome: 'o' }])
      expect(rules.check(attached)).toEqual({ ...attached, checked: false })
  })

  const { record: _none, ...bare } = claim()
  test.each<[string, DecisionRecord, string[]]>([
    ['another version', claim({ version: '3' }), ['/decisionRecord/version is no version of this playbook: use `10`, `2`, `1.2`, `1`']],
    ['an outcome that it has not', claim({ outcome: 'Refund' }), ['/decisionRecord/outcome must be one of `refund`, `refuse`']],
    ['no record', bare, ['/decisionRecord/record is required']],
    [
      'all at once',
      claim({ outcome: 'x', record: { amount: 501, seen: 'today', 'a/b~c': 1 } }),
      [
        '/decisionRecord/outcome must be one of `refund`, `refuse`',
        '/decisionRecord/record/order is required',
        '/decisionRecord/record/a~1b~0c is not a property of this record',
        '/decisionRecord/record/amount must be <= 500',
        '/decisionRecord/record/seen must match format "date"',
      ],
    ],
  ])('with %s is refused', (_title, attached, expected) => {
    expect(faultsOf(() => rules.check(attached)).sort()).toEqual(expected.map((fault) => `BAD_INPUT ${fault}`).sort())
  })

  test('with a thousand faults names twenty', () => {
    const record = Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`x${i}`, 1]))
    expect(faultsOf(() => rules.check(claim({ record })))).toHaveLength(20)
  })
})

test('the newest version comes first, by its numbers', () => {
  expect(rules.playbooks.all.map(({ version }) => version)).toEqual(['10', '2', '1.2', '1'])
  expect(rules.playbooks.find('refund')?.version).toBe('10')
  expect([
    rules.playbooks.find('refund', '1.2')?.version,
    rules.playbooks.find('refund', '3'),
    rules.playbooks.find('constructor'),
  ]).toEqual(['1.2', undefined, undefined])
})

describe('a schema that would check nothing refuses the start', () => {
  test.each<[string, JsonObject, RegExp]>([
    ['a keyword that nobody reads', { type: 'object', require: ['a'] }, /unknown keyword: "require"/],
    ['a format that nobody knows', { type: 'object', properties: { a: { type: 'string', format: 'iban' } } }, /unknown format "iban"/],
    ['a reference to nowhere', { type: 'object', properties: { a: { $ref: '#/$defs/b' } } }, /can't resolve reference/],
    ['a pattern that is none', { type: 'object', properties: { a: { type: 'string', pattern: '(' } } }, /regular expression/i],
  ])('%s', (_title, record, expected) => {
    const faults = faultsOf(() => compilePlaybooks([book('1'), book('2', record), book('1', record, 'other')]))
    expect(faults).toHaveLength(2)
    expect(faults[0]).toMatch(/^CONFIG_INVALID books\/refund-2\.yaml#record the schema of the decision record does not compile: /)
    expect(faults[1]).toMatch(expected)
  })
})
