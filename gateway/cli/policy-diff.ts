import { CHANGES, type Change, CLASS_CHANGES, type ClassChange } from '../core/decision-change.ts'
import type { Agent } from '../core/principal.ts'
import type { PolicySource } from '../ports/policy-source.ts'
import type { PolicyDiff } from '../../policies/engine/diff.ts'
import type { ReadingChange } from '../../policies/engine/diff-classes.ts'
import type { DecisionChange } from '../../policies/engine/diff-changes.ts'
import { createWorkshop } from '../../policies/engine/workshop.ts'
import { compileOrganisation } from '../compile.ts'
import type { Environment } from '../config/environment.ts'
import type { Address } from '../config/address-file.ts'
import { type Configuration, loadConfiguration } from '../config/load.ts'
import { createDialer } from '../egress/dialer.ts'
import { saidInWords, TITLES, wrapped } from './change-words.ts'
import type { ExitCode, Output } from './output.ts'
import { readPolicyFolder } from './policy-folder.ts'
import { failing, simulate, type Simulated, simulationInWords } from './policy-simulate.ts'

export interface PolicyDiffOptions {
  config: string
  /** Folders with policies, each as a configured one. */
  before: string
  after: string
  /** Kinds of changes that make the command exit with 1. */
  failOn: readonly (Change | ClassChange)[]
  /** Recorded calls that both are asked about, too: how far back, in milliseconds, and which gateway has them. */
  recorded: { sinceMs: number; address: Address } | undefined
}

/**
 * Tells with which requests two folders of policies differ. Reads files only, but for recorded calls. Throws CONFIG_INVALID where one of them is faulty.
 */
export async function diffPolicyFolders(output: Output, environment: Environment, options: PolicyDiffOptions): Promise<ExitCode> {
  const configuration = loadConfiguration(options.config, environment, { policies: options.before })
  const [before, after] = [
    await sourceOf(configuration),
    await sourceOf(loadConfiguration(options.config, environment, { policies: options.after })),
  ]
  const agents = configuration.agents.map((agent): Agent => ({ ...agent, status: agent.status ?? 'active', epoch: 1 }))
  const workshop = createWorkshop()
  const diff = await workshop.run('diff', { before, after, agents })
  const recorded = options.recorded && (await replayed(options, options.recorded))
  const found = [...diff.changes, ...diff.classes].filter(({ change }) => options.failOn.includes(change)).length
  const failed = found + (recorded ? failing(recorded, options.failOn) : 0)
  const words = recorded ? `${inWords(diff)}\n\nRECORDED CALLS\n${simulationInWords(recorded)}` : inWords(diff)
  output.print(words, { ...diff, ...(recorded ? { recorded: recorded.facts } : {}), failed })
  return failed > 0 ? 1 : 0
}

function replayed({ before, after }: PolicyDiffOptions, { sinceMs, address }: { sinceMs: number; address: Address }): Promise<Simulated> {
  return simulate(address, { draft: readPolicyFolder(after), against: readPolicyFolder(before), sinceMs, first: undefined })
}

async function sourceOf(configuration: Configuration): Promise<PolicySource> {
  const { connectors, policySource } = compileOrganisation(configuration, createDialer({ development: true }))
  await Promise.all([...connectors.values()].map((connector) => connector.close()))
  return policySource
}

function inWords(diff: PolicyDiff): string {
  const changes = diff.changes.flatMap((change) => [...changeInWords(change), ''])
  const unasked = diff.unasked.map(({ operation, why }) => `not asked: ${operation}: ${why}`)
  const classes = diff.classes.flatMap((change) => [...classInWords(change), ''])
  return [...changes, ...classes, ...textsInWords(diff), summary(diff), ...unasked].join('\n')
}

function changeInWords({ change, operations, before, after, example, because, requests }: DecisionChange): string[] {
  const [first = '', ...more] = operations
  const { agent, subject, registered } = example
  const who = [`agent ${agent.name}`, ...(subject ? [`for ${subject.name}`] : [])].join(' ')
  const attributes = `roles ${list(agent.roles)}; autonomy ${agent.autonomy}; region ${agent.region}; team ${agent.team}; clearance ${list(agent.clearance)}`
  const values = Object.entries(because).map(([name, value]) => (value === null ? `${name} absent` : `${name} ${JSON.stringify(value)}`))
  return [
    `${TITLES[change]}  ${first}${more.length > 0 ? ` and ${more.length} more operations` : ''}`,
    ...wrapped('request', [who, ...values].join(', ')),
    ...(registered
      ? []
      : wrapped(
          '',
          `nobody like this is registered: ${attributes}${subject ? `; groups of ${subject.name}: ${list(subject.groups)}` : ''}`,
        )),
    ...wrapped('before', saidInWords(before)),
    ...wrapped('after', saidInWords(after)),
    ...(requests > 1 ? wrapped('', `(${requests} of the asked requests came out like this)`) : []),
    ...(more.length > 0 ? wrapped('also', more.join(', ')) : []),
  ]
}

function classInWords({ change, dataClass, agent, subject, registered, operations }: ReadingChange): string[] {
  const title = change === 'newly-readable' ? 'NEWLY READABLE' : 'NEWLY MASKED'
  const [first = '', ...more] = operations
  return [
    `${title}  ${dataClass} in answers of ${first}${more.length > 0 ? ` and ${more.length} more operations` : ''}`,
    ...wrapped('for', `agent ${agent}${subject === null ? '' : ` for ${subject}`}${registered ? '' : ' (nobody like this is registered)'}`),
    ...(more.length > 0 ? wrapped('also', more.join(', ')) : []),
  ]
}

const list = (names: readonly string[]): string => (names.length === 0 ? 'none' : names.join(', '))

function textsInWords({ policies: { added, removed, changed }, facts }: PolicyDiff): string[] {
  const said = [
    ['added', added],
    ['removed', removed],
    ['changed', changed],
    ['facts', facts],
  ] as const
  return said.filter(([, ids]) => ids.length > 0).flatMap(([what, ids]) => wrapped(what, ids.join(', ')))
}

function summary({ changes, classes, asked, combinations, complete, unchanged }: PolicyDiff): string {
  const counts = CHANGES.map((kind) => [kind, changes.filter(({ change }) => change === kind).length] as const).filter(
    ([, count]) => count > 0,
  )
  const reading = CLASS_CHANGES.map((kind) => [kind, classes.filter(({ change }) => change === kind).length] as const)
  const words = [
    ...counts.map(([kind, count]) => `${count} ${TITLES[kind].toLowerCase()}`),
    ...reading.filter(([, count]) => count > 0).map(([kind, count]) => `${count} ${kind.replace('-', ' ')}`),
  ]
  const found = words.length === 0 ? 'no request found that is decided otherwise' : words.join(', ')
  const looked = complete ? 'all of them looked through' : 'not all of them looked through: the bound was reached'
  return [
    `${found}; ${asked.toLocaleString('en')} requests asked of both sets`,
    `${combinations.toLocaleString('en')} combinations of values that the conditions tell apart, ${looked}`,
    `${unchanged} operations have the same policies in both sets`,
  ].join('\n')
}
