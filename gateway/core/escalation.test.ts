import { describe, expect, test } from 'vitest'
import { afterSteps, combineEscalations, type Escalation, type Requirement } from './escalation.ts'
import { ineligibility, satisfied } from './hold.ts'

const HOUR = 3_600_000
const asks = (groups: readonly string[], ...escalate: Escalation[]) => ({
  requires: groups.map((group) => ({ group, count: 1 })),
  escalate,
})
const to = (group: string | null, hours: number, ...notify: string[]): Escalation => ({ afterMs: hours * HOUR, to: group, notify })

describe('several definitions', () => {
  test.each<[string, Parameters<typeof combineEscalations>[0], unknown[]]>([
    ['one opens all of its own seats', [asks(['leads', 'finance'], to('cfo', 1))], [[1, 'cfo', ['leads', 'finance']]]],
    ['one that only tells opens nothing', [asks(['leads'], to(null, 1, 'cfo'))], [[1, null, []]]],
    ["another's seats stay closed", [asks(['leads'], to('cfo', 1)), asks(['finance'])], [[1, 'cfo', ['leads']]]],
    ['seats that another asks for as well stay closed', [asks(['leads'], to('cfo', 1)), asks(['leads', 'finance'])], [[1, 'cfo', []]]],
    [
      'where both escalate to the same group, the later one opens',
      [asks(['leads'], to('cfo', 1)), asks(['leads'], to('cfo', 2))],
      [
        [1, 'cfo', []],
        [2, 'cfo', ['leads']],
      ],
    ],
    [
      'where they escalate to different groups, none opens',
      [asks(['leads'], to('cfo', 1)), asks(['leads'], to('ceo', 2))],
      [
        [1, 'cfo', []],
        [2, 'ceo', []],
      ],
    ],
    [
      'a step after the expiry of the hold is none, and steps go by time',
      [asks(['leads'], to('ceo', 3), to('cfo', 2), to('board', 4))],
      [
        [2, 'cfo', ['leads']],
        [3, 'ceo', ['leads']],
      ],
    ],
  ])('%s', (_title, definitions, expected) => {
    const steps = combineEscalations(definitions, 4 * HOUR)
    expect(steps.map(({ afterMs, to: group, seats }) => [afterMs / HOUR, group, seats])).toEqual(expected)
  })
})

describe('after a step', () => {
  const requires: readonly Requirement[] = [
    { group: 'finance', count: 1 },
    { group: 'leads', count: 2 },
  ]
  const step = (group: string | null, seats: readonly string[]) => ({ afterMs: HOUR, to: group, notify: [], seats })
  const person = (name: string, ...groups: string[]) => ({ name, groups })

  test('members of the group fill the seats that it opened, and no others', () => {
    const now = afterSteps(requires, [step('cfo', ['leads'])])
    const [ann, bob, fin] = [person('ann', 'cfo'), person('bob', 'cfo'), person('fin', 'finance')]
    expect(satisfied(requires, [ann, bob, fin])).toBe(false)
    expect(satisfied(now, [ann, bob, fin])).toBe(true)
    expect(satisfied(now, [ann, bob, person('cem', 'cfo')])).toBe(false)
    // A person fills one seat, whichever of their groups it is by.
    expect(satisfied(now, [person('ann', 'cfo', 'finance'), bob])).toBe(false)
    expect(requires[1]?.standIns).toBeUndefined()
  })

  test('they may vote, and every exclusion holds for them too', () => {
    const call = { subject: 'sue', owner: 'ann', actors: [] }
    const hold = (steps: Parameters<typeof afterSteps>[1]) => ({
      requires: afterSteps(requires, steps),
      excluded: { people: ['exa'], unknown: [] },
    })
    const why = (name: string, ...steps: Parameters<typeof afterSteps>[1]) => ineligibility(hold(steps), call, person(name, 'cfo'), ['pub'])
    expect(why('bob')).toBe('needs a member of `finance` or `leads`')
    expect(why('bob', step('cfo', ['leads']))).toBeNull()
    expect(why('bob', step('ceo', ['leads']))).toBe('needs a member of `finance` or `leads` or `ceo`')
    for (const name of ['sue', 'ann', 'pub', 'exa']) expect(why(name, step('cfo', ['leads']))).not.toBeNull()
  })

  test('a step that opens nothing changes nothing; one taken twice opens once', () => {
    expect(afterSteps(requires, [step(null, []), step('cfo', [])])).toEqual(requires)
    const twice = afterSteps(afterSteps(requires, [step('cfo', ['leads'])]), [step('cfo', ['leads'])])
    expect(twice[1]).toEqual({ group: 'leads', count: 2, standIns: ['cfo'] })
  })
})
