import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { instant } from '../core/clock.ts'
import { checkpointText, signCheckpoint } from '../record/checkpoint.ts'
import { EMPTY_ROOT, leafHash } from '../record/merkle.ts'
import { type Cosigner, cosigner, noteSigner, withSignatures } from '../record/signed-note.ts'
import { checkWitnesses, type WitnessPolicy } from './check-witnesses.ts'
import { Faults } from './faults.ts'

const log = noteSigner('log.example', randomBytes(32))
const [one, two, three] = ['one', 'two', 'three'].map((name) => cosigner(`${name}.example`, randomBytes(32))) as [
  Cosigner,
  Cosigner,
  Cosigner,
]
const AT = instant(1_790_000_000_900)
const checkpoint = { origin: 'log.example', size: 1, root: leafHash(Buffer.from('a')) }
const text = checkpointText(checkpoint)
const noteOf = (...lines: string[]): string => withSignatures(signCheckpoint(checkpoint, [log]), lines)
const note = noteOf(one.cosign(text, AT), two.cosign(text, AT))
const of = (...keys: { vkey: string }[]): WitnessPolicy => ({ vkeys: keys.map(({ vkey }) => vkey), needed: null })

const checked = (given: string, policy: WitnessPolicy) => {
  const faults = new Faults()
  return { tally: checkWitnesses(given, policy, faults), faults: faults.listed().map(({ what, why }) => `${what}: ${why}`) }
}

test('who cosigned, and when they say that they did', () => {
  const cosigned = [one, two].map(({ name, keyId }) => ({ name, keyId, at: '2026-09-21T14:13:20.000Z' }))
  expect(checked(note, of(one, two))).toEqual({ tally: { needed: 2, cosigned }, faults: [] })
})

test.each<[string, string, WitnessPolicy, string[]]>([
  ['none is asked for', noteOf(), of(), []],
  ['some are enough', note, { ...of(one, two, three), needed: 2 }, []],
  ['one did not', note, of(one, three), ['witness: 1 of the 2 witnesses that are needed cosigned it: three.example did not']],
  ['none did', noteOf(), of(one), ['witness: 0 of the 1 witnesses that are needed cosigned it: one.example did not']],
  [
    'another tree was cosigned',
    noteOf(one.cosign(checkpointText({ ...checkpoint, root: EMPTY_ROOT }), AT)),
    of(one),
    [
      'witness: this is no valid signed note: the signature of `one.example` does not verify',
      'witness: 0 of the 1 witnesses that are needed cosigned it: one.example did not',
    ],
  ],
  [
    'the time was changed',
    noteOf(one.cosign(text, AT).replace(/ (\S+)$/, (_, encoded: string) => ` ${later(encoded)}`)),
    of(one),
    [
      'witness: this is no valid signed note: the signature of `one.example` does not verify',
      'witness: 0 of the 1 witnesses that are needed cosigned it: one.example did not',
    ],
  ],
  [
    'there is no time',
    noteOf(one.cosign(text, instant(0))),
    of(one),
    [
      'witness: this is no valid signed note: the signature of `one.example` does not verify',
      'witness: 0 of the 1 witnesses that are needed cosigned it: one.example did not',
    ],
  ],
  [
    'another key of the name did',
    noteOf(cosigner('one.example', randomBytes(32)).cosign(text, AT)),
    of(one),
    ['witness: 0 of the 1 witnesses that are needed cosigned it: one.example did not'],
  ],
])('%s', (_title, given, policy, faults) => {
  expect(checked(given, policy).faults).toEqual(faults)
})

function later(encoded: string): string {
  const bytes = Buffer.from(encoded, 'base64')
  bytes.writeUInt8(bytes.readUInt8(11) ^ 1, 11)
  return bytes.toString('base64')
}

const seed = randomBytes(32)
test.each<[string, WitnessPolicy, RegExp]>([
  ['the key of a log', of(log), /the key of a log/],
  ['one key under two names', of(cosigner('a.example', seed), cosigner('b.example', seed)), /given twice/],
  ['more than there are', { ...of(one), needed: 2 }, /2 witnesses are needed/],
  ['no key', { vkeys: ['one.example'], needed: null }, /no verifier key/],
])('refused: %s', (_title, policy, why) => {
  expect(() => checked(note, policy)).toThrow(why)
})
