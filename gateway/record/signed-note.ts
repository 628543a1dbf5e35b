import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import type { Instant } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import { cosignatureBytes, cosignedText, timedSignature } from './cosignature.ts'

/** What a key signs: the text itself, as logs do, or the text with a time, as witnesses do (C2SP tlog-cosignature). */
export type SignatureType = 'note' | 'cosignature'

/** A key that notes are checked with (C2SP signed-note: Ed25519, types 0x01 and 0x04). */
export interface NoteVerifier {
  name: string
  type: SignatureType
  /** Eight hexadecimal digits. */
  keyId: string
  /** As text: `name+keyid+base64(type || key)`. */
  vkey: string
  verify(text: string, signature: Uint8Array): boolean
}

export interface NoteSigner extends NoteVerifier {
  sign(text: string): Uint8Array
}

/** The key of a witness. */
export interface Cosigner extends NoteVerifier {
  /** The line that it adds to a checkpoint with this text, without its newline. */
  cosign(text: string, at: Instant): string
}

const TYPES: Readonly<Record<SignatureType, number>> = { note: 1, cosignature: 4 }
const KEY_BYTES = 32
const SIGNATURE_BYTES = 64
/** DER of a SubjectPublicKeyInfo, up to the 32 bytes of an Ed25519 key (RFC 8410 section 4). */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
/** The format asks for 16 at least; a note of a log with witnesses has few. */
const SIGNATURES_MAX = 64

const SEPARATOR = '\n\n'
const isName = (name: string): boolean => name !== '' && !/[\s+\p{Z}]/u.test(name)

function verifierOn(name: string, type: SignatureType, key: Uint8Array): NoteVerifier {
  const publicKey = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, key]), format: 'der', type: 'spki' })
  const typed = Buffer.concat([Uint8Array.of(TYPES[type]), key])
  const keyId = createHash('sha256').update(`${name}\n`).update(typed).digest('hex').slice(0, 8)
  const verifyPlain = (text: string, signature: Uint8Array): boolean =>
    signature.length === SIGNATURE_BYTES && verify(null, Buffer.from(text), publicKey, signature)
  const verifyTimed = (text: string, bytes: Uint8Array): boolean => {
    const timed = timedSignature(bytes)
    return timed !== undefined && verifyPlain(cosignedText(text, timed.seconds), timed.signature)
  }
  return {
    ...{ name, type, keyId, vkey: `${name}+${keyId}+${typed.toString('base64')}` },
    verify: type === 'note' ? verifyPlain : verifyTimed,
  }
}

/** The key pair of an Ed25519 seed of 32 bytes (RFC 8032 section 5.1.5), named. */
function keyPair(name: string, type: SignatureType, seed: Uint8Array) {
  if (!isName(name)) throw new GatewayError('CONFIG_INVALID', `\`${name}\` cannot name a key: it has a space or a plus, or is empty`)
  const privateKey: KeyObject = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' })
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  const signBytes = (text: string): Uint8Array => sign(null, Buffer.from(text), privateKey)
  return { verifier: verifierOn(name, type, spki.subarray(spki.length - KEY_BYTES)), sign: signBytes }
}

/** Signs as the log `name`. Throws CONFIG_INVALID. */
export function noteSigner(name: string, seed: Uint8Array): NoteSigner {
  const { verifier, sign: signBytes } = keyPair(name, 'note', seed)
  return { ...verifier, sign: signBytes }
}

/** Cosigns as the witness `name`. Throws CONFIG_INVALID. */
export function cosigner(name: string, seed: Uint8Array): Cosigner {
  const { verifier, sign: signBytes } = keyPair(name, 'cosignature', seed)
  return {
    ...verifier,
    cosign(text, at) {
      const seconds = Math.floor(at / 1_000)
      return signatureLine(verifier, cosignatureBytes({ seconds, signature: signBytes(cosignedText(text, seconds)) }))
    },
  }
}

/** Reads `name+keyid+base64`. Throws BAD_INPUT where the text is no such key, or its id is not that of the key. */
export function parseVerifierKey(vkey: string): NoteVerifier {
  const [, name = '', keyId = '', encoded = ''] = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)$/.exec(vkey.trim()) ?? []
  const bytes = Buffer.from(encoded, 'base64')
  const key = bytes.subarray(1)
  const type = (Object.keys(TYPES) as SignatureType[]).find((each) => TYPES[each] === bytes[0])
  if (!isName(name) || !type || key.length !== KEY_BYTES || bytes.toString('base64') !== encoded)
    throw new GatewayError('BAD_INPUT', `\`${vkey.slice(0, 120)}\` is no verifier key of an Ed25519 signed note`)
  const verifier = verifierOn(name, type, key)
  if (verifier.keyId !== keyId)
    throw new GatewayError('BAD_INPUT', `the key id of \`${name}\` is ${keyId}, but its key has ${verifier.keyId}`)
  return verifier
}

const LINE = /^\u2014 ([^\s+\p{Z}]+) ([A-Za-z0-9+/]+=*)$/u

const signatureLine = ({ name, keyId }: NoteVerifier, signature: Uint8Array): string =>
  `\u2014 ${name} ${Buffer.concat([Buffer.from(keyId, 'hex'), signature]).toString('base64')}`

/** The note of a text, which ends in a newline and holds no other control characters. */
export const signNote = (text: string, signers: readonly NoteSigner[]): string =>
  withSignatures(
    `${text}\n`,
    signers.map((signer) => signatureLine(signer, signer.sign(text))),
  )

/** Adds the lines of other signatures, as they stand, to a note. */
export const withSignatures = (note: string, lines: readonly string[]): string => note + lines.map((line) => `${line}\n`).join('')

/** A signature of a note, which nobody has checked. */
export interface NoteSignature {
  name: string
  keyId: string
  bytes: Uint8Array
  /** As it stands, without its newline. */
  line: string
}

const isOf = ({ name, keyId }: NoteSignature, key: NoteVerifier): boolean => key.name === name && key.keyId === keyId

/** A note taken apart: nothing of it is to be believed yet. Throws BAD_INPUT. */
export function readNote(note: string): { text: string; signatures: readonly NoteSignature[] } {
  if (/(?!\n)\p{Cc}|\ufffd/u.test(note)) throw malformed('it holds control characters, or is no UTF-8')
  const end = note.lastIndexOf(SEPARATOR)
  if (end < 0 || !note.endsWith('\n')) throw malformed('no blank line parts text and signatures')
  const lines = note.slice(end + SEPARATOR.length, -1).split('\n')
  if (lines.length > SIGNATURES_MAX) throw malformed(`it has more than ${SIGNATURES_MAX} signatures`)
  return { text: note.slice(0, end + 1), signatures: lines.map(readSignature) }
}

/** Reads a line of a signature. Throws BAD_INPUT. */
export function readSignature(line: string): NoteSignature {
  const [, name, encoded = ''] = LINE.exec(line) ?? []
  const bytes = Buffer.from(encoded, 'base64')
  if (name === undefined || bytes.length < 5 || bytes.toString('base64') !== encoded) throw malformed('a signature line is malformed')
  return { name, keyId: bytes.toString('hex', 0, 4), bytes: bytes.subarray(4), line }
}

/** A signature that verifies. */
export interface KnownSignature extends NoteSignature {
  by: NoteVerifier
}

/** The signature of this key under a text; undefined where it has none. Throws BAD_INPUT where it does not verify. */
export function signatureBy(key: NoteVerifier, text: string, signatures: readonly NoteSignature[]): KnownSignature | undefined {
  const own = signatures.filter((signature) => isOf(signature, key))
  if (own.some(({ bytes }) => !key.verify(text, bytes))) throw malformed(`the signature of \`${key.name}\` does not verify`)
  return own[0] && { ...own[0], by: key }
}

/**
 * Opens a note by the keys that are trusted. Signatures of unknown keys are passed over; one of a known key that does not verify refuses the whole note,
 * and so does a note that no known key signed (C2SP signed-note, "Signatures"). Throws BAD_INPUT.
 */
export function openNote(note: string, known: readonly NoteVerifier[]): { text: string; signatures: readonly KnownSignature[] } {
  const { text, signatures } = readNote(note)
  const opened = known.flatMap((key) => signatureBy(key, text, signatures) ?? [])
  if (opened.length === 0) throw malformed('no trusted key signed it')
  return { text, signatures: opened }
}

const malformed = (why: string): GatewayError => new GatewayError('BAD_INPUT', `this is no valid signed note: ${why}`)
