import type { Address } from '../config/address-file.ts'
import { CHANGES, type Change, type Said } from '../core/decision-change.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../core/json.ts'
import { saidInWords, TITLES, wrapped } from './change-words.ts'
import { ask } from './control-plane.ts'
import { type ExitCode, type Output, table } from './output.ts'
import { type PolicyFolder, readPolicyFolder } from './policy-folder.ts'

export interface PolicySimulateOptions {
  /** Folder of the draft. */
  policies: string
  /** Milliseconds back from now. */
  sinceMs: number
  /** Calls at most, newest first; the gateway's own bound where it is not given. */
  first: number | undefined
  /** Kinds of changes that make the command exit with 1. */
  failOn: readonly Change[]
}

/** Tells what a folder of policies would have said to recorded calls. Asks the running gateway. */
export async function simulatePolicyFolder(output: Output, address: Address, options: PolicySimulateOptions): Promise<ExitCode> {
  const simulation = await simulate(address, { draft: readPolicyFolder(options.policies), against: null, ...options })
  output.print(simulationInWords(simulation), { ...simulation.facts, failed: failing(simulation, options.failOn) })
  return failing(simulation, options.failOn) > 0 ? 1 : 0
}

/** What the gateway answered, and the changes in it. */
export interface Simulated {
  facts: JsonObject
  changes: readonly { operation: string; change: Change; before: Said; after: Said; calls: number; examples: readonly string[] }[]
}

export interface Simulating {
  draft: Pick<PolicyFolder, 'files' | 'facts'>
  /** Compared with the draft; null for what was decided then. */
  against: Pick<PolicyFolder, 'files' | 'facts'> | null
  sinceMs: number
  first: number | undefined
}

const SAID = '{ outcome denyReason approvals policies }'
const QUERY = `query ($draft: PolicyTextsInput!, $against: PolicyTextsInput, $since: DateTimeISO!, $first: Int) {
  simulatePolicies(draft: $draft, against: $against, since: $since, first: $first) {
    since oldest calls stopped asToday
    operations { operation calls same undecided changes { change before ${SAID} after ${SAID} calls examples } }
    undecided { why calls examples }
  }
}`

export async function simulate(address: Address, { draft, against, sinceMs, first }: Simulating): Promise<Simulated> {
  const since = new Date(Date.now() - sinceMs).toISOString()
  const texts = ({ files, facts }: Simulating['draft']): JsonObject => ({ files, facts })
  const variables = { draft: texts(draft), against: against && texts(against), since, first: first ?? null }
  const { simulatePolicies: answer } = await ask(address, QUERY, variables)
  const told = isJsonObject(answer) ? answer : {}
  const operations = objects(told.operations).map(({ changes, ...counts }) => ({
    ...counts,
    changes: objects(changes).map((change) => changeOf(String(counts.operation), change)),
  }))
  const changes = operations.flatMap((one) => one.changes)
  // One word for one thing on the command line: a difference of requests says `newly-denied`, too.
  const plain = operations.map((one) => ({ ...one, changes: one.changes.map(({ operation: _operation, ...change }) => change) }))
  return { facts: { ...told, operations: plain as unknown as JsonObject[] }, changes }
}

/** How many kinds of changes are of the named ones. */
export const failing = ({ changes }: Simulated, failOn: readonly string[]): number =>
  changes.filter(({ change }) => failOn.includes(change)).length

const objects = (value: JsonValue | undefined): JsonObject[] => (Array.isArray(value) ? value.filter(isJsonObject) : [])
const texts = (value: JsonValue | undefined): string[] => (Array.isArray(value) ? value.map(String) : [])

function changeOf(operation: string, { change, before, after, calls, examples }: JsonObject): Simulated['changes'][number] {
  const kind = CHANGES.find((name) => name.replaceAll('-', '_') === change) ?? 'newly-denied'
  return { operation, change: kind, before: saidOf(before), after: saidOf(after), calls: Number(calls), examples: texts(examples) }
}

function saidOf(value: JsonValue | undefined): Said {
  const { outcome, denyReason, approvals, policies } = isJsonObject(value) ? value : {}
  const effect = outcome === 'permit' || outcome === 'hold' ? outcome : 'deny'
  return {
    effect,
    ...(typeof denyReason === 'string' ? { reason: denyReason } : {}),
    approvals: texts(approvals),
    policies: texts(policies),
  }
}

const HEAD = ['OPERATION', 'CALLS', 'SAME', 'ALLOWED', 'HELD', 'OTHERWISE', 'DENIED', 'UNDECIDED']
const COLUMNS: readonly Change[] = ['newly-allowed', 'newly-held', 'held-otherwise', 'newly-denied']

export function simulationInWords({ facts, changes }: Simulated): string {
  const operations = objects(facts.operations)
  const rows = operations.map(({ operation, calls, same, undecided }) => {
    const own = changes.filter((change) => change.operation === operation)
    const counts = COLUMNS.map((kind) => own.filter(({ change }) => change === kind).reduce((sum, one) => sum + one.calls, 0))
    return [operation, calls, same, ...counts, undecided].map(String)
  })
  const details = changes.flatMap(({ operation, change, before, after, calls, examples }) => [
    '',
    `${TITLES[change]}  ${operation}, ${calls} ${calls === 1 ? 'call' : 'calls'}`,
    ...wrapped('before', saidInWords(before)),
    ...wrapped('after', saidInWords(after)),
    ...wrapped('such as', examples.join(', ')),
  ])
  const gaps = objects(facts.undecided).flatMap(({ why, calls, examples }) =>
    wrapped('', `not decidable: ${String(why)}: ${String(calls)} calls, such as ${texts(examples).join(', ')}`),
  )
  const parts = [...(rows.length > 0 ? [table(HEAD, rows)] : []), ...details, ...(gaps.length > 0 ? ['', ...gaps] : []), '', summary(facts)]
  return (rows.length > 0 ? parts : [summary(facts)]).join('\n')
}

function summary({ calls, since, oldest, stopped, asToday }: JsonObject): string {
  const lines = [`${String(calls)} recorded calls since ${String(since)} decided again`]
  if (stopped !== null) lines.push(`older calls than ${String(oldest)} were not looked at: the bound in ${String(stopped)} was reached`)
  if (Number(asToday) > 0) lines.push(`for ${String(asToday)} of them attributes of agent or person are as they are today`)
  return lines.join('\n')
}
