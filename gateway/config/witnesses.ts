import type { WitnessSettings } from '../ports/witness.ts'
import { type NoteVerifier, parseVerifierKey } from '../record/signed-note.ts'
import type { Faults } from './faults.ts'
import { checkReceiver } from './notifications.ts'
import type { GatehouseFile } from './schema.ts'

/** `log.witnesses:`. Two with one name or one key are a fault: they would be taken for two. */
export function readWitnesses(
  { log }: GatehouseFile,
  place: (keys: readonly PropertyKey[]) => string,
  faults: Faults,
): readonly WitnessSettings[] {
  const taken = new Set<string>()
  return log.witnesses.flatMap(({ url, key, egress }, i) => {
    const at = (name: string): string => place(['log', 'witnesses', i, name])
    checkReceiver('checkpoints', url, egress, at('url'), faults)
    if (/[?#]/.test(url)) faults.add(at('url'), 'the address of a witness has neither a query nor a fragment')
    const read = keyOf(key, at('key'), faults)
    if (!read) return []
    const publicKey = read.vkey.split('+').slice(2).join('+')
    if (taken.has(read.name) || taken.has(publicKey)) faults.add(at('key'), `witness \`${read.name}\`, or its key, stands there twice`)
    taken.add(read.name).add(publicKey)
    return [{ name: read.name, vkey: read.vkey, url: url.replace(/\/+$/, ''), egress }]
  })
}

function keyOf(key: string, askedAt: string, faults: Faults): NoteVerifier | undefined {
  try {
    const read = parseVerifierKey(key)
    if (read.type === 'cosignature') return read
    faults.add(askedAt, `\`${read.name}\` is the key of a log: a witness prints its own when it starts`)
  } catch (error) {
    faults.add(askedAt, error instanceof Error ? error.message : String(error))
  }
  return undefined
}
