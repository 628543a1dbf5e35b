import { expect, test } from 'vitest'
import type { CallId } from '../core/ids.ts'
import type { Bus, Signal } from '../ports/bus.ts'

const signal: Signal = { kind: 'call', id: 'call_00000000000000000000000001' as CallId }

/** What every adapter of `ports/bus.ts` promises. `settled` resolves once signals published before have reached every listener. */
export function busConformance(open: () => Bus, settled: () => Promise<void>): void {
  test('every listener gets every signal', async () => {
    const bus = open()
    const heard: Signal[][] = [[], []]
    for (const list of heard) bus.subscribe((s) => list.push(s))
    bus.publish(signal)
    bus.publish({ kind: 'agents' })
    await settled()
    expect(heard).toEqual([
      [signal, { kind: 'agents' }],
      [signal, { kind: 'agents' }],
    ])
  })

  test('a listener that throws does not stop the others, nor the publisher', async () => {
    const bus = open()
    const heard: Signal[] = []
    bus.subscribe(() => {
      throw new Error('broken listener')
    })
    bus.subscribe((s) => heard.push(s))
    bus.publish(signal)
    await settled()
    expect(heard).toEqual([signal])
  })

  test('one function subscribed twice hears twice, and ending one subscription (twice) leaves the other', async () => {
    const bus = open()
    let heard = 0
    const listener = (): void => {
      heard++
    }
    const end = bus.subscribe(listener)
    bus.subscribe(listener)
    bus.publish(signal)
    await settled()
    expect(heard).toBe(2)
    end()
    end()
    bus.publish(signal)
    await settled()
    expect(heard).toBe(3)
  })

  test('a listener may end itself while it is called', async () => {
    const bus = open()
    let heard = 0
    const end = bus.subscribe(() => {
      heard++
      end()
    })
    bus.publish(signal)
    bus.publish(signal)
    await settled()
    expect(heard).toBe(1)
  })

  test('publishing to nobody is harmless', () => {
    expect(() => open().publish(signal)).not.toThrow()
  })
}
