import { randomBytes } from 'node:crypto'
import { createInProcessBus } from '../bus/in-process.ts'
import { type Clock, instant } from '../core/clock.ts'
import { newCallId } from '../core/ids.ts'
import { createRecorder, type RunningRecorder } from '../record/recorder.ts'
import { openStorage } from './open-storage.ts'
import { testSealer } from './test-sealer.ts'
import { payment } from './test-counters.ts'
import { approved, finished, permitted } from './test-units.ts'

/**
 * A gateway process of its own for `counter-replicas.test.ts`: waits for a line, then as its agent makes 25 payments of 2,000 against a shared cap of
 * 5,000 (`cap`), 150 that cross those of others in every way and end in every way (`cross`), or such without end (`endless`). Prints what was
 * acknowledged, then `done`.
 */
const [mode = '', agent = '', databaseUrl = '', dataDir = ''] = process.argv.slice(2)
const clock: Clock = { now: () => instant(Date.now()) }
const print = (text: string): void => void process.stdout.write(`${text}\n`)

const NAMES = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
const shuffled = <T>(values: readonly T[]): T[] =>
  values
    .map((value) => ({ value, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ value }) => value)

async function cap(recorder: RunningRecorder): Promise<void> {
  const units = Array.from({ length: 25 }, () => payment(clock, { payer: 'everybody', sample: { agent } }))
  for (const result of await Promise.all(units.map((unit) => recorder.decide(unit)))) {
    if (result.kind === 'admitted') print(`${result.result.kind} ${result.unit.decision.verdict.effect}`)
  }
}

async function cross(recorder: RunningRecorder, turn: number): Promise<void> {
  const [payer = '', ...to] = shuffled(NAMES).slice(0, 5)
  const waits = turn % 5 === 0
  const unit = payment(clock, {
    payer,
    to,
    amount: '0.1',
    cap: Number.POSITIVE_INFINITY,
    sample: { agent },
    make: waits ? approved : permitted,
  })
  await recorder.decide(unit)
  print(`intent ${unit.callId}`)
  if (waits) await recorder.cancelUnstarted(unit.callId, 'another field failed')
  else {
    const kind = (['completed', 'failed', 'not_sent', 'in_doubt'] as const)[turn % 4] ?? 'completed'
    await recorder.finish({ ...finished(unit.callId, unit.intent, kind), reserved: true })
    if (kind === 'in_doubt') await recorder.resolve(unit.callId, 'bob', turn % 3 === 0 ? 'HAPPENED' : 'DID_NOT_HAPPEN', 'looked it up')
  }
  print(`outcome ${unit.callId}`)
}

/** Labels that every process sticks to the same subjects at once, each in its own order. */
async function carry(recorder: RunningRecorder, round: number): Promise<void> {
  const subjects = shuffled(Array.from({ length: 50 }, (_, i) => `${round} ${i}`))
  const callId = newCallId(clock.now(), randomBytes(16))
  await Promise.all(subjects.map((subject) => recorder.stick({ callId, agent: 'shared', subject, run: null, labels: shuffled(NAMES) })))
}

const place = { dataDir, ...(databaseUrl === '' ? {} : { databaseUrl }) }
const storage = await openStorage({ ...place, sealer: testSealer(place), clock, bus: createInProcessBus() })
await storage.takeOverLapsed()
const recorder = createRecorder({ writer: storage.writer, clock })
print('ready')
await new Promise((resolve) => process.stdin.once('data', resolve))
process.stdin.unref()
if (mode === 'cap') await cap(recorder)
else {
  const turns = mode === 'cross' ? 15 : Number.POSITIVE_INFINITY
  const worker = async (_: unknown, nth: number): Promise<void> => {
    for (let turn = 0; turn < turns; turn++) await cross(recorder, turn * 10 + nth)
  }
  for (let round = 0; round < 20; round++) await carry(recorder, round)
  await Promise.all(Array.from({ length: 10 }, worker))
}
print('done')
await recorder.close()
await storage.close()
