import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { growLog } from '../record/grow-log.ts'
import { noteSigner } from '../record/signed-note.ts'
import { logFollower } from '../storage/log.ts'
import { freshPglite, type TestDatabase } from '../storage/test-databases.ts'
import { closeTestStore, openTestStore, type TestStore } from '../storage/test-store.ts'
import { finished, permitted } from '../storage/test-units.ts'
import { type RunningPublishing, startPublishing } from './publishing.ts'

const SOON = { timeout: 25_000, interval: 50 }
const signer = noteSigner('gatehouse/test', randomBytes(32))

let database: TestDatabase
let store: TestStore
const errors: string[] = []
const log = { info: () => {}, warn: () => {}, error: (_fields: unknown, message: string) => void errors.push(message) }

const publisher = (owner: string): Promise<RunningPublishing> =>
  startPublishing({ witnesses: [], store: store.storage.log, published: store.storage.published, owner: () => owner, log })
const published = async (): Promise<number> => (await store.storage.published.checkpoint())?.size ?? 0
const signed = async (): Promise<number> => (await store.storage.log.checkpoint())?.size ?? 0

/** One more call, in the log. */
async function call(): Promise<void> {
  const before = await signed()
  const unit = permitted(store.clock)
  await store.recorder.admit(unit)
  await store.recorder.finish(finished(unit.call.id, unit.intent))
  await vi.waitFor(async () => expect(await signed()).toBeGreaterThanOrEqual(before + 3), SOON)
}

beforeAll(async () => {
  database = freshPglite()
  store = await openTestStore(database)
  store.storage.follow([logFollower(growLog(signer.name, [signer]))])
})
afterAll(async () => {
  await closeTestStore(store)
  await database.drop()
})

test('what was signed while nobody published is published before anything else', async () => {
  await call()
  expect(await published()).toBe(0)
  const running = await publisher('a')
  expect(await published()).toBe(await signed())
  await running.close()
  await running.close()
})

test('one publishes at a time, and another goes on where it gives up', async () => {
  const publishes = vi.spyOn(store.storage.published, 'publish')
  const first = await publisher('a')
  const second = await publisher('b')
  const byWhom = () => new Set(publishes.mock.calls.map(([owner]) => owner))
  await call()
  await vi.waitFor(async () => expect(await published()).toBe(await signed()), SOON)
  expect(byWhom()).toEqual(new Set(['a']))
  await first.close()
  await call()
  await vi.waitFor(async () => expect(await published()).toBe(await signed()), SOON)
  expect(byWhom()).toEqual(new Set(['a', 'b']))
  await second.close()
  publishes.mockRestore()
  expect(errors).toEqual([])
})

test('a database that fails for a while is asked again', async () => {
  const fails = vi.spyOn(store.storage.published, 'cosignatures').mockRejectedValueOnce(new Error('away'))
  const running = await publisher('c')
  await call()
  await vi.waitFor(async () => expect(await published()).toBe(await signed()), SOON)
  expect(errors).toEqual([expect.stringContaining('could not be published')])
  await running.close()
  fails.mockRestore()
})
