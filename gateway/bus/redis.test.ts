import { createClient } from 'redis'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import type { CallId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import type { Bus, Signal } from '../ports/bus.ts'
import type { Log } from '../ports/telemetry.ts'
import { busConformance } from './bus.conformance.ts'
import { createRedisBus, type RunningBus } from './redis.ts'
import { freshRedis } from './test-redis.ts'

const redis = await freshRedis('bus')
const secured = await freshRedis('bus with a password', '--requirepass', 'open-sesame')
const FOREVER = { timeout: 25_000, interval: 10 }

const callSignal = (n: number): Signal => ({ kind: 'call', id: `call_${String(n).padStart(26, '0')}` as CallId })

describe.skipIf(redis === undefined)('bus on Redis', () => {
  const url = redis?.url ?? ''
  const open: RunningBus[] = []
  const bus = (organisation = 'acme', log?: Log): RunningBus => {
    const made = createRedisBus({ url, organisation, ...(log ? { log } : {}) })
    open.push(made)
    return made
  }
  const connected = (...buses: readonly RunningBus[]) => vi.waitUntil(() => buses.every((each) => each.connected()), FOREVER)
  const away = (...buses: readonly RunningBus[]) => vi.waitUntil(() => !buses.some((each) => each.connected()), FOREVER)

  /** A pair that is connected, and a way to know that all that was published on the first has reached the second. */
  async function pair() {
    const [near, far] = [bus(), bus()]
    await connected(near, far)
    let marks = 1_000_000
    const settled = async (): Promise<void> => {
      const mark = callSignal(marks++)
      let heard = false
      const end = far.subscribe((signal) => {
        if (signal.kind === 'call' && mark.kind === 'call' && signal.id === mark.id) heard = true
      })
      near.publish(mark)
      await expect.poll(() => heard, FOREVER).toBe(true)
      end()
    }
    return { near, far, settled }
  }

  beforeAll(async () => {
    await redis?.start()
    await secured?.start()
  })
  afterEach(async () => {
    for (const each of open.splice(0)) await each.close()
  })
  afterAll(async () => {
    await redis?.drop()
    await secured?.drop()
  })

  describe('within one process', () => {
    busConformance(
      () => bus(),
      () => Promise.resolve(),
    )
  })

  describe('from one process to another', () => {
    let settled: () => Promise<void> = () => Promise.resolve()
    let across: Bus = { publish: () => undefined, subscribe: () => () => undefined }
    beforeAll(async () => {
      const { near, far, ...rest } = await pair()
      // Kept over the tests of this block.
      open.length = 0
      across = { publish: (signal) => near.publish(signal), subscribe: withoutMarks(far) }
      settled = rest.settled
      return async () => {
        await near.close()
        await far.close()
      }
    })
    busConformance(
      () => across,
      () => settled(),
    )
  })

  test('what this process said reaches its own listeners once', async () => {
    const { near, settled } = await pair()
    const heard: Signal[] = []
    near.subscribe((signal) => heard.push(signal))
    near.publish({ kind: 'policies' })
    await settled()
    expect(heard.filter(({ kind }) => kind === 'policies')).toEqual([{ kind: 'policies' }])
  })

  test('organisations that share a server do not hear each other', async () => {
    const { near, settled } = await pair()
    const other = bus('globex')
    await connected(other)
    const heard: Signal[] = []
    other.subscribe((signal) => heard.push(signal))
    near.publish({ kind: 'agents' })
    await settled()
    expect(heard).toEqual([])
  })

  test('what is no signal is passed over', async () => {
    const { far, settled } = await pair()
    const heard: Signal[] = []
    far.subscribe((signal) => heard.push(signal))
    const stranger = await createClient({ url }).connect()
    const one = callSignal(7)
    const long = `x ${'agents '.repeat(LIMITS.busMessageCharsMax / 7)}`
    for (const text of ['', ' ', 'x', '{}', 'x call_1', 'x agents\n', 'x __proto__ constructor', '\0\uffff', long]) {
      await stranger.publish('gatehouse:acme:signals', text)
    }
    await stranger.publish('gatehouse:acme:signals', Buffer.from([0xff, 0xfe, 0x20]))
    await stranger.publish('gatehouse:acme:signals', `x nonsense policies ${one.kind === 'call' ? one.id : ''}`)
    await settled()
    stranger.destroy()
    expect(heard.slice(0, 2)).toEqual([{ kind: 'policies' }, one])
    expect(heard).toHaveLength(3)
  })

  test('a flood is bounded: what is beyond the queue is dropped, and later signals pass', async () => {
    const { near, far, settled } = await pair()
    let heard = 0
    far.subscribe(() => heard++)
    for (let n = 0; n < LIMITS.busSignalsQueuedMax + 2_000; n++) near.publish(callSignal(n))
    await expect.poll(() => heard, FOREVER).toBe(LIMITS.busSignalsQueuedMax)
    await settled()
    expect(heard).toBe(LIMITS.busSignalsQueuedMax + 1)
  })

  test('a server that dies costs others the signals of that time, and nobody else anything', async () => {
    const lines: string[] = []
    const say = (_: unknown, message: string): void => void lines.push(message)
    const [near, far] = [bus('acme', { info: say, warn: say, error: say }), bus()]
    await connected(near, far)
    await redis?.kill()
    await away(near, far)
    const heard: Signal[] = []
    near.subscribe((signal) => heard.push(signal))
    near.publish({ kind: 'agents' })
    expect(heard).toEqual([{ kind: 'agents' }])
    await redis?.start()
    await connected(near, far)
    const again: Signal[] = []
    far.subscribe((signal) => again.push(signal))
    near.publish({ kind: 'policies' })
    await expect.poll(() => again, FOREVER).toEqual([{ kind: 'policies' }])
    expect(lines).toEqual([
      'the bus between processes is connected',
      'the bus between processes is away: other processes are followed by polling',
      'the bus between processes is connected',
    ])
  })

  test('a server that hangs is left, and taken again once it answers', async () => {
    const { near, far } = await pair()
    redis?.freeze()
    try {
      near.publish({ kind: 'agents' })
      await away(near, far)
    } finally {
      redis?.thaw()
    }
    await connected(near, far)
  })

  test('a wrong password connects nobody, and is not in the log', async () => {
    const fields: unknown[] = []
    const say = (given: unknown): void => void fields.push(given)
    const log = { info: say, warn: say, error: say }
    const refused = createRedisBus({ url: secured?.url.replace('//', '//:sesame-5f1c9d@') ?? '', organisation: 'acme', log })
    const letIn = createRedisBus({ url: secured?.url.replace('//', '//:open-sesame@') ?? '', organisation: 'acme' })
    open.push(refused, letIn)
    await connected(letIn)
    await expect.poll(() => fields, FOREVER).toHaveLength(1)
    expect(refused.connected()).toBe(false)
    const { error } = fields[0] as { error: Error }
    expect(`${error.message} ${error.stack} ${JSON.stringify(error)}`).toMatch(/^(?!.*5f1c9d).*WRONGPASS/s)
  })

  test('a closed bus is closed, also while it tries to connect, and twice', async () => {
    const { near, far } = await pair()
    await near.close()
    await near.close()
    expect(near.connected()).toBe(false)
    expect(() => near.publish({ kind: 'agents' })).not.toThrow()
    expect(far.connected()).toBe(true)
    const early = bus()
    await early.close()
    expect(early.connected()).toBe(false)
  })
})

/** Marks of `settled` reach listeners too, but are none of the suite's business. */
const withoutMarks =
  (far: Bus): Bus['subscribe'] =>
  (listener) =>
    far.subscribe((signal) => {
      if (signal.kind !== 'call' || !/0[1-9]\d{6}$/.test(signal.id)) listener(signal)
    })
