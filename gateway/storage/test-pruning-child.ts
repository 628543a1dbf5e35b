import { setTimeout as sleep } from 'node:timers/promises'
import { createInProcessBus } from '../bus/in-process.ts'
import { growLog } from '../record/grow-log.ts'
import { noteSigner } from '../record/signed-note.ts'
import { logFollower } from './log.ts'
import { openStorage } from './open-storage.ts'
import { prune } from './pruning.ts'
import { testSealer } from './test-sealer.ts'
import { realClock } from './test-units.ts'

/**
 * A process of its own for `pruning-killed.test.ts`: removes all that was written before `beforeMs`, and says how far it is with each batch. It ends once
 * nothing is left to remove.
 */
const [dataDir = '', databaseUrl = '', beforeMs = '0'] = process.argv.slice(2)
const place = { dataDir, ...(databaseUrl === '' ? {} : { databaseUrl }) }
const storage = await openStorage({ ...place, sealer: testSealer(place), clock: realClock, bus: createInProcessBus() })
const { database, writer } = storage
storage.follow([logFollower(growLog('gatehouse/killed', [noteSigner('gatehouse/killed', new Uint8Array(32).fill(1))]))])
const row = () => database.db.selectFrom('log_floor').selectAll().executeTakeFirstOrThrow()
let ended = false
const told = (async () => {
  for (let last = 0; !ended; await sleep(1)) {
    const { removed } = await row()
    if (removed > last) process.stdout.write(`removed ${removed}\n`)
    last = removed
  }
})()
for (let at = await row(); at.announced === 0 || at.removed < at.announced; at = await row()) {
  await prune({ database, writer, followers: () => ['log'] }, Number(beforeMs), Date.now())
  await sleep(50)
}
ended = true
await told
await storage.close()
