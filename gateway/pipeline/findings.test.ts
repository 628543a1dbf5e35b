import { expect, test } from 'vitest'
import { createDetectors } from '../detectors/detectors.ts'
import { LIMITS } from '../limits.ts'
import { FINDINGS } from '../ports/detector.ts'
import { findingsIn, findingsInTurns } from './findings.ts'

const detectors = createDetectors()
const plain = 'the goods arrived on Monday, '.repeat(20)

test('in turns as at once, wherever in a long answer it stands', async () => {
  for (const at of [0, 100, 199]) {
    const texts: string[] = Array.from({ length: 200 }, () => plain)
    texts[at] = 'write to ada.lovelace@example.com'
    expect(await findingsInTurns(detectors, texts)).toEqual(['personal-data'])
    expect(findingsIn(detectors, texts)).toEqual(['personal-data'])
  }
})

test('others get their turn in between', async () => {
  let turns = 0
  const count = (): void => {
    turns++
    next = setImmediate(count)
  }
  let next = setImmediate(count)
  await findingsInTurns(
    detectors,
    Array.from({ length: 100 }, () => plain),
  )
  clearImmediate(next)
  expect(turns).toBeGreaterThan(5)
})

test('more than the detectors take has every finding, and one long text is looked at whole', async () => {
  const many = Array.from({ length: 2 }, () => 'a'.repeat(LIMITS.scannedCharsMax / 2 + 1))
  expect(await findingsInTurns(detectors, many)).toEqual([...FINDINGS].sort())
  expect(await findingsInTurns(detectors, ['a'.repeat(LIMITS.scannedAtOnceCharsMax * 2), 'b'])).toEqual([])
})
