import { expect, test } from 'vitest'
import { assertLifeStep, type LifeStep, LIFE_STEPS } from './agent-life.ts'
import type { AgentStatus } from './principal.ts'

const STATUSES: readonly AgentStatus[] = ['proposed', 'active', 'suspended', 'retired']

/** Where each step leads from each status; `no` where it is refused. */
test.each([
  ['activate', ['active', 'no', 'no', 'no']],
  ['suspend', ['no', 'suspended', 'no', 'no']],
  ['reinstate', ['no', 'no', 'active', 'no']],
  ['retire', ['retired', 'retired', 'retired', 'no']],
] satisfies [LifeStep, string[]][])('%s', (step, expected) => {
  const got = STATUSES.map((status) => {
    try {
      assertLifeStep({ name: 'clerk', status }, step)
      return LIFE_STEPS[step].to
    } catch (error) {
      expect(error).toMatchObject({ code: 'BAD_INPUT', message: expect.stringContaining(`agent \`clerk\` is ${status}`) })
      return 'no'
    }
  })
  expect(got).toEqual(expected)
})
