import { describe, expect, test } from 'vitest'
import { busConformance } from './bus.conformance.ts'
import { createInProcessBus } from './in-process.ts'

describe('in-process bus', () => {
  busConformance(
    () => createInProcessBus(),
    () => Promise.resolve(),
  )

  test('logs what a listener throws', () => {
    const errors: unknown[] = []
    const nothing = (): void => undefined
    const bus = createInProcessBus({ info: nothing, warn: nothing, error: (fields) => errors.push(fields.error) })
    const broken = new Error('broken listener')
    bus.subscribe(() => {
      throw broken
    })
    bus.publish({ kind: 'agents' })
    expect(errors).toEqual([broken])
  })
})
