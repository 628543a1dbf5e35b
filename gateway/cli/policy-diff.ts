import type { DecisionChange, PolicyDiff, ReadingChange } from '../ports/policy-drafts.ts'
import { CHANGES, type Change, CLASS_CHANGES, type ClassChange } from '../core/decision-change.ts'
import type { Agent } from '../core/principal.ts'
import { GatewayError } from '../core/errors.ts'
import { isJsonObject, type JsonObject } from '../core/json.ts'
import type { Operation } from '../core/operation.ts'
import type { PolicySetTexts } from '../ports/policy-sets.ts'
import { isLibraryFile, type PolicySource } from '../ports/policy-source.ts'
import { sourceOf } from '../publication/texts.ts'
import { createWorkshop } from '../../policies/engine/workshop.ts'
import { compileOrganisation } from '../compile.ts'
import type { Validators } from '../pipeline/validate.ts'
import type { Environment } from '../config/environment.ts'
import type { Address } from '../config/address-file.ts'
import { loadConfiguration } from '../config/load.ts'
import { createDialer } from '../egress/dialer.ts'
import { saidInWords, TITLES, wrapped } from './change-words.ts'
import { ask } from './control-plane.ts'
import type { ExitCode, Output } from './output.ts'
import { findSet } from './policy-changes.ts'
import { type PolicyFolder, readPolicyFolder } from './policy-folder.ts'
import { failing, simulate, simulationInWords } from './policy-simulate.ts'

/** A folder with policies, as a configured one, or a set that a running gateway keeps. */
export type PoliciesFrom = { folder: string } | { set: string; address: Address }

export interface PolicyDiffOptions {
  config: string
  before: PoliciesFrom
  after: PoliciesFrom
  /** Kinds of changes that make the command exit with 1. */
  failOn: readonly (Change | ClassChange)[]
  /** Recorded calls that both are asked about, too: how far back, in milliseconds, and which gateway has them. */
  recorded: { sinceMs: number; address: Address } | undefined
}

/**
 * Tells with which requests two policy sets differ. Reads files, and asks a gateway for stored sets and recorded calls alone. Throws CONFIG_INVALID where
 * one of them is faulty, NOT_FOUND for a set that is not kept.
 */
export async function diffPolicySets(output: Output, environment: Environment, options: PolicyDiffOptions): Promise<ExitCode> {
  const [old, now] = [await readPolicies(environment, options, options.before), await readPolicies(environment, options, options.after)]
  const workshop = createWorkshop()
  const diff = await workshop.run('diff', { before: old.source, after: now.source, agents: now.agents })
  const recorded =
    options.recorded &&
    (await simulate(options.recorded.address, {
      draft: now.texts,
      against: old.texts,
      sinceMs: options.recorded.sinceMs,
      first: undefined,
    }))
  const refused = diff.changes.filter(({ example }) => !now.takes(example.operation, example.input))
  const found = [...diff.changes, ...diff.classes].filter(({ change }) => options.failOn.includes(change)).length
  const failed = found + (recorded ? failing(recorded, options.failOn) : 0)
  const told = inWords(diff, refused)
  const words = recorded ? `${told}\n\nRECORDED CALLS\n${simulationInWords(recorded)}` : told
  const changes = diff.changes.map((change) => ({ ...change, refusedBefore: refused.includes(change) }))
  output.print(words, { ...diff, changes, ...(recorded ? { recorded: recorded.facts } : {}), failed })
  return failed > 0 ? 1 : 0
}

interface ReadPolicies {
  source: PolicySource
  texts: Pick<PolicyFolder, 'files' | 'facts'>
  agents: readonly Agent[]
  /** Whether arguments are valid for an operation: others never come to a decision. */
  takes(operation: string, input: JsonObject): boolean
}

async function readPolicies(environment: Environment, { config }: PolicyDiffOptions, from: PoliciesFrom): Promise<ReadPolicies> {
  const configuration = loadConfiguration(config, environment, 'folder' in from ? { policies: from.folder } : {})
  const { catalogue, connectors, policySource, validators } = compileOrganisation(configuration, createDialer({ development: true }))
  await Promise.all([...connectors.values()].map((connector) => connector.close()))
  const agents = configuration.agents.map((agent): Agent => ({ ...agent, status: agent.status ?? 'active', epoch: 1 }))
  const takes = (name: string, input: JsonObject): boolean => {
    const operation = [...catalogue.operations.values()].find(({ id }) => id === name)
    return operation !== undefined && isValid(validators, operation, input)
  }
  if ('folder' in from) return { source: policySource, texts: readPolicyFolder(from.folder), agents, takes }
  const stored = await storedSet(from.address, from.set)
  return { source: sourceOf(policySource, stored), texts: textsOf(stored), agents, takes }
}

function isValid(validators: Validators, { id }: Operation, input: JsonObject): boolean {
  try {
    validators.check(id, input)
    return true
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'BAD_INPUT') return false
    throw error
  }
}

async function storedSet(address: Address, set: string): Promise<PolicySetTexts> {
  const hash = await findSet(address, set)
  const query = 'query ($hash: ID!) { policySet(hash: $hash) { files { path connector text } facts } }'
  const { policySet } = await ask(address, query, { hash })
  if (!isJsonObject(policySet)) throw new GatewayError('NOT_FOUND', `the policy set \`${hash}\` is not kept`)
  const { files, facts } = policySet
  return {
    files: (Array.isArray(files) ? files.filter(isJsonObject) : []).map(({ path, connector, text }) => ({
      path: String(path),
      connector: typeof connector === 'string' ? connector : null,
      text: String(text),
    })),
    facts: typeof facts === 'string' ? { path: 'facts.yaml', text: facts } : null,
  }
}

/** A set as a draft is given: one file for each connector. Rules of the library are added by the gateway. */
function textsOf({ files, facts }: PolicySetTexts): ReadPolicies['texts'] {
  const byName = new Map<string, string>()
  for (const file of files.filter((one) => !isLibraryFile(one))) {
    const name = `${file.connector ?? 'org'}.cedar`
    byName.set(name, `${byName.get(name) ?? ''}${file.text}\n`)
  }
  return { files: [...byName].map(([name, text]) => ({ name, text })), facts: facts?.text ?? null }
}

function inWords(diff: PolicyDiff, refused: readonly DecisionChange[]): string {
  const changes = diff.changes.flatMap((change) => [...changeInWords(change, refused.includes(change)), ''])
  const causes = [...new Set(diff.unasked.map(({ why }) => why))]
  const unasked = causes.map((cause) => {
    const ids = diff.unasked.filter(({ why }) => why === cause).map(({ operation }) => operation)
    return `not asked, since ${cause}: ${ids.slice(0, SHOWN_MAX).join(', ')}${ids.length > SHOWN_MAX ? ` and ${ids.length - SHOWN_MAX} more` : ''}`
  })
  const classes = diff.classes.flatMap((change) => [...classInWords(change), ''])
  const blind = diff.oneSided.flatMap(({ policy, condition, never }) =>
    wrapped('', `never ${never} at any value that was tried, so look at it yourself: ${condition} (${policy})`),
  )
  return [...changes, ...classes, ...textsInWords(diff), summary(diff), ...blind, ...unasked].join('\n')
}

function changeInWords({ change, operations, before, after, example, because, requests }: DecisionChange, refused: boolean): string[] {
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
    ...(refused ? wrapped('', 'no valid arguments like these could be made up: they may be refused before any decision') : []),
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

const SHOWN_MAX = 10

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
    `${combinations.toLocaleString('en')} combinations of tried values that the conditions tell apart, ${looked}`,
    `${unchanged} operations have the same policies in both sets`,
  ].join('\n')
}
