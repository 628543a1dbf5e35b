import { GatewayError } from '../core/errors.ts'
import type { Decider } from '../ports/decider.ts'
import type { ActivePolicySet, PolicySets, PolicySetTexts, StoredPolicySet } from '../ports/policy-sets.ts'
import type { CountedSeries } from '../ports/recorder.ts'
import type { Log } from '../ports/telemetry.ts'
import { unrecordedSet } from './kept-sets.ts'
import { GATEWAY, keepSet, textsDigest } from './texts.ts'

/** Where policies change: `files` follow edits, `review` seeds an empty record only. */
export type PolicyChanges = 'files' | 'review'

export interface Opening {
  sets: PolicySets
  changes: PolicyChanges
  /** The policy files as they are now. */
  files: PolicySetTexts
  /** Throws CONFIG_INVALID. */
  compile(texts: PolicySetTexts): Decider
  /** What the set counts. */
  seriesOf(decider: Decider): readonly CountedSeries[]
  log: Log
}

/**
 * The decider to start with, its set kept and active. Files that were not edited since they were last taken over leave alone what was published or
 * rolled back meanwhile; its texts are compiled against today's operations. Throws CONFIG_INVALID, RECORD_ALTERED where the database was, UNAVAILABLE.
 */
export async function openingSet(opening: Opening): Promise<Decider> {
  const { sets, changes, files, log } = opening
  await refuseUnrecorded(sets)
  const active = await sets.active()
  const digest = textsDigest(files)
  const edited = digest !== active.filesDigest
  const replaced = changes === 'files' && edited
  const stored = active.policySet === null || replaced ? undefined : await storedSet(sets, active.policySet)
  if (stored && changes === 'review' && edited)
    log.warn(
      { policySet: stored.hash },
      'the policy files are not what is active and change nothing: propose them with `gatehouse policy propose`',
    )
  if (stored) return await reopen(opening, stored, digest)
  const decider = opening.compile(files)
  await activate(opening, decider, files, { active, source: 'files', digest })
  return decider
}

/** Throws RECORD_ALTERED where another set binds than the one that was activated last: nobody reviewed that. */
async function refuseUnrecorded(sets: PolicySets): Promise<void> {
  const recorded = await sets.recorded()
  const why = unrecordedSet(recorded)
  if (why === undefined) return
  const set = recorded.policySet?.slice(0, 12) ?? 'none'
  throw new GatewayError(
    'RECORD_ALTERED',
    `the database has \`${set}\` as the active policy set (\`gateway_state.policy_set\`), and ${why}: somebody altered it; put back what the record says`,
  )
}

async function storedSet(sets: PolicySets, hash: string): Promise<StoredPolicySet> {
  try {
    const stored = await sets.set(hash)
    if (stored) return stored
    throw new GatewayError('RECORD_ALTERED', `the active policy set \`${hash.slice(0, 12)}\` is not in the database`)
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'RECORD_ALTERED') throw error
    const remedy =
      'put its row of `policy_set` back from a backup, or set `policyChanges: files`, edit the policy files to what shall be in force, and start again'
    throw new GatewayError('RECORD_ALTERED', `${error.message}: ${remedy}`, { cause: error })
  }
}

async function reopen(opening: Opening, stored: PolicySetTexts & { hash: string }, digest: string): Promise<Decider> {
  const decider = compileStored(opening, stored, digest)
  if (decider.policySet !== stored.hash) {
    if ((await opening.sets.whole(stored.hash)) === undefined) throw unproven(stored.hash)
    const active = await opening.sets.active()
    await activate(opening, decider, stored, { active, source: 'connectors', digest: null })
  } else {
    // A set from before whole texts were kept gets its own.
    await keepSet(opening.sets, decider, stored)
    await opening.sets.count(stored.hash, opening.seriesOf(decider))
  }
  return decider
}

/** Of a set of before whole texts were kept, which compiles to another one: its operations changed, or its declared facts did. */
function unproven(hash: string): GatewayError {
  const remedy = 'start once with the connectors of before, or edit the policy files'
  const why = 'its whole text is not kept, and so nobody can tell whether connectors changed or the database was altered'
  return new GatewayError('RECORD_ALTERED', `the active policy set \`${hash.slice(0, 12)}\` compiles to another one: ${why}: ${remedy}`)
}

/** Texts that are not those of the files say where they come from, since nobody finds their lines on disk. */
function compileStored({ compile, changes }: Opening, stored: PolicySetTexts & { hash: string }, digest: string): Decider {
  try {
    return compile(stored)
  } catch (error) {
    if (!(error instanceof GatewayError) || textsDigest(stored) === digest) throw error
    const remedy = changes === 'files' ? 'put them back, or edit the policy files' : 'put them back, and propose policies that fit both'
    const message = `the active policy set \`${stored.hash.slice(0, 12)}\` was published and no longer fits the connectors: ${remedy}: ${error.message}`
    throw new GatewayError('CONFIG_INVALID', message, { cause: error, faults: error.faults })
  }
}

async function activate(
  { sets, seriesOf }: Opening,
  decider: Decider,
  texts: PolicySetTexts,
  { active, source, digest }: { active: ActivePolicySet; source: 'files' | 'connectors'; digest: string | null },
): Promise<void> {
  await keepSet(sets, decider, texts)
  const { policySet } = decider
  const series = seriesOf(decider)
  const base = active.policySet
  const nobody = { reviewer: null, why: null, proposal: null }
  const done = await sets.activate({ policySet, base, source, rollBack: false, by: GATEWAY, ...nobody, filesDigest: digest, series })
  if (done.kind === 'same' && digest !== null && digest !== active.filesDigest) await sets.tookFiles(digest)
}
