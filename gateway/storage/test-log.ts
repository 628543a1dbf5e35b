import { randomBytes } from 'node:crypto'
import { noteSigner } from '../record/signed-note.ts'

/** The log of a test store: a database has one log, by one key. */
export const testSigner = noteSigner('gatehouse/test', randomBytes(32))
