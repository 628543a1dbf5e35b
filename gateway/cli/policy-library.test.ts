import { Writable } from 'node:stream'
import { expect, test } from 'vitest'
import { createOutput } from './output.ts'
import { listLibrary } from './policy-library.ts'

async function listed(json: boolean, name?: string): Promise<string> {
  let printed = ''
  const stream = new Writable({
    write(chunk, _encoding, done) {
      printed += String(chunk)
      done()
    },
  })
  await listLibrary(createOutput(json, stream, stream), name)
  return printed
}

test('a rule is listed with what it has to be told', async () => {
  expect(await listed(false, 'cooling-off')).toBe(`cooling-off
  Nothing is done with an object for a while after it was changed, whoever changed it.
  operations  what has to wait (list of operations)
  object      where their arguments name the object (pointer into the arguments)
  changes     what counts as a change, and where the arguments of that name the object (map of operations to pointers into their arguments)
  window      how long to wait, at most 365d (duration)
  approval    who may let it through; without it the call is refused (name of an approval; may be left out)
`)
})

test('all of them, for people and for programs', async () => {
  expect((await listed(false)).match(/^[a-z-]+$/gm)).toContain('working-hours')
  const rules: unknown = JSON.parse(await listed(true))
  expect(rules).toContainEqual(
    expect.objectContaining({ rule: 'autonomy', about: 'What an agent may do on its own grows with its autonomy.' }),
  )
  expect(rules).toHaveLength((await listed(false)).split('\n\n').length)
})

test('a rule that there is not is refused', async () => {
  await expect(listed(false, 'amount-kap')).rejects.toThrow('the library has no rule `amount-kap`: it has amount-cap, ')
})
