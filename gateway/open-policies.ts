import type { KeyObject } from 'node:crypto'
import { basename } from 'node:path'
import { createDecider } from '../policies/engine/decider.ts'
import { KeptSets, textsFault } from '../policies/engine/kept-set.ts'
import { createWorkshop, type Workshop } from '../policies/engine/workshop.ts'
import { type Configuration, loadPolicies, loadPolicyTests } from './config/load.ts'
import { GatewayError } from './core/errors.ts'
import type { OperationId } from './core/ids.ts'
import type { JsonObject } from './core/json.ts'
import { knownOrganisation } from './known-organisation.ts'
import { LIMITS } from './limits.ts'
import { countedSeries } from './pipeline/counted-series.ts'
import type { Bus } from './ports/bus.ts'
import type { Decider, NearMiss } from './ports/decider.ts'
import { isLibraryFile, type PolicySource, type PolicyTests } from './ports/policy-source.ts'
import type { PolicySets, PolicySetTexts } from './ports/policy-sets.ts'
import type { PolicyDrafts } from './ports/policy-drafts.ts'
import type { Publisher } from './ports/publisher.ts'
import type { Simulator } from './ports/simulator.ts'
import type { CountedSeries, Recorder } from './ports/recorder.ts'
import type { Telemetry } from './ports/telemetry.ts'
import { provenSets, type SetComparison } from './publication/kept-sets.ts'
import { LivePolicies } from './publication/live-policies.ts'
import { openingSet } from './publication/opening-set.ts'
import { PolicyFiles } from './publication/policy-files.ts'
import { createPublisher } from './publication/publisher.ts'
import { GATEWAY, keepSet, sourceOf, textsDigest, textsOf } from './publication/texts.ts'

export interface PoliciesOptions {
  configuration: Configuration
  /** The policy files, and what they are compiled against. */
  source: PolicySource
  sets: PolicySets
  /** Names of counters are digests under this key. */
  factKey: KeyObject
  recorder: Pick<Recorder, 'note'>
  bus: Bus
  telemetry: Pick<Telemetry, 'log' | 'count'>
}

/** The policies of a running gateway: what decides, and every way in which that changes. */
export interface RunningPolicies {
  /** None of which is handed out with other texts than its hash covers. */
  sets: PolicySets
  live: LivePolicies
  publisher: Publisher
  simulator: Simulator
  drafts: PolicyDrafts
  /** The tests beside the policy files, as they are now, as a proposal names them. Throws UNAVAILABLE. */
  testFiles(): readonly PolicyTests[]
  /** Follows other processes and edited files from now on. */
  start(): void
  /** Takes over edited policy files now; where changes are reviewed it only says in the log that they differ. */
  reload(): Promise<void>
  /** The near misses of a recorded decision, under the set that made it; null where that set is not kept or no longer fits the operations. */
  nearMisses(policySet: string, operation: OperationId, request: JsonObject): Promise<readonly NearMiss[] | null>
  close(): Promise<void>
}

/** Opens the policy set to start with. Throws CONFIG_INVALID, UNAVAILABLE. */
export async function openPolicies(given: PoliciesOptions): Promise<RunningPolicies> {
  const sets = provenSets(given.sets, {
    compare: comparisonBeside(given.source),
    log: given.telemetry.log,
    onAltered: () => given.telemetry.count('record_altered', { what: 'policy set' }),
  })
  const options = { ...given, sets }
  const { configuration, source, factKey, bus, telemetry } = options
  const { log } = telemetry
  const onFault = (cause: unknown): void => log.error({ cause }, 'the policy engine broke down and was replaced')
  const decider = (texts: PolicySetTexts, checked?: string): Decider =>
    createDecider(sourceOf(source, texts), { onFault, ...(checked === undefined ? {} : { checked }) })
  const { policyChanges: changes } = configuration
  const seriesOf = (made: Decider): readonly CountedSeries[] =>
    countedSeries({ organisation: configuration.organisation, factKey }, made, source.catalogue.operations)
  const opened = await openingSet({ sets, changes, files: textsOf(source), compile: decider, seriesOf, log })
  // Texts that come to a running gateway are tried in the workshop first: what breaks an engine down never meets the one that decides.
  const workshop = createWorkshop()
  // Drafts have one of their own: a long simulation keeps no emergency waiting.
  const drafts = createWorkshop()
  const compile = async (texts: PolicySetTexts): Promise<Decider> => {
    const { policySet } = await workshop.run('check', { source: sourceOf(source, texts) })
    return decider(texts, policySet)
  }
  const organisation = knownOrganisation(configuration)
  const examine: Publisher['examine'] = (texts, tests) => drafts.run('examine', { source: sourceOf(source, texts), tests, organisation })
  const live = new LivePolicies({ sets, decider: opened, compile, bus, log })
  const files = filesOf(options, live, { compile, seriesOf })
  const publisher = createPublisher({ sets, live, compile, examine, seriesOf, fileFaults: () => files.faults })
  return {
    sets,
    live,
    publisher,
    simulator: createSimulator(source, drafts.run.bind(drafts)),
    drafts: {
      inspect: (texts, tests) => drafts.run('inspect', { source: sourceOf(source, texts), tests, organisation }),
      diff: (before, after, agents) => drafts.run('diff', { before: sourceOf(source, before), after: sourceOf(source, after), agents }),
    },
    testFiles: () => testFilesOf(configuration),
    start() {
      live.start()
      if (changes === 'files') files.start()
    },
    async nearMisses(policySet, operation, request) {
      if (live.decider.policySet === policySet) return live.decider.nearMisses(operation, request)
      const texts = await sets.set(policySet)
      if (!texts) return null
      return await drafts.run('nearMisses', { source: sourceOf(source, texts), policySet, operation, request }).catch(unlessUnfit)
    },
    reload: () => (changes === 'files' ? files.reload() : tellDifference(options)),
    async close() {
      await Promise.all([workshop.close(), drafts.close()])
      await files.close()
      await live.close()
    },
  }
}

/** Compares kept sets beside today's operations. */
export function comparisonBeside({ catalogue }: Pick<PolicySource, 'catalogue'>): SetComparison {
  const kept = new KeptSets()
  return { withWhole: (set, whole) => kept.fault(set, whole, catalogue), withActivation: textsFault }
}

type Run = Workshop['run']

/** Tries texts out in the workshop, against what a start would compile them against. */
export function createSimulator(source: PolicySource, run: Run): Simulator {
  return {
    readingFindings: (texts) => run('readingFindings', { source: sourceOf(source, texts) }),
    redecide: ({ draft, against, calls, sets }) =>
      run('redecide', { source: sourceOf(source, draft), against: against && sourceOf(source, against), calls, sets }),
  }
}

/** Of several folders, files of one name are told apart by a number. */
function testFilesOf(configuration: Configuration): PolicyTests[] {
  const seen = new Map<string, number>()
  return readTests(configuration).map(({ path, text }) => {
    const name = basename(path, '.json')
    const before = seen.get(name) ?? 0
    seen.set(name, before + 1)
    return { path: `tests/${name}${before === 0 ? '' : `-${before + 1}`}.json`, text }
  })
}

function readTests(configuration: Configuration): readonly PolicyTests[] {
  try {
    return loadPolicyTests(configuration)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : 'unreadable'
    throw new GatewayError('UNAVAILABLE', `the policy tests cannot be read: ${why}`, { cause })
  }
}

/** Texts that are faulty beside today's operations explain nothing. */
function unlessUnfit(error: unknown): null {
  if (error instanceof GatewayError && error.code === 'CONFIG_INVALID') return null
  throw error
}

/** The files as they are now; the rules of the library as they were configured at the start. */
const readTexts = (configuration: Configuration, source: PolicySource): PolicySetTexts => {
  const { policies, facts } = loadPolicies(configuration)
  return { files: [...policies, ...source.files.filter(isLibraryFile)], facts: facts ?? null }
}

function filesOf(
  { configuration, source, sets, recorder, telemetry }: PoliciesOptions,
  live: LivePolicies,
  { compile, seriesOf }: { compile: (texts: PolicySetTexts) => Promise<Decider>; seriesOf: (decider: Decider) => readonly CountedSeries[] },
): PolicyFiles {
  const { log, count } = telemetry
  return new PolicyFiles({
    folders: configuration.policyFolders,
    async take() {
      const texts = readTexts(configuration, source)
      const filesDigest = textsDigest(texts)
      // Another replica with the same files may have taken them over, and something may have been published since.
      if ((await sets.active()).filesDigest === filesDigest) return
      const decider = await compile(texts)
      await keepSet(sets, decider, texts)
      const what = {
        policySet: decider.policySet,
        series: seriesOf(decider),
        filesDigest,
        base: null,
        source: 'files',
        rollBack: false,
      } as const
      const result = await sets.activate({ ...what, by: GATEWAY, reviewer: null, why: null, proposal: null })
      if (result.kind === 'same') await sets.tookFiles(filesDigest)
      else if (result.kind === 'activated') await live.took(decider)
    },
    onFaults(error) {
      count('policy_reload_failures', {})
      const faults = error.faults.slice(0, LIMITS.policyRemarksMax)
      const words = faults.map(({ pointer, message }) => (pointer ? `${pointer}: ${message}` : message))
      log.error({ faults: words }, 'the edited policy files are faulty: the policies before them stay in force')
      void noteFaults(recorder, live, error).catch((cause: unknown) =>
        log.warn({ error: cause }, 'faulty policy files are not in the record'),
      )
    },
    log,
  })
}

function noteFaults(recorder: PoliciesOptions['recorder'], live: LivePolicies, { code, message, faults }: GatewayError): Promise<void> {
  const bounded = faults.slice(0, LIMITS.policyRemarksMax)
  const base = live.decider.policySet
  return recorder.note(null, {
    kind: 'policy.refused',
    change: 'files',
    by: GATEWAY,
    policySet: null,
    base,
    code,
    message,
    faults: bounded,
  })
}

/** Never throws: nothing depends on it. */
async function tellDifference({ configuration, source, sets, telemetry: { log } }: PoliciesOptions): Promise<void> {
  try {
    const digest = textsDigest(readTexts(configuration, source))
    if ((await sets.active()).filesDigest === digest) return
    log.warn({}, 'the policy files are not what was last taken over and change nothing: propose them with `gatehouse policy propose`')
  } catch (error) {
    log.warn({ error }, 'nobody can tell whether the policy files differ from what is active')
  }
}
