import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { instant } from './clock.ts'
import {
  amountsLeft,
  type ArgumentConstraint,
  combineStanding,
  type Constraint,
  constraintsOn,
  grantState,
  leavesOf,
  meets,
  type StandingBounds,
  type StandingGrant,
  spentAfter,
  standingFaults,
  UNUSED,
  whyNotCovered,
} from './grant.ts'
import type { CallId, GrantId, HoldId } from './ids.ts'
import { canonicalJson, isJsonObject, type JsonObject, type JsonValue } from './json.ts'

const NOW = instant(1_000_000)
const HELD: JsonObject = { vendorId: 'v-7', amount: 500, note: '', urgent: false, lines: [], bank: { iban: 'DE1', bic: null } }
const BOUNDS: StandingBounds = { maxUses: 20, totals: [{ of: '/amount', most: '10000' }], lifeMs: 86_400_000, pinned: ['/bank'] }

const grant = (more: Partial<StandingGrant> = {}): StandingGrant => ({
  id: 'grant_1' as GrantId,
  holdId: 'hold_1' as HoldId,
  callId: 'call_1' as CallId,
  agent: 'clerk',
  owner: 'paul',
  subject: null,
  operation: 'erp.releasePayment',
  operationVersion: 'v1',
  matched: [{ policyId: 'large', policyHash: 'h1', approval: 'finance' }],
  approvalVersions: { finance: 'a1' },
  requires: [{ group: 'finance', count: 1 }],
  givers: ['maria'],
  createdAt: NOW,
  arguments: constraintsOn(HELD, []),
  maxUses: 3,
  totals: [{ of: '/amount', most: '1000' }],
  until: instant(NOW + 1_000),
  by: 'maria',
  ...UNUSED,
  ...more,
})

describe('arguments', () => {
  const loosened = (pointer: string, allows: Constraint): readonly ArgumentConstraint[] => constraintsOn(HELD, [{ pointer, allows }])
  const atMost = loosened('/amount', { kind: 'at_most', most: '500' })
  const oneOf = loosened('/vendorId', { kind: 'one_of', values: ['v-7', 'v-8', ''] })
  const any = loosened('/vendorId', { kind: 'any' })
  const without = (key: string): JsonObject => Object.fromEntries(Object.entries(HELD).filter(([name]) => name !== key))
  test.each<[string, readonly ArgumentConstraint[], JsonObject, boolean]>([
    ['the held call itself', constraintsOn(HELD, []), HELD, true],
    ['its members in another order', constraintsOn(HELD, []), Object.fromEntries(Object.entries(HELD).reverse()), true],
    ['another value', constraintsOn(HELD, []), { ...HELD, amount: 501 }, false],
    ['an argument more', constraintsOn(HELD, []), { ...HELD, copy: true }, false],
    ['an argument less', constraintsOn(HELD, []), without('note'), false],
    ['empty text is not absent', constraintsOn(HELD, []), { ...HELD, note: null }, false],
    ['false is not zero', constraintsOn(HELD, []), { ...HELD, urgent: 0 }, false],
    ['an empty list is not an empty object', constraintsOn(HELD, []), { ...HELD, lines: {} }, false],
    ['an empty list is not a list of nothing', constraintsOn(HELD, []), { ...HELD, lines: [null] }, false],
    ['null is not absent', constraintsOn(HELD, []), { ...HELD, bank: { iban: 'DE1' } }, false],
    ['something more inside', constraintsOn(HELD, []), { ...HELD, bank: { iban: 'DE1', bic: null, to: 'x' } }, false],
    ['a scalar where an object stood', constraintsOn(HELD, []), { ...HELD, bank: 'DE1' }, false],
    ['a prefix of a value', constraintsOn(HELD, []), { ...HELD, vendorId: 'v' }, false],
    ['a value that begins so', constraintsOn(HELD, []), { ...HELD, vendorId: 'v-77' }, false],
    ['a number as text', constraintsOn(HELD, []), { ...HELD, amount: '500' }, false],
    ['at most: less', atMost, { ...HELD, amount: 499.99 }, true],
    ['at most: just that', atMost, { ...HELD, amount: 500 }, true],
    ['at most: a little more', atMost, { ...HELD, amount: 500.0001 }, false],
    ['at most: nothing', atMost, { ...HELD, amount: 0 }, true],
    ['at most: negative', atMost, { ...HELD, amount: -1 }, false],
    ['at most: not a number', atMost, { ...HELD, amount: Number.NaN }, false],
    ['at most: infinite', atMost, { ...HELD, amount: Number.NEGATIVE_INFINITY }, false],
    ['at most: too fine to be counted', atMost, { ...HELD, amount: 0.00001 }, false],
    ['at most: huge', atMost, { ...HELD, amount: 1e300 }, false],
    ['at most: text', atMost, { ...HELD, amount: '1' }, false],
    ['at most: absent', atMost, without('amount'), false],
    ['at most: a list', atMost, { ...HELD, amount: [1] }, false],
    ['one of: the second', oneOf, { ...HELD, vendorId: 'v-8' }, true],
    ['one of: the empty text that is listed', oneOf, { ...HELD, vendorId: '' }, true],
    ['one of: none of them', oneOf, { ...HELD, vendorId: 'v-9' }, false],
    ['one of: a list of them', oneOf, { ...HELD, vendorId: ['v-7'] }, false],
    ['one of: absent', oneOf, without('vendorId'), false],
    ['any: something else', any, { ...HELD, vendorId: { deep: [1] } }, true],
    ['any: absent', any, without('vendorId'), true],
    ['any: only there', any, { ...HELD, vendorId: 'x', amount: 501 }, false],
    ['a member called like an inner one', constraintsOn(HELD, []), { ...HELD, 'bank/iban': 'DE1' }, false],
    ['a member of the prototype', constraintsOn({}, []), JSON.parse('{"__proto__": 1}') as JsonObject, false],
    ['no arguments at all', constraintsOn({}, []), {}, true],
  ])('%s', (_title, constraints, input, passes) => expect(meets(constraints, input)).toBe(passes))
})

/** What passes, said again without walking: the leaves of a call compared with the leaves that the grant names. */
function oracle(constraints: readonly ArgumentConstraint[], input: JsonObject): boolean {
  const at = (value: JsonValue, path: readonly string[]): { value: JsonValue } | undefined =>
    path.length === 0
      ? { value }
      : isJsonObject(value) && Object.keys(value).includes(path[0] ?? '')
        ? at(value[path[0] ?? ''] ?? null, path.slice(1))
        : undefined
  const paths = constraints.map(({ pointer, allows }) => ({ path: pointer.split('/').slice(1), allows }))
  const within = (path: readonly string[], other: readonly string[]): boolean =>
    other.length <= path.length && other.every((key, i) => path[i] === key)
  const places = (value: JsonValue, path: readonly string[]): string[][] => [
    [...path],
    ...(isJsonObject(value) ? Object.entries(value).flatMap(([key, inner]) => places(inner, [...path, key])) : []),
  ]
  const named = places(input, []).every(
    (place) =>
      paths.some(({ path }) => within(place, path)) ||
      (isJsonObject(at(input, place)?.value) && (place.length === 0 || paths.some(({ path }) => within(path, place)))),
  )
  return (
    named &&
    paths.every(({ path, allows }) => {
      const found = at(input, path)
      if (allows.kind === 'any') return true
      if (!found) return false
      if (allows.kind === 'exactly') return canonicalJson(found.value) === canonicalJson(allows.value)
      if (allows.kind === 'one_of') return allows.values.map(canonicalJson).includes(canonicalJson(found.value))
      return typeof found.value === 'number' && found.value >= 0 && Number.isInteger(found.value) && found.value <= Number(allows.most)
    })
  )
}

const scalar = fc.constantFrom<JsonValue>(0, 1, 2, -1, '', 'a', 'ab', '1', true, false, null)
const value: fc.Arbitrary<JsonValue> = fc.oneof(
  scalar,
  fc.array(scalar, { maxLength: 2 }),
  fc.dictionary(fc.constantFrom('a', 'b'), scalar, { maxKeys: 2 }),
)
const input = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'ab'), value, { maxKeys: 3 }) as fc.Arbitrary<JsonObject>
const allows: fc.Arbitrary<Constraint> = fc.oneof(
  fc.constant<Constraint>({ kind: 'any' }),
  fc.array(value, { maxLength: 3 }).map((values): Constraint => ({ kind: 'one_of', values })),
  fc.constantFrom('1', '2', '0.5').map((most): Constraint => ({ kind: 'at_most', most })),
)

test('a grant never lets more pass than its constraints say, by another reading of them', () => {
  fc.assert(
    fc.property(input, fc.array(fc.tuple(fc.nat(5), allows), { maxLength: 3 }), input, (held, picks, call) => {
      const leaves = leavesOf(held)
      const loosened = picks.flatMap(([n, one]) => {
        const pointer = leaves[n % Math.max(1, leaves.length)]?.pointer
        return pointer === undefined ? [] : [{ pointer, allows: one }]
      })
      const constraints = constraintsOn(held, loosened)
      expect(meets(constraints, call)).toBe(oracle(constraints, call))
      expect(meets(constraintsOn(held, []), call)).toBe(canonicalJson(held) === canonicalJson(call))
    }),
    { numRuns: 3_000, seed: 20260728 },
  )
})

describe('what may be given', () => {
  const terms = (more: object = {}) => ({
    arguments: constraintsOn(HELD, []),
    maxUses: 20,
    totals: BOUNDS.totals,
    until: instant(NOW + 5),
    by: 'm',
    ...more,
  })
  const faultsOf = (more: object, loosened: readonly ArgumentConstraint[] = []) =>
    standingFaults({ ...terms(more), arguments: constraintsOn(HELD, loosened) }, loosened, BOUNDS, HELD, NOW)
  test.each<[string, object, readonly ArgumentConstraint[], RegExp | null]>([
    ['all that is allowed', {}, [], null],
    ['no use', { maxUses: 0 }, [], /whole number above zero/],
    ['less than a use', { maxUses: 0.5 }, [], /whole number above zero/],
    ['uses that are no number', { maxUses: Number.NaN }, [], /whole number above zero/],
    ['a use too many', { maxUses: 21 }, [], /at most 20 uses/],
    ['no end', { until: instant(Number.POSITIVE_INFINITY) }, [], /later than the approval allows/],
    ['an end that is no time', { until: instant(Number.NaN) }, [], /in the future/],
    ['an end of now', { until: NOW }, [], /in the future/],
    ['an end too late', { until: instant(NOW + BOUNDS.lifeMs + 1) }, [], /later than the approval allows/],
    ['no total', { totals: [] }, [], /say the total of `\/amount` once: at most 10000/],
    ['a total too high', { totals: [{ of: '/amount', most: '10000.0001' }] }, [], /may be at most 10000/],
    ['a total of nothing', { totals: [{ of: '/amount', most: '0' }] }, [], /above zero/],
    ['a negative total', { totals: [{ of: '/amount', most: '-1' }] }, [], /above zero/],
    ['a total that is no number', { totals: [{ of: '/amount', most: 'NaN' }] }, [], /above zero/],
    ['a total of everything', { totals: [{ of: '/amount', most: 'Infinity' }] }, [], /above zero/],
    ['a total twice', { totals: [...BOUNDS.totals, ...BOUNDS.totals] }, [], /once/],
    ['a total of something else', { totals: [...BOUNDS.totals, { of: '/note', most: '1' }] }, [], /counts no total of `\/note`/],
    ['an argument that is none', {}, [{ pointer: '/other', allows: { kind: 'any' } }], /`\/other` is no argument/],
    ['half an argument', {}, [{ pointer: '/bank', allows: { kind: 'any' } }], /`\/bank` is no argument/],
    ['everything', {}, [{ pointer: '', allows: { kind: 'any' } }], /no argument of the held call/],
    ['an argument that is pinned', {}, [{ pointer: '/bank/iban', allows: { kind: 'any' } }], /may not be loosened/],
    ['an empty list of values', {}, [{ pointer: '/vendorId', allows: { kind: 'one_of', values: [] } }], /lists no value/],
    ['a list without its own value', {}, [{ pointer: '/vendorId', allows: { kind: 'one_of', values: ['v'] } }], /would not pass/],
    ['less than its own amount', {}, [{ pointer: '/amount', allows: { kind: 'at_most', most: '499' } }], /would not pass/],
    ['at most nothing', {}, [{ pointer: '/amount', allows: { kind: 'at_most', most: '0' } }], /above zero/],
    [
      'an argument twice',
      {},
      [
        { pointer: '/amount', allows: { kind: 'any' } },
        { pointer: '/amount', allows: { kind: 'at_most', most: '500' } },
      ],
      /named twice/,
    ],
  ])('%s', (_title, more, loosened, expected) => {
    const faults = faultsOf(more, loosened).join('; ')
    if (expected === null) expect(faults).toBe('')
    else expect(faults).toMatch(expected)
  })

  test('of several approvals the narrowest, and none where one allows none', () => {
    const other: StandingBounds = {
      maxUses: 5,
      totals: [
        { of: '/amount', most: '99.5' },
        { of: '/fee', most: '1' },
      ],
      lifeMs: 1,
      pinned: ['/a'],
    }
    const both = {
      maxUses: 5,
      totals: [
        { of: '/amount', most: '99.5' },
        { of: '/fee', most: '1.0' },
      ],
      lifeMs: 1,
      pinned: ['/a', '/bank'],
    }
    expect(combineStanding([BOUNDS, other])).toEqual(both)
    expect(combineStanding([other, BOUNDS])).toEqual(both)
    expect(combineStanding([BOUNDS, null])).toBeNull()
    expect(combineStanding([])).toBeNull()
  })
})

describe('a use', () => {
  const call = { agent: 'clerk', owner: 'paul', subject: null, operation: 'erp.releasePayment', operationVersion: 'v1' }
  const hold = { policyId: 'large', policyHash: 'h1', approval: 'finance' }
  const another = { policyId: 'night', policyHash: 'h9', approval: 'finance' }
  const versions = (name: string): string | undefined => ({ finance: 'a1' })[name]
  test.each<[string, Partial<StandingGrant>, Partial<typeof call> | { subject: string }, readonly (typeof hold)[], RegExp | null]>([
    ['of just that', {}, {}, [hold], null],
    ['by another agent', {}, { agent: 'clerk2' }, [hold], /to others/],
    ['for somebody, of a grant for nobody', {}, { subject: 'paul' }, [hold], /to others/],
    ['for nobody, of a grant for somebody', { subject: 'paul' }, {}, [hold], /to others/],
    ['of an agent with another owner', {}, { owner: 'zoe' }, [hold], /another owner/],
    ['from before grants named an owner', { owner: undefined as unknown as string }, {}, [hold], /another owner/],
    ['of another version', {}, { operationVersion: 'v2' }, [hold], /another operation/],
    ['of another operation', {}, { operation: 'erp.releasePayments' }, [hold], /another operation/],
    ['under a policy with another text', {}, {}, [{ ...hold, policyHash: 'h2' }], /says nothing of `large`/],
    ['under another approval', {}, {}, [{ ...hold, approval: 'cfo' }], /says nothing of `large`/],
    ['under one policy more', {}, {}, [hold, another], /says nothing of `night`/],
    ['of a hold without reasons', {}, {}, [], /nothing of the hold/],
    ['of an approval that was changed', { approvalVersions: { finance: 'a0' } }, {}, [hold], /`finance` changed/],
    ['of an approval that is gone', { matched: [{ ...hold, approval: 'old' }] }, {}, [{ ...hold, approval: 'old' }], /`old` changed/],
    ['after its end', { until: NOW }, {}, [hold], /expired/],
    ['when none is left', { used: 3 }, {}, [hold], /used_up/],
    ['when nothing of the total is left', { spent: { '/amount': '1000.0' } }, {}, [hold], /used_up/],
    ['of a revoked one', { ended: 'revoked' }, {}, [hold], /revoked/],
    ['of a dead one', { ended: 'dead' }, {}, [hold], /dead/],
  ])('%s', (_title, more, asked, holds, expected) => {
    const why = whyNotCovered(grant(more), { ...call, ...asked }, holds, versions, NOW)
    if (expected === null) expect(why).toBeNull()
    else expect(why).toMatch(expected)
  })

  test.each<[string, JsonValue, string, boolean]>([
    ['what is left', 400, '600.0', true],
    ['a little more than is left', 400.0001, '600.0', false],
    ['nothing', 0, '600.0', true],
    ['a negative amount', -1, '600.0', false],
    ['text', '1', '600.0', false],
    ['an amount too fine', 0.00001, '600.0', false],
    ['a huge amount', 1e30, '0.0', false],
    ['not a number', Number.NaN, '0.0', false],
    ['infinite', Number.POSITIVE_INFINITY, '0.0', false],
  ])('the total takes %s: %s', (_title, amount, spent, passes) => {
    expect(amountsLeft(grant({ spent: { '/amount': spent } }), { amount }) !== null).toBe(passes)
  })

  test('an absent amount is not counted as nothing', () => expect(amountsLeft(grant(), {})).toBeNull())

  test('what is spent is exact, and given back exactly', () => {
    const taken = [{ of: '/amount', amount: '0.1' }]
    let spent = {}
    for (let n = 0; n < 10; n++) spent = spentAfter(spent, taken, 1n)
    expect(spent).toEqual({ '/amount': '1.0' })
    for (let n = 0; n < 10; n++) spent = spentAfter(spent, taken, -1n)
    expect(spent).toEqual({ '/amount': '0.0' })
    expect(grantState(grant({ spent }), NOW)).toBe('live')
  })
})
