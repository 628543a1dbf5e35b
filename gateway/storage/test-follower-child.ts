import { sql } from 'kysely'
import { createInProcessBus } from '../bus/in-process.ts'
import { instant } from '../core/clock.ts'
import { openStorage } from './open-storage.ts'
import { testSealer } from './test-sealer.ts'

/**
 * A process of its own for `follower-replicas.test.ts`: notes every `view` in the table `followed`, and ends once there is nothing left. With `stallAt` it
 * stands still in its so-and-so-many-th page, after its writes and before their commit.
 */
const [dataDir = '', databaseUrl = '', stallAt = '0'] = process.argv.slice(2)
const place = { dataDir, ...(databaseUrl === '' ? {} : { databaseUrl }) }
const clock = { now: () => instant(Date.now()) }
const storage = await openStorage({ ...place, sealer: testSealer(place), clock, bus: createInProcessBus() })
let pages = 0
const followers = storage.follow([
  {
    name: 'noting',
    kinds: ['view'],
    from: 'beginning',
    async take(tx, entries) {
      const by = storage.writer.process()
      for (const entry of entries) await sql`insert into followed values (${entry.process}, ${entry.seq}, ${by})`.execute(tx)
      process.stdout.write('took\n')
      if (++pages !== Number(stallAt)) return
      process.stdout.write('stalls\n')
      await new Promise(() => undefined)
    },
  },
])
process.stdout.write('ready\n')
const timer = setInterval(() => {
  followers.lagSeconds().then(
    async (lag) => {
      if (pages === 0 || lag.get('noting') !== 0) return
      clearInterval(timer)
      await storage.close()
    },
    () => undefined,
  )
}, 100)
