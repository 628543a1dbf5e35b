import { appendFileSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { instant } from '../core/clock.ts'
import type { Entry } from '../core/entry.ts'
import { LIMITS } from '../limits.ts'
import type { Sink } from '../ports/sink.ts'
import { fileSink } from './file-sink.ts'

let folder: string
const open: Sink[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-sink-'))
})
afterEach(async () => {
  for (const sink of open.splice(0)) await sink.close()
  rmSync(folder, { recursive: true, force: true })
})

const NEVER = new AbortController().signal
const clock = { ms: Date.now(), now: () => instant(clock.ms) }
const entries = (from: number, count: number, what = 'a call'): Entry[] =>
  Array.from({ length: count }, (_, i) => ({
    ...{ process: 'p', seq: from + i, at: instant(1), callId: null, body: { kind: 'view', by: 'lee', what }, commitment: null },
  }))
const linesOf = () => Promise.resolve(({ seq, body }: Entry) => JSON.stringify({ seq, body }))
const place = () => join(folder, 'out', 'record.ndjson')
function sink(bytesMax?: number): Sink {
  const made = fileSink({ path: place(), linesOf, clock, ...(bytesMax === undefined ? {} : { bytesMax }) })
  open.push(made)
  return made
}
const seqs = (path = place()): number[] => {
  const text = readFileSync(path, 'utf8')
  expect(text.endsWith('\n')).toBe(true)
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => (JSON.parse(line) as { seq: number }).seq)
}
const aside = (): string[] =>
  readdirSync(join(folder, 'out'))
    .filter((name) => name !== 'record.ndjson')
    .sort()

describe('a file of lines', () => {
  test('grows by one line an entry, is made with its folder, and is nobody else’s to read', async () => {
    const to = sink()
    expect(await to.carry(entries(1, 3), NEVER)).toBe(3)
    expect(await to.carry(entries(4, 1), NEVER)).toBe(1)
    expect(seqs()).toEqual([1, 2, 3, 4])
    expect(statSync(place()).mode & 0o007).toBe(0)
  })

  test.each([
    ['half a line', '{"seq":2,"bo'],
    ['a line without its end', '{"seq":2}'],
    ['half a line that is longer than what is read at once', `{"seq":2,"x":"${'x'.repeat(200_000)}`],
  ])('%s at its end is removed before the next is written', async (_title, torn) => {
    await sink().carry(entries(1, 1), NEVER)
    appendFileSync(place(), torn)
    await sink().carry(entries(2, 1), NEVER)
    expect(seqs()).toEqual([1, 2])
  })

  test('of which there is only half a line begins anew', async () => {
    await sink().carry(entries(1, 1), NEVER)
    writeFileSync(place(), '{"se')
    await sink().carry(entries(1, 1), NEVER)
    expect(seqs()).toEqual([1])
  })

  test.each([
    ['moved away', (path: string) => renameSync(path, `${path}.1`)],
    ['removed', unlinkSync],
  ] as const)('that was %s is made anew', async (_title, change) => {
    const to = sink()
    await to.carry(entries(1, 1), NEVER)
    change(place())
    await to.carry(entries(2, 1), NEVER)
    expect(seqs()).toEqual([2])
  })

  test('is set aside when it is full, under its day and the next number', async () => {
    const to = sink(150)
    for (let seq = 1; seq <= 6; seq++) await to.carry(entries(seq, 1), NEVER)
    const day = new Date(clock.ms).toISOString().slice(0, 10)
    expect(aside()).toEqual([`record-${day}-0001.ndjson`, `record-${day}-0002.ndjson`])
    expect([...aside().map((name) => join(folder, 'out', name)), place()].flatMap((path) => seqs(path))).toEqual([1, 2, 3, 4, 5, 6])
    for (const name of aside()) expect(statSync(join(folder, 'out', name)).size).toBeLessThanOrEqual(150)
  })

  test('is set aside when the day is over, in another process too', async () => {
    const day = new Date(clock.ms).toISOString().slice(0, 10)
    const before = clock.ms
    await sink().carry(entries(1, 1), NEVER)
    clock.ms += 24 * 3_600_000
    const to = sink()
    await to.carry(entries(2, 1), NEVER)
    await to.carry(entries(3, 1), NEVER)
    clock.ms = before
    expect(aside()).toEqual([`record-${day}-0001.ndjson`])
    expect(seqs()).toEqual([2, 3])
  })

  test('is given no more at once than is allowed, and one entry however long it is', async () => {
    const to = sink()
    expect(await to.carry(entries(1, 9, 'x'.repeat(LIMITS.sinkBatchBytesMax / 3)), NEVER)).toBe(2)
    expect(await to.carry(entries(3, 2, 'x'.repeat(2 * LIMITS.sinkBatchBytesMax)), NEVER)).toBe(1)
    expect(seqs()).toEqual([1, 2, 3])
  })

  test('that cannot be written says so, and is written when it can be', async () => {
    const to = sink()
    writeFileSync(join(folder, 'out'), 'no folder')
    await expect(to.carry(entries(1, 1), NEVER)).rejects.toThrow(/EEXIST|ENOTDIR/)
    unlinkSync(join(folder, 'out'))
    expect(await to.carry(entries(1, 1), NEVER)).toBe(1)
    expect(seqs()).toEqual([1])
  })
})
