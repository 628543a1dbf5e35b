import { createInProcessBus } from '../bus/in-process.ts'
import { createRecorder, type RunningRecorder } from '../record/recorder.ts'
import { openStorage } from './open-storage.ts'
import { useOnce, using, type Using } from './test-grants.ts'
import { testSealer } from './test-sealer.ts'
import { finished, realClock, releaseOf } from './test-units.ts'

/**
 * A gateway process of its own for `grant-replicas.test.ts`: waits for a line, then asks 25 times at once for calls of 30 (`burst`), stops with two turns and
 * three intents under the grant (`stop`), or makes such calls and ends them in every way without end (`endless`). Prints what was acknowledged, then `done`.
 */
const [mode = '', agent = '', databaseUrl = '', dataDir = ''] = process.argv.slice(2)
const clock = realClock
const print = (text: string): void => void process.stdout.write(`${text}\n`)
const asking = (later = false, amount = 30): Using => using(clock, { amount }, later, { agent })

async function burst(recorder: RunningRecorder): Promise<void> {
  const passed = await Promise.all(Array.from({ length: 25 }, () => useOnce(recorder, asking())))
  for (const each of passed) print(each ? 'passed' : 'held')
}

async function stop(recorder: RunningRecorder): Promise<void> {
  const turn = (unit: Using): Promise<unknown> => useOnce(recorder, unit).then((passed) => passed && print(`turn ${unit.callId}`))
  const intent = (unit: Using): Promise<unknown> => useOnce(recorder, unit).then((passed) => passed && print(`intent ${unit.callId}`))
  await Promise.all([...[1, 2].map(() => turn(asking(true))), ...[1, 2, 3].map(() => intent(asking()))])
  print('stopped')
  await new Promise(() => undefined)
}

const ENDS = ['completed', 'failed', 'not_sent', 'in_doubt'] as const

async function one(recorder: RunningRecorder, turn: number): Promise<void> {
  const later = turn % 3 === 0
  const unit = asking(later, 0.25)
  if (!(await useOnce(recorder, unit))) throw new Error('the grant ran out')
  print(`intent ${unit.callId}`)
  if (later && turn % 2 === 0) await recorder.cancelUnstarted(unit.callId, 'another field failed')
  else {
    const release = later ? releaseOf(unit.would, null) : undefined
    if (release) await recorder.release(release)
    const intent = release?.intent ?? unit.would.intent
    if (!intent) throw new Error('the call has an intent')
    const end = ENDS[turn % ENDS.length] ?? 'completed'
    await recorder.finish({ ...finished(unit.callId, intent, end), reserved: true })
    if (end === 'in_doubt') await recorder.resolve(unit.callId, 'bob', turn % 5 === 0 ? 'HAPPENED' : 'DID_NOT_HAPPEN', 'looked it up')
  }
  print('ended')
}

async function endless(recorder: RunningRecorder): Promise<void> {
  const worker = async (nth: number): Promise<void> => {
    for (let turn = nth; ; turn += 7) await one(recorder, turn)
  }
  await Promise.all(Array.from({ length: 8 }, (_, nth) => worker(nth)))
}

const place = { dataDir, ...(databaseUrl === '' ? {} : { databaseUrl }) }
const storage = await openStorage({ ...place, sealer: testSealer(place), clock, bus: createInProcessBus() })
await storage.takeOverLapsed()
const recorder = createRecorder({ writer: storage.writer, clock })
print('ready')
await new Promise((resolve) => process.stdin.once('data', resolve))
process.stdin.unref()
if (mode === 'burst') await burst(recorder)
else if (mode === 'stop') await stop(recorder)
else await endless(recorder)
print('done')
await recorder.close()
await storage.close()
