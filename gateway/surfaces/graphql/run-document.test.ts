import { expect, test } from 'vitest'
import { MemoryCalls, operation } from './fixture-memory-calls.ts'
import { DocumentRun } from './run-document.ts'

const pay = operation('erp.pay', 'write', {})
const drop = operation('erp.drop', 'write', {})
const request = { query: '', operationName: null, variables: {}, readOnly: false, asserted: {}, waitMs: 0 }

async function planned(...keys: string[]) {
  const calls = new MemoryCalls([pay, drop], { agent: ['erp.pay', 'erp.drop'] })
  const run = new DocumentRun(calls, await calls.authenticate('Bearer agent'), request, new AbortController().signal, '')
  await run.admitAll(keys.map((responseKey) => ({ responseKey, operation: pay, input: {} })))
  return { calls, run, invoke: run.context().invoke }
}

test.each([
  ['a key that was not planned', ['a'], pay, 'b'],
  ['another operation than was decided', ['a'], drop, 'a'],
  ['another operation than was decided, among several', ['a', 'b'], drop, 'b'],
  ['nothing planned', [], pay, 'a'],
] as const)('nothing runs for %s', async (_title, keys, asked, key) => {
  const { calls, invoke } = await planned(...keys)
  await expect(invoke(asked, key)).rejects.toThrow('no admitted call')
  expect(calls.events.filter((event) => event.startsWith('run'))).toEqual([])
})

test.each([[['a']], [['a', 'b']]])('a planned key runs once: %j', async (keys) => {
  const { calls, invoke } = await planned(...keys)
  await invoke(pay, 'a')
  await expect(invoke(pay, 'a')).rejects.toThrow('no admitted call')
  expect(calls.events.filter((event) => event.startsWith('run'))).toEqual(['run erp.pay'])
})

test('what was admitted and never ran is given up once', async () => {
  const { calls, run, invoke } = await planned('a', 'b', 'c')
  await invoke(pay, 'b')
  await run.abandonRest()
  await run.abandonRest()
  expect(calls.events.slice(3)).toEqual(['run erp.pay', 'abandon erp.pay', 'abandon erp.pay'])
  await expect(invoke(pay, 'a')).rejects.toThrow('no admitted call')
})

test('the calls of a document share one wait: what one used up is gone for the next', async () => {
  const calls = new MemoryCalls([pay, drop], { agent: ['erp.pay', 'erp.drop'] })
  const run = new DocumentRun(calls, await calls.authenticate('Bearer agent'), { ...request, waitMs: 20 }, new AbortController().signal, '')
  await run.admitAll(['a', 'b'].map((responseKey) => ({ responseKey, operation: pay, input: {} })))
  await expect.poll(() => calls.asked.map(({ waitMs }) => waitMs)).toEqual([0, 0])
})
