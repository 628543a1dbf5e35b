import { readFile } from 'node:fs/promises'
import { GatewayError } from '../core/errors.ts'

/** Whether an argument is a verifier key itself, not the name of a file. */
export const isKey = (text: string): boolean => /^[^\s+]+\+[0-9a-f]{8}\+/.test(text)

/** Verifier keys of an argument: the key itself, or those in a file, one a line. Throws BAD_INPUT. */
export const keysIn = async (given: string): Promise<readonly string[]> =>
  isKey(given) ? [given] : (await textOf(given, 'file of keys')).split('\n').filter((line) => line.trim() !== '')

/** Text of a file that an argument names. Throws BAD_INPUT. */
export const textOf = (file: string, what: string): Promise<string> =>
  readFile(file, 'utf8').catch((cause: unknown) => {
    throw new GatewayError('BAD_INPUT', `the ${what} \`${file}\` cannot be read`, { cause })
  })
