import type { PolicySets } from '../ports/policy-sets.ts'
import type { CountedSeries } from '../ports/recorder.ts'

/** Keeps a set that has no texts and makes it the active one: what intents in tests of everything else are decided on. */
export async function activateEmptySet(sets: PolicySets, hash: string, series: readonly CountedSeries[] = []): Promise<void> {
  await sets.keep({ hash, whole: null, files: [], facts: null, policies: [] })
  await sets.activate({
    ...{ policySet: hash, base: null, source: 'files', rollBack: false, by: 'gatehouse' },
    ...{ reviewer: null, why: null, proposal: null, filesDigest: null, series },
  })
}
