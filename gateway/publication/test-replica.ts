import { createDecider } from '../../policies/engine/decider.ts'
import { acme, source } from '../../policies/engine/test-organisation.ts'
import { comparisonBeside } from '../open-policies.ts'
import { createInProcessBus } from '../bus/in-process.ts'
import { type Clock, instant } from '../core/clock.ts'
import type { Catalogue } from '../core/operation.ts'
import type { Decider } from '../ports/decider.ts'
import type { ActivePolicySet, PolicySets, PolicySetTexts } from '../ports/policy-sets.ts'
import { openStorage, type Storage } from '../storage/open-storage.ts'
import type { TestDatabase } from '../storage/test-databases.ts'
import { provenSets } from './kept-sets.ts'
import { LivePolicies } from './live-policies.ts'
import { openingSet, type PolicyChanges } from './opening-set.ts'
import { keepSet, sourceOf } from './texts.ts'

const clock: Clock = { now: () => instant(Date.now()) }

/** Texts of `org.cedar`, and of connectors by their names. */
export const texts = (by: Readonly<Record<string, string>>): PolicySetTexts => ({ files: source(by).files, facts: null })

/** One process over a database: storage, and policies as a gateway opens and follows them. */
export interface Replica {
  storage: Storage
  policies: LivePolicies
  sets: PolicySets
  logged: { level: string; words: string }[]
  /** What `onActive` was told. */
  seen: ActivePolicySet[]
  compiled: PolicySetTexts[]
  /** Publishes as a review would, from this replica. */
  publish(texts: PolicySetTexts): Promise<Decider>
  close(): Promise<void>
}

export interface ReplicaOptions {
  database: TestDatabase
  files: PolicySetTexts
  changes?: PolicyChanges
  catalogue?: Catalogue
}

export async function openReplica({ database, files, changes = 'files', catalogue = acme }: ReplicaOptions): Promise<Replica> {
  const logged: Replica['logged'] = []
  const compiled: PolicySetTexts[] = []
  const seen: ActivePolicySet[] = []
  const say =
    (level: string) =>
    (_facts: Readonly<Record<string, unknown>>, words: string): void =>
      void logged.push({ level, words })
  const log = { info: say('info'), warn: say('warn'), error: say('error') }
  const bus = createInProcessBus()
  const storage = await openStorage({ ...database.options, clock, bus })
  const decider = (texts: PolicySetTexts): Decider => createDecider(sourceOf(source({}, catalogue), texts))
  const sets = provenSets(storage.policySets, { compare: comparisonBeside({ catalogue }), log, onAltered: () => undefined })
  try {
    const opened = await openingSet({ sets, changes, files, compile: decider, seriesOf: () => [], log })
    const compile = async (texts: PolicySetTexts): Promise<Decider> => {
      compiled.push(texts)
      return decider(texts)
    }
    const policies = new LivePolicies({ sets, decider: opened, compile, bus, log })
    policies.onActive((active) => void seen.push(active))
    return {
      ...{ storage, policies, sets, logged, seen, compiled },
      async publish(texts) {
        const made = decider(texts)
        await keepSet(sets, made, texts)
        const { policySet: base } = await sets.active()
        const whole = {
          policySet: made.policySet,
          base,
          rollBack: false,
          by: 'sam',
          reviewer: null,
          why: null,
          proposal: null,
          filesDigest: null,
          series: [],
        }
        await sets.activate({ ...whole, source: 'files' })
        return made
      },
      async close() {
        await policies.close()
        await storage.close()
      },
    }
  } catch (error) {
    await storage.close()
    throw error
  }
}
