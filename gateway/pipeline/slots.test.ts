import { expect, test } from 'vitest'
import { createSlots } from './slots.ts'

const never = new AbortController().signal

test('so many at once for each name; the next goes when one leaves, in order', async () => {
  const slots = createSlots(2)
  const first = await slots.take('a', never)
  await slots.take('a', never)
  await slots.take('b', never)
  const order: number[] = []
  const third = slots.take('a', never).finally(() => order.push(3))
  const fourth = slots.take('a', never).finally(() => order.push(4))
  first?.()
  first?.()
  const leave = await third
  expect(order).toEqual([3])
  leave?.()
  await fourth
  expect(order).toEqual([3, 4])
})

test('who gives up waiting leaves no gap and takes no place', async () => {
  const slots = createSlots(1)
  const leave = await slots.take('a', never)
  const leaving = new AbortController()
  const gone = slots.take('a', leaving.signal)
  const next = slots.take('a', never)
  leaving.abort()
  expect(await gone).toBeNull()
  leave?.()
  expect(await next).toBeTypeOf('function')
  expect(await slots.take('a', AbortSignal.abort())).toBeNull()
})
