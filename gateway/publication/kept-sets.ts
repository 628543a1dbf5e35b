import { createHash } from 'node:crypto'
import { GatewayError } from '../core/errors.ts'
import { LIMITS } from '../limits.ts'
import type { PolicySets, RecordedPolicySet, StoredPolicySet } from '../ports/policy-sets.ts'
import type { Log } from '../ports/telemetry.ts'

/** What of a stored set is not what its name or the record covers, in words; undefined where all is. */
export interface SetComparison {
  /** With the text whose SHA-256 is the set's hash. */
  withWhole(set: StoredPolicySet, whole: string): string | undefined
  /** With the hashes that an entry has of its policies: for a set of before whole texts were kept. Its declared facts stay without proof. */
  withActivation(set: StoredPolicySet, texts: Readonly<Record<string, string>>): string | undefined
}

export interface KeptSetsOptions {
  compare: SetComparison
  log: Log
  /** Told each time. */
  onAltered(): void
}

/**
 * The same policy sets, none of which is handed out with other texts than those that its hash covers: who can write to the database cannot make policy.
 * `set`, `text` and `whole` throw RECORD_ALTERED where it has.
 */
export function provenSets(sets: PolicySets, { compare, log, onAltered }: KeptSetsOptions): PolicySets {
  const proven = new WeakSet<StoredPolicySet>()
  const altered = (hash: string, why: string): GatewayError => {
    onAltered()
    log.error({ policySet: hash, why }, 'a policy set in the database is not what its hash covers: somebody altered it')
    return new GatewayError('RECORD_ALTERED', `the policy set \`${hash.slice(0, 12)}\` in the database is not what its hash covers: ${why}`)
  }
  const whole = async (hash: string): Promise<string | undefined> => {
    const text = await sets.whole(hash)
    if (text !== undefined && createHash('sha256').update(text).digest('hex') !== hash) throw altered(hash, 'its whole text is another')
    return text
  }
  const faultOf = async (stored: StoredPolicySet): Promise<string | undefined> => {
    const text = await whole(stored.hash)
    if (text !== undefined) return compare.withWhole(stored, text)
    const said = await sets.activatedTexts(stored.hash)
    return said ? compare.withActivation(stored, said) : 'neither its whole text nor an entry about it is kept'
  }
  const set = async (hash: string): Promise<StoredPolicySet | undefined> => {
    const stored = await sets.set(hash)
    if (!stored || proven.has(stored)) return stored
    const why = await faultOf(stored)
    if (why !== undefined) throw altered(hash, why)
    proven.add(stored)
    return stored
  }
  return {
    ...sets,
    whole,
    set,
    text: async (hash, policyId) => (await set(hash))?.policies.find(({ id }) => id === policyId),
  }
}

/**
 * Why the set that binds is not the one that the record says was activated last; undefined where it is. Clocks of replicas may differ, so the last ones
 * within `LIMITS.clockSkewMsMax` count.
 */
export function unrecordedSet({ policySet, named, removed }: RecordedPolicySet): string | undefined {
  const [newest] = named
  if (!newest) return policySet === null || removed ? undefined : 'no entry of the record says that it was activated'
  const last = named.filter(({ at }) => at >= newest.at - LIMITS.clockSkewMsMax)
  if (last.some((entry) => entry.policySet === policySet)) return undefined
  return `the record says that \`${newest.policySet.slice(0, 12)}\` was activated last, at ${new Date(newest.at).toISOString()}`
}
