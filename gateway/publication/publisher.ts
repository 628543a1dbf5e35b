import { GatewayError } from '../core/errors.ts'
import type { Fault } from '../core/errors.ts'
import type { Decider } from '../ports/decider.ts'
import type { NewActivation, PolicySets, PolicySetTexts } from '../ports/policy-sets.ts'
import type { Publisher, PublishResult } from '../ports/publisher.ts'
import type { CountedSeries } from '../ports/recorder.ts'
import type { LivePolicies } from './live-policies.ts'

export interface PublisherOptions {
  sets: PolicySets
  live: LivePolicies
  examine: Publisher['examine']
  /** Compiles texts apart from what decides. Throws CONFIG_INVALID, UNAVAILABLE. */
  compile(texts: PolicySetTexts): Promise<Decider>
  /** What a set counts. */
  seriesOf(decider: Decider): readonly CountedSeries[]
  fileFaults(): readonly Fault[]
}

/** Publishes by the contract of `Publisher`. */
export function createPublisher(options: PublisherOptions): Publisher {
  const { sets, live, examine, fileFaults } = options
  return {
    examine,
    publish: (activation) => publish(options, activation),
    async status() {
      const { policySet } = await sets.active()
      return { active: policySet, decidesOn: live.decider.policySet, behind: live.behind?.why ?? null, fileFaults: fileFaults() }
    },
  }
}

async function publish(
  { sets, live, compile, seriesOf }: PublisherOptions,
  activation: Omit<NewActivation, 'series'>,
): Promise<PublishResult> {
  const { policySet } = activation
  const stored = await sets.set(policySet)
  if (!stored) return { kind: 'unfit', why: 'its texts are not kept' }
  let decider: Decider
  try {
    decider = await compile(stored)
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'CONFIG_INVALID') throw error
    return { kind: 'unfit', why: error.message }
  }
  if (decider.policySet !== policySet) return { kind: 'unfit', why: 'the connectors changed since it was checked' }
  const result = await sets.activate({ ...activation, series: seriesOf(decider) })
  if (result.kind === 'activated') await live.took(decider)
  return result
}
