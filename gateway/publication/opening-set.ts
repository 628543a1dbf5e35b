import { GatewayError } from '../core/errors.ts'
import type { Decider } from '../ports/decider.ts'
import type { ActivePolicySet, PolicySets, PolicySetTexts } from '../ports/policy-sets.ts'
import type { CountedSeries } from '../ports/recorder.ts'
import type { Log } from '../ports/telemetry.ts'
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
 * rolled back meanwhile; its texts are compiled against today's operations. Throws CONFIG_INVALID, UNAVAILABLE.
 */
export async function openingSet(opening: Opening): Promise<Decider> {
  const { sets, changes, files, log } = opening
  const active = await sets.active()
  const digest = textsDigest(files)
  const stored = active.policySet === null ? undefined : await sets.set(active.policySet)
  const edited = digest !== active.filesDigest
  if (stored && changes === 'review' && edited)
    log.warn(
      { policySet: stored.hash },
      'the policy files are not what is active and change nothing: propose them with `gatehouse policy propose`',
    )
  if (stored && (changes === 'review' || !edited)) return await reopen(opening, stored, digest)
  const decider = opening.compile(files)
  await activate(opening, decider, files, { active, source: 'files', digest })
  return decider
}

async function reopen(opening: Opening, stored: PolicySetTexts & { hash: string }, digest: string): Promise<Decider> {
  const decider = compileStored(opening, stored, digest)
  if (decider.policySet !== stored.hash) {
    const active = await opening.sets.active()
    await activate(opening, decider, stored, { active, source: 'connectors', digest: null })
  } else {
    // A set from before whole texts were kept gets its own.
    await keepSet(opening.sets, decider, stored)
    await opening.sets.count(stored.hash, opening.seriesOf(decider))
  }
  return decider
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
