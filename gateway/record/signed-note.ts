import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { GatewayError } from '../core/errors.ts'

/** A key that notes are checked with (C2SP signed-note: Ed25519, type 0x01). */
export interface NoteVerifier {
  name: string
  /** Eight hexadecimal digits. */
  keyId: string
  verify(text: string, signature: Uint8Array): boolean
}

export interface NoteSigner extends NoteVerifier {
  /** The verifier's key as text: `name+keyid+base64(0x01 || key)`. */
  vkey: string
  sign(text: string): Uint8Array
}

const ED25519 = 1
const KEY_BYTES = 32
const SIGNATURE_BYTES = 64
/** DER of a SubjectPublicKeyInfo, up to the 32 bytes of an Ed25519 key (RFC 8410 section 4). */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
/** The format asks for 16 at least; a note of a log with witnesses has few. */
const SIGNATURES_MAX = 64

const SEPARATOR = '\n\n'
const isName = (name: string): boolean => name !== '' && !/[\s+\p{Z}]/u.test(name)

const keyIdOf = (name: string, key: Uint8Array): string =>
  createHash('sha256').update(`${name}\n`).update(Uint8Array.of(ED25519)).update(key).digest('hex').slice(0, 8)

function verifierOn(name: string, key: Uint8Array): NoteVerifier {
  const publicKey = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, key]), format: 'der', type: 'spki' })
  return {
    name,
    keyId: keyIdOf(name, key),
    verify: (text, signature) => signature.length === SIGNATURE_BYTES && verify(null, Buffer.from(text), publicKey, signature),
  }
}

/** Signs as `name` with an Ed25519 key given by its 32 bytes of seed (RFC 8032 section 5.1.5). */
export function noteSigner(name: string, seed: Uint8Array): NoteSigner {
  if (!isName(name)) throw new GatewayError('CONFIG_INVALID', `\`${name}\` cannot name a key: it has a space or a plus, or is empty`)
  const privateKey: KeyObject = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' })
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  const key = spki.subarray(spki.length - KEY_BYTES)
  const verifier = verifierOn(name, key)
  const encoded = Buffer.concat([Uint8Array.of(ED25519), key]).toString('base64')
  return { ...verifier, vkey: `${name}+${verifier.keyId}+${encoded}`, sign: (text) => sign(null, Buffer.from(text), privateKey) }
}

/** Reads `name+keyid+base64`. Throws BAD_INPUT where the text is no such key, or its id is not that of the key. */
export function parseVerifierKey(vkey: string): NoteVerifier {
  const [, name = '', keyId = '', encoded = ''] = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)$/.exec(vkey.trim()) ?? []
  const bytes = Buffer.from(encoded, 'base64')
  const key = bytes.subarray(1)
  if (!isName(name) || bytes[0] !== ED25519 || key.length !== KEY_BYTES || bytes.toString('base64') !== encoded)
    throw new GatewayError('BAD_INPUT', `\`${vkey.slice(0, 120)}\` is no verifier key of an Ed25519 signed note`)
  const verifier = verifierOn(name, key)
  if (verifier.keyId !== keyId)
    throw new GatewayError('BAD_INPUT', `the key id of \`${name}\` is ${keyId}, but its key has ${verifier.keyId}`)
  return verifier
}

const LINE = /^\u2014 ([^\s+\p{Z}]+) ([A-Za-z0-9+/]+=*)$/u

const signatureLine = (signer: NoteSigner, text: string): string =>
  `\u2014 ${signer.name} ${Buffer.concat([Buffer.from(signer.keyId, 'hex'), signer.sign(text)]).toString('base64')}\n`

/** The note of a text, which ends in a newline and holds no other control characters. */
export const signNote = (text: string, signers: readonly NoteSigner[]): string =>
  `${text}\n${signers.map((signer) => signatureLine(signer, text)).join('')}`

/** Adds the lines of other signatures, as they stand, to a note. */
export const withSignatures = (note: string, lines: readonly string[]): string => note + lines.map((line) => `${line}\n`).join('')

export interface OpenedNote {
  text: string
  /** The known keys that signed it, each once. */
  signedBy: readonly NoteVerifier[]
}

/**
 * Opens a note by the keys that are trusted. Signatures of unknown keys are passed over; one of a known key that does not verify refuses the whole note,
 * and so does a note that no known key signed (C2SP signed-note, "Signatures"). Throws BAD_INPUT.
 */
export function openNote(note: string, known: readonly NoteVerifier[]): OpenedNote {
  if (/(?!\n)\p{Cc}|\ufffd/u.test(note)) throw malformed('it holds control characters, or is no UTF-8')
  const end = note.lastIndexOf(SEPARATOR)
  if (end < 0 || !note.endsWith('\n')) throw malformed('no blank line parts text and signatures')
  const text = note.slice(0, end + 1)
  const lines = note.slice(end + SEPARATOR.length, -1).split('\n')
  if (lines.length > SIGNATURES_MAX) throw malformed(`it has more than ${SIGNATURES_MAX} signatures`)
  const signedBy: NoteVerifier[] = []
  for (const line of lines) {
    const [, name, encoded = ''] = LINE.exec(line) ?? []
    const bytes = Buffer.from(encoded, 'base64')
    if (name === undefined || bytes.length < 5 || bytes.toString('base64') !== encoded) throw malformed('a signature line is malformed')
    const keyId = bytes.subarray(0, 4).toString('hex')
    const key = known.find((each) => each.name === name && each.keyId === keyId)
    if (!key) continue
    if (!key.verify(text, bytes.subarray(4))) throw malformed(`the signature of \`${name}\` does not verify`)
    if (!signedBy.includes(key)) signedBy.push(key)
  }
  if (signedBy.length === 0) throw malformed('no trusted key signed it')
  return { text, signedBy }
}

const malformed = (why: string): GatewayError => new GatewayError('BAD_INPUT', `this is no valid signed note: ${why}`)
