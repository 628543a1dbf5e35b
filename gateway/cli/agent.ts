import { readFileSync } from 'node:fs'
import type { Address } from '../config/address-file.ts'
import { GatewayError } from '../core/errors.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../core/json.ts'
import { ask } from './control-plane.ts'
import { type ExitCode, type Output, table } from './output.ts'

/** Lists the register. */
export async function listAgents(output: Output, address: Address): Promise<ExitCode> {
  const { agents } = await ask(address, '{ agents { name status owner team region roles epoch } }')
  const rows = Array.isArray(agents) ? agents.filter(isJsonObject) : []
  const cells = rows.map((a) => [a.name, a.status, a.owner, a.team, a.region, Array.isArray(a.roles) ? a.roles.join(',') : ''].map(String))
  output.print(table(['NAME', 'STATUS', 'OWNER', 'TEAM', 'REGION', 'ROLES'], cells), rows)
  return 0
}

export interface Registering {
  name: string
  owner: string
  team: string
  region: string
  purpose: string
  roles: readonly string[]
  clearance: readonly string[]
  autonomy: number
  /** A file with a JWK set of public keys. */
  jwks: string | undefined
}

/** Registers an agent as proposed. Throws CONFIG_INVALID for a file that is no JWK set. */
export async function registerAgent(output: Output, address: Address, { jwks, ...agent }: Registering): Promise<ExitCode> {
  const query = `mutation ($name: String!, $owner: String!, $team: String!, $region: String!, $purpose: String!, $roles: [String!]!, $clearance: [String!]!,
    $autonomy: Int!, $keys: [JSON!]!) {
    registerAgent(name: $name, owner: $owner, team: $team, region: $region, purpose: $purpose, roles: $roles, clearance: $clearance, autonomy: $autonomy,
      keys: $keys) { name status owner team region roles epoch } }`
  const keys = jwks === undefined ? [] : readKeys(jwks)
  const variables = { ...agent, roles: [...agent.roles], clearance: [...agent.clearance], keys: [...keys] }
  const { registerAgent: done } = await ask(address, query, variables)
  output.print(
    `agent \`${agent.name}\` is proposed: it works once somebody with the role \`security\`, who neither registered it nor answers for it, activates it`,
    isJsonObject(done) ? done : {},
  )
  return 0
}

/** What is no public key is refused here already, so that no private key leaves the machine. */
function readKeys(path: string): readonly JsonValue[] {
  const faulty = (message: string): GatewayError => new GatewayError('CONFIG_INVALID', `\`${path}\` ${message}`)
  let set: JsonValue
  try {
    set = JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    throw faulty('cannot be read as JSON: give a JWK set with the public keys of the agent')
  }
  if (!isJsonObject(set) || !Array.isArray(set.keys)) throw faulty('is no JWK set: an object with `keys` (RFC 7517 5)')
  if (set.keys.some((key) => isJsonObject(key) && ('d' in key || 'k' in key)))
    throw faulty('holds private or symmetric keys: keep them with the agent and give the public part only')
  return set.keys
}

/** Lets a proposed agent work. */
export async function activateAgent(output: Output, address: Address, name: string, reason: string | undefined): Promise<ExitCode> {
  const facts = await step(address, 'activateAgent', name, reason)
  output.print(`agent \`${name}\` is active`, facts)
  return 0
}

/** Suspends an agent and says how long it took to bind everywhere. */
export async function suspendAgent(output: Output, address: Address, name: string, reason: string | undefined): Promise<ExitCode> {
  const facts = await step(address, 'suspendAgent', name, reason)
  output.print(`agent \`${name}\` is suspended at every door (bound after ${String(facts.effectiveAfterMs)} ms)`, facts)
  return 0
}

/** Lets a suspended agent work again. */
export async function reinstateAgent(output: Output, address: Address, name: string, reason: string | undefined): Promise<ExitCode> {
  output.print(`agent \`${name}\` is active again`, await step(address, 'reinstateAgent', name, reason))
  return 0
}

/** Ends an agent for good and says what was cancelled with it. */
export async function retireAgent(output: Output, address: Address, name: string, reason: string): Promise<ExitCode> {
  const facts = await step(address, 'retireAgent', name, reason)
  const cancelled = Number(facts.cancelledHolds) === 1 ? '1 waiting call was' : `${String(facts.cancelledHolds)} waiting calls were`
  output.print(`agent \`${name}\` is retired, and its name stays taken; ${cancelled} cancelled`, facts)
  return 0
}

async function step(address: Address, mutation: string, name: string, reason: string | undefined): Promise<JsonObject> {
  const type = mutation === 'retireAgent' ? 'String!' : 'String'
  const query = `mutation ($name: String!, $reason: ${type}) {
    done: ${mutation}(name: $name, reason: $reason) { agent { name status epoch } effectiveAfterMs cancelledHolds } }`
  const { done } = await ask(address, query, { name, reason: reason ?? null })
  return isJsonObject(done) ? done : {}
}

/** Prints an agent's access token, alone. */
export async function mintAgentToken(output: Output, address: Address, agent: string, subject: string | undefined): Promise<ExitCode> {
  const query = 'mutation ($agent: String!, $subject: String) { agentToken(agent: $agent, subject: $subject) }'
  const { agentToken } = await ask(address, query, { agent, subject: subject ?? null })
  output.print(String(agentToken), { token: agentToken ?? null })
  return 0
}
