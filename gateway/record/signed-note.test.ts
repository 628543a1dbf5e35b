import { execFileSync } from 'node:child_process'
import { createPublicKey, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openCheckpoint, parseCheckpointText, signCheckpoint } from './checkpoint.ts'
import { EMPTY_ROOT, leafHash, nodeHash } from './merkle.ts'
import { noteSigner, openNote, parseVerifierKey, signNote } from './signed-note.ts'
import { formatProof, verifyProof } from './tlog-proof.ts'

// The published example of golang.org/x/mod/sumdb/note: a verifier key and a note that its code signed.
const FOREIGN_KEY = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'
const FOREIGN_NOTE = `If you think cryptography is the answer to your problem,
then you don't know what your problem is.

\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
`

const signer = noteSigner('log.example', randomBytes(32))
const other = noteSigner('log.example', randomBytes(32))
const witness = noteSigner('witness.example', randomBytes(32))

test('a note that foreign code signed opens, and not with one letter changed', () => {
  const key = parseVerifierKey(FOREIGN_KEY)
  expect(openNote(FOREIGN_NOTE, [key]).signatures.map(({ by }) => by)).toEqual([key])
  expect(() => openNote(FOREIGN_NOTE.replace('problem is', 'problem was'), [key])).toThrow('does not verify')
})

test('openssl verifies what we sign', () => {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-note-'))
  try {
    const note = signCheckpoint({ origin: 'log.example', size: 0, root: EMPTY_ROOT }, [signer])
    const [text = '', line = ''] = note.split('\n\n')
    const key = Buffer.from(signer.vkey.split('+').slice(2).join('+'), 'base64').subarray(1)
    const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), key])
    writeFileSync(
      join(folder, 'key.pem'),
      createPublicKey({ key: spki, format: 'der', type: 'spki' }).export({ format: 'pem', type: 'spki' }),
    )
    writeFileSync(join(folder, 'text'), `${text}\n`)
    writeFileSync(join(folder, 'signature'), Buffer.from(line.trim().split(' ')[2] ?? '', 'base64').subarray(4))
    const said = execFileSync(
      'openssl',
      ['pkeyutl', '-verify', '-pubin', '-inkey', 'key.pem', '-rawin', '-in', 'text', '-sigfile', 'signature'],
      {
        cwd: folder,
        encoding: 'utf8',
      },
    )
    expect(said).toContain('Signature Verified Successfully')
  } finally {
    rmSync(folder, { recursive: true })
  }
})

const text = 'some text\n\nwith an empty line\n'
const note = signNote(text, [signer, witness])

test('the text ends at the last empty line', () => {
  expect(openNote(note, [signer]).text).toBe(text)
  expect(openNote(note, [signer]).signatures.map(({ by }) => by)).toEqual([signer])
  expect(openNote(note, [witness, signer]).signatures.map(({ by }) => by)).toEqual([witness, signer])
})

test.each([
  ['nobody known signed it', note, [other]],
  ['a line was added to the text', `added\n${note}`, [signer]],
  ['a known key did not sign this', note.replace(/(— witness\.example .{12})./, '$1A'), [witness, signer]],
  ['the last newline is gone', note.slice(0, -1), [signer]],
  ['there is no empty line', note.replaceAll('\n\n', '\n'), [signer]],
  ['a signature line is none', `${note}not a signature\n`, [signer]],
  ['it has a control character', note.replace('some', 'so\u0000me'), [signer]],
  ['it has a carriage return', note.replaceAll('\n', '\r\n'), [signer]],
  ['there are more signatures than anybody needs', note + (note.split('\n').at(-2) ?? '').concat('\n').repeat(64), [signer]],
] as const)('refused: %s', (_why, given, known) => {
  expect(() => openNote(given, known)).toThrow('no valid signed note')
})

test.each([
  ['another key id', FOREIGN_KEY.replace('c74f20a3', 'c74f20a4')],
  ['another name', FOREIGN_KEY.replace('Peter', 'Petra')],
  ['a shorter key', FOREIGN_KEY.slice(0, -4)],
  ['another algorithm', FOREIGN_KEY.replace('+AR', '+BR')],
  ['nothing', ''],
] as const)('no verifier key: %s', (_why, key) => {
  expect(() => parseVerifierKey(key)).toThrow()
})

test('a signer tells its verifier key', () => {
  expect(openNote(note, [parseVerifierKey(signer.vkey)]).text).toBe(text)
})

test.each([
  '',
  'log.example\n',
  'log.example\n01\n',
  `log.example\n-1\n${'A'.repeat(43)}=\n`,
  `log.example\n1\n${'A'.repeat(42)}\n`,
  `\n1\n${'A'.repeat(43)}=\n`,
])('no checkpoint: %j', (given) => {
  expect(() => parseCheckpointText(given)).toThrow('no checkpoint')
})

test('a proof shows one entry in one log', () => {
  const [a, b] = [leafHash(Buffer.from('a')), leafHash(Buffer.from('b'))]
  const checkpoint = signCheckpoint({ origin: 'log.example', size: 2, root: nodeHash(a, b) }, [signer])
  const proof = formatProof({ index: 1, path: [a], checkpoint })
  expect(verifyProof(proof, b, [signer], 'log.example')).toMatchObject({ index: 1, size: 2 })
  expect(() => verifyProof(proof, a, [signer], 'log.example')).toThrow('not at index 1')
  expect(() => verifyProof(proof.replace('index 1', 'index 0'), b, [signer], 'log.example')).toThrow('not at index 0')
  expect(() => verifyProof(proof, b, [other], 'log.example')).toThrow('no trusted key')
  expect(() => openCheckpoint(checkpoint, [signer], 'log.example/other')).toThrow('not of')
  expect(verifyProof(proof.replace('@v1\n', '@v1\nextra aGVsbG8=\n'), b, [signer], 'log.example').index).toBe(1)
})
