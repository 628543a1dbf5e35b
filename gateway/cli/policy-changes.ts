import { join } from 'node:path'
import type { Address } from '../config/address-file.ts'
import { GatewayError } from '../core/errors.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../core/json.ts'
import { ask } from './control-plane.ts'
import { type ExitCode, type Output, table } from './output.ts'
import { readPolicyFolder } from './policy-folder.ts'

const short = (hash: unknown): string => String(hash ?? '-').slice(0, 12)
const day = (time: unknown): string => String(time).replace('T', ' ').slice(0, 19)
const object = (value: JsonValue | undefined): JsonObject => (isJsonObject(value) ? value : {})

/** The nodes of a Relay connection. */
function nodes(connection: JsonValue | undefined): JsonObject[] {
  const { edges } = object(connection)
  return Array.isArray(edges) ? edges.filter(isJsonObject).map(({ node }) => object(node)) : []
}

const PROPOSAL = 'id change state policySet base by note remarks reviewer comment proposedAt decidedAt'

interface Proposing {
  folder: string
  note: string
  base: string | undefined
}

/** Proposes a folder's policies, facts and tests in place of all that are active. Faults are printed one a line, with their places. */
export async function proposePolicies(output: Output, address: Address, { folder, note, base }: Proposing): Promise<ExitCode> {
  const { files, facts, tests } = readPolicyFolder(folder)
  const query = `mutation ($files: [PolicyFileInput!]!, $facts: String, $tests: [PolicyFileInput!], $note: String!, $base: ID) {
    proposePolicies(files: $files, facts: $facts, tests: $tests, note: $note, base: $base) { ${PROPOSAL} } }`
  const onto = base === undefined ? null : await findSet(address, base)
  const data = await ask(address, query, { files, facts, tests, note, base: onto }).catch((error: unknown) => {
    if (error instanceof GatewayError)
      for (const { pointer, message } of error.faults) output.remark(`${join(folder, pointer)}: ${message}`)
    throw error
  })
  const proposal = object(data.proposePolicies)
  for (const remark of Array.isArray(proposal.remarks) ? proposal.remarks : []) output.remark(String(remark))
  output.print(
    `proposed \`${String(proposal.id)}\`: policy set ${short(proposal.policySet)} in place of ${short(proposal.base)}\nsomebody else reviews it: gatehouse policy review ${String(proposal.id)} --approve`,
    proposal,
  )
  return 0
}

/** Lists proposals, newest first. */
export async function listProposals(output: Output, address: Address, state: string | undefined): Promise<ExitCode> {
  const query = `query ($state: PolicyProposalState) { policyProposals(state: $state, first: 100) { edges { node { ${PROPOSAL} } } } }`
  const { policyProposals } = await ask(address, query, { state: state ?? null })
  const rows = nodes(policyProposals)
  const cells = rows.map((p) =>
    [p.id, p.state, p.change, p.by, p.reviewer ?? '-', short(p.policySet), short(p.base), day(p.proposedAt), p.note].map(String),
  )
  output.print(table(['PROPOSAL', 'STATE', 'CHANGE', 'BY', 'REVIEWER', 'SET', 'BASE', 'PROPOSED', 'NOTE'], cells), rows)
  return 0
}

/** Approves or rejects somebody else's proposal. */
export async function reviewProposal(
  output: Output,
  address: Address,
  id: string,
  verdict: 'APPROVE' | 'REJECT',
  comment: string | undefined,
): Promise<ExitCode> {
  const query = `mutation ($id: ID!, $verdict: PolicyVerdict!, $comment: String) {
    reviewPolicyProposal(id: $id, verdict: $verdict, comment: $comment) { boundAfterMs proposal { ${PROPOSAL} } } }`
  const { reviewPolicyProposal } = await ask(address, query, { id, verdict, comment: comment ?? null })
  const { proposal, boundAfterMs } = object(reviewPolicyProposal)
  const words =
    verdict === 'APPROVE'
      ? `policy set ${short(object(proposal).policySet)} is active on every replica (bound after ${String(boundAfterMs)} ms)`
      : `proposal \`${id}\` is rejected`
  output.print(words, object(reviewPolicyProposal))
  return 0
}

/** Lists which policy sets were active, newest first, the active one marked. */
export async function listPolicySets(output: Output, address: Address): Promise<ExitCode> {
  const query = `{ policyStatus { active decidesOn behind fileFaults { place message } }
    policySets(first: 100) { edges { node { policySet base source rollBack by reviewer why proposal at } } } }`
  const data = await ask(address, query)
  const status = object(data.policyStatus)
  const rows = nodes(data.policySets)
  const cells = rows.map((a, index) => {
    const how = a.rollBack === true ? `roll-back (${String(a.source)})` : a.source
    return [
      index === 0 && a.policySet === status.active ? '*' : '',
      short(a.policySet),
      short(a.base),
      how,
      a.by,
      a.reviewer ?? '-',
      day(a.at),
      a.why ?? '',
    ].map(String)
  })
  if (typeof status.behind === 'string') output.remark(`this process decides on ${short(status.decidesOn)}: ${status.behind}`)
  for (const fault of Array.isArray(status.fileFaults) ? status.fileFaults.map(object) : [])
    output.remark(`not taken over: ${String(fault.place)}: ${String(fault.message)}`)
  output.print(table(['', 'SET', 'BEFORE', 'HOW', 'BY', 'REVIEWER', 'SINCE', 'WHY'], cells), { status, sets: rows })
  return 0
}

/** Puts an earlier set back: as a proposal, or in an emergency at once. */
export async function rollBack(
  output: Output,
  address: Address,
  set: string,
  { why, emergency }: { why: string; emergency: boolean },
): Promise<ExitCode> {
  const query = `mutation ($set: ID!, $why: String!, $emergency: Boolean!) {
    rollBackPolicies(set: $set, why: $why, emergency: $emergency) { boundAfterMs proposal { ${PROPOSAL} } } }`
  const hash = await findSet(address, set)
  const { rollBackPolicies } = await ask(address, query, { set: hash, why, emergency })
  const { proposal, boundAfterMs } = object(rollBackPolicies)
  const id = String(object(proposal).id)
  const words = emergency
    ? `policy set ${short(hash)} is active on every replica (bound after ${String(boundAfterMs)} ms); nobody reviewed it, and the record says so`
    : `proposed \`${id}\`: policy set ${short(hash)} again\nsomebody else reviews it: gatehouse policy review ${id} --approve`
  output.print(words, object(rollBackPolicies))
  return 0
}

/** Prints the texts of a set: every file under its name, or one of them as it is. */
export async function showPolicySet(output: Output, address: Address, set: string, name: string | undefined): Promise<ExitCode> {
  const query = 'query ($hash: ID!) { policySet(hash: $hash) { hash storedAt facts files { path connector text } } }'
  const hash = await findSet(address, set)
  const { policySet } = await ask(address, query, { hash })
  const found = object(policySet)
  const files = (Array.isArray(found.files) ? found.files.map(object) : []).map(({ path, text }) => ({
    path: String(path),
    text: String(text),
  }))
  if (typeof found.facts === 'string') files.push({ path: 'facts.yaml', text: found.facts })
  if (name === undefined) {
    output.print(files.map(({ path, text }) => `// ${path}\n${text.trimEnd()}`).join('\n\n'), found)
    return 0
  }
  const file = files.find(({ path }) => path === name || path.endsWith(`/${name}`))
  if (!file)
    throw new GatewayError('NOT_FOUND', `no file \`${name}\` in the set: it has ${files.map(({ path }) => `\`${path}\``).join(', ')}`)
  output.print(file.text.trimEnd(), file)
  return 0
}

/** A set by its hash, by the first digits of one that was active or proposed, or `active`. Throws NOT_FOUND, BAD_INPUT. */
export async function findSet(address: Address, set: string): Promise<string> {
  if (/^[0-9a-f]{64}$/.test(set)) return set
  const query = `{ policyStatus { active } policySets(first: 500) { edges { node { policySet } } } policyProposals(first: 500) { edges { node { policySet } } } }`
  const data = await ask(address, query)
  if (set === 'active') return String(object(data.policyStatus).active)
  if (!/^[0-9a-f]{6,63}$/.test(set))
    throw new GatewayError('BAD_INPUT', `\`${set}\` names no policy set: give \`active\`, its hash, or at least the first six digits of it`)
  const known = new Set([...nodes(data.policySets), ...nodes(data.policyProposals)].map(({ policySet }) => String(policySet)))
  const [found, other] = [...known].filter((hash) => hash.startsWith(set))
  if (found === undefined) throw new GatewayError('NOT_FOUND', `no policy set \`${set}\` was active or proposed`)
  if (other !== undefined) throw new GatewayError('BAD_INPUT', `\`${set}\` names more than one policy set: give more digits`)
  return found
}
