import { createInProcessBus } from '../bus/in-process.ts'
import { instant } from '../core/clock.ts'
import { createRecorder } from '../record/recorder.ts'
import { openStorage } from './open-storage.ts'
import { testSealer } from './test-sealer.ts'
import { activateEmptySet } from './test-policy-sets.ts'
import { finished, permitted, POLICY_SET, seed } from './test-units.ts'

/** A process of its own for `durability.test.ts`: writes to the data directory it is given, without end, and prints what was acknowledged. */
const [dataDir = ''] = process.argv.slice(2)
const clock = { now: () => instant(Date.now()) }
const bus = createInProcessBus()
try {
  const storage = await openStorage({ dataDir, sealer: testSealer({ dataDir }), clock, bus })
  await storage.registry([seed('helper')], [])
  await activateEmptySet(storage.policySets, POLICY_SET)
  const recorder = createRecorder({ writer: storage.writer, clock, bus })
  process.stdout.write('ready\n')
  const worker = async (): Promise<void> => {
    for (;;) {
      const unit = permitted(clock)
      await recorder.admit(unit)
      process.stdout.write(`intent ${unit.call.id}\n`)
      await recorder.finish(finished(unit.call.id, unit.intent))
      process.stdout.write(`outcome ${unit.call.id}\n`)
    }
  }
  await Promise.all(Array.from({ length: 8 }, worker))
} catch (error) {
  process.stdout.write(`failed ${error instanceof Error ? error.message : ''}\n`)
  process.exitCode = 1
}
