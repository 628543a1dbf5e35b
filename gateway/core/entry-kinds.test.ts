import { describe, expect, test } from 'vitest'
import { ENTRY_KINDS, entryKinds } from './entry-kinds.ts'

describe('kinds of entries by their names', () => {
  test.each([
    [['view'], ['view']],
    [['view', 'view'], ['view']],
    [['agent.*'], ['agent.changed', 'agent.token']],
    [
      ['vote', 'connector.*'],
      ['vote', 'connector.drift_found', 'connector.drift_reviewed', 'connector.drift_gone'],
    ],
    [[], []],
  ])('%j', (names, kinds) => expect(entryKinds(names)).toEqual(kinds))

  test.each(['*', 'views', 'agent', 'agent*', 'nothing.*', ''])('%j is none', (name) => {
    expect(() => entryKinds([name])).toThrow(expect.objectContaining({ code: 'BAD_INPUT' }))
  })

  test('no name is two kinds', () => expect(new Set(ENTRY_KINDS).size).toBe(ENTRY_KINDS.length))
})
