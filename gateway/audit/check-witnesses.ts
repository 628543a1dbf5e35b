import { GatewayError } from '../core/errors.ts'
import { timedSignature } from '../record/cosignature.ts'
import { type NoteVerifier, parseVerifierKey, readNote, signatureBy } from '../record/signed-note.ts'
import type { Faults } from './faults.ts'

/** Whose cosignatures a checkpoint has to have. */
export interface WitnessPolicy {
  /** Keys of witnesses, `name+keyid+base64`. */
  vkeys: readonly string[]
  /** How many of them; null takes all. */
  needed: number | null
}

export interface WitnessTally {
  needed: number
  cosigned: readonly { name: string; keyId: string; at: string }[]
}

/** Throws BAD_INPUT where a key is none of a witness, or more are needed than named. */
export function readWitnessPolicy({ vkeys, needed }: WitnessPolicy): { keys: readonly NoteVerifier[]; needed: number } {
  const keys = vkeys.map(parseVerifierKey)
  for (const [at, key] of keys.entries()) {
    if (key.type !== 'cosignature')
      throw new GatewayError('BAD_INPUT', `\`${key.name}\` is the key of a log, not that of a witness (C2SP tlog-cosignature)`)
    // One key under two names would be counted as two witnesses.
    if (keys.findIndex((other) => publicKeyOf(other) === publicKeyOf(key)) !== at)
      throw new GatewayError('BAD_INPUT', `the key of witness \`${key.name}\` is given twice`)
  }
  if (needed !== null && needed > keys.length)
    throw new GatewayError('BAD_INPUT', `${needed} witnesses are needed, and the keys of ${keys.length} are given`)
  return { keys, needed: needed ?? keys.length }
}

const publicKeyOf = ({ vkey }: NoteVerifier): string => vkey.split('+').slice(2).join('+')

/** The witnesses that cosigned a checkpoint; fewer than are needed is a fault, and so is a cosignature of one of them that does not verify. */
export function checkWitnesses(note: string, policy: WitnessPolicy, faults: Faults): WitnessTally | null {
  if (policy.vkeys.length === 0) return null
  const { keys, needed } = readWitnessPolicy(policy)
  const cosigned: WitnessTally['cosigned'][number][] = []
  const without: string[] = []
  for (const key of keys) {
    const at = cosignedAt(key, note, faults)
    if (at === undefined) without.push(key.name)
    else cosigned.push({ name: key.name, keyId: key.keyId, at })
  }
  if (cosigned.length < needed)
    faults.add('witness', null, `${cosigned.length} of the ${needed} witnesses that are needed cosigned it: ${without.join(', ')} did not`)
  return { needed, cosigned }
}

function cosignedAt(key: NoteVerifier, note: string, faults: Faults): string | undefined {
  try {
    const { text, signatures } = readNote(note)
    const timed = timedSignature(signatureBy(key, text, signatures)?.bytes ?? new Uint8Array())
    return timed && new Date(timed.seconds * 1_000).toISOString()
  } catch (error) {
    faults.add('witness', null, error instanceof Error ? error.message : String(error))
    return undefined
  }
}
