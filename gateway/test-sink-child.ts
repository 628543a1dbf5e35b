import { createInProcessBus } from './bus/in-process.ts'
import { instant } from './core/clock.ts'
import { openSinks } from './open-sinks.ts'
import { createDialer } from './egress/dialer.ts'
import { openStorage } from './storage/open-storage.ts'
import { testSealer } from './storage/test-sealer.ts'

/**
 * A process of its own for `open-sinks.test.ts`: carries the record into a file and a webhook, says `carried` whenever the file has got more, and ends once
 * there is nothing left.
 */
const [dataDir = '', databaseUrl = '', path = '', url = '', secret = ''] = process.argv.slice(2)
const place = { dataDir, ...(databaseUrl === '' ? {} : { databaseUrl }) }
const clock = { now: () => instant(Date.now()) }
const storage = await openStorage({ ...place, sealer: testSealer(place), clock, bus: createInProcessBus() })
await storage.takeOverLapsed()
const terms = { format: 'entry', kinds: 'all', payloads: false } as const
const sinks = openSinks(
  [
    { ...terms, name: 'file', to: { kind: 'file', path } },
    { ...terms, name: 'hook', to: { kind: 'webhook', url, secret, egress: ['127.0.0.1'] } },
  ],
  { organisation: 'acme', version: '0', dialer: createDialer({ development: false }), clock, calls: storage.calls },
)
const followers = storage.follow(
  sinks.map((sink) => ({
    ...sink,
    async carry(entries, signal) {
      const carried = await sink.carry(entries.slice(0, 100), signal)
      process.stdout.write(`carried ${sink.name}\n`)
      return carried
    },
  })),
)
const timer = setInterval(() => {
  followers.lagSeconds().then(
    async (lag) => {
      if ([...lag.values()].some((seconds) => seconds > 0)) return
      clearInterval(timer)
      await storage.close()
    },
    () => undefined,
  )
}, 100)
