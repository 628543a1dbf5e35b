import { isJsonObject } from '../core/json.ts'
import type { Address } from '../config/address-file.ts'
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

/** Suspends an agent and says how long it took to bind everywhere. */
export async function suspendAgent(output: Output, address: Address, name: string, reason: string | undefined): Promise<ExitCode> {
  const query =
    'mutation ($name: String!, $reason: String) { suspendAgent(name: $name, reason: $reason) { agent { name status epoch } effectiveAfterMs } }'
  const { suspendAgent: done } = await ask(address, query, { name, reason: reason ?? null })
  const facts = isJsonObject(done) ? done : {}
  output.print(`agent \`${name}\` is suspended at every door (bound after ${String(facts.effectiveAfterMs)} ms)`, facts)
  return 0
}

/** Lets a suspended agent work again. */
export async function reinstateAgent(output: Output, address: Address, name: string, reason: string | undefined): Promise<ExitCode> {
  const query =
    'mutation ($name: String!, $reason: String) { reinstateAgent(name: $name, reason: $reason) { agent { name status epoch } effectiveAfterMs } }'
  const { reinstateAgent: done } = await ask(address, query, { name, reason: reason ?? null })
  output.print(`agent \`${name}\` is active again`, isJsonObject(done) ? done : {})
  return 0
}

/** Prints an agent's access token, alone. */
export async function mintAgentToken(output: Output, address: Address, agent: string, subject: string | undefined): Promise<ExitCode> {
  const query = 'mutation ($agent: String!, $subject: String) { agentToken(agent: $agent, subject: $subject) }'
  const { agentToken } = await ask(address, query, { agent, subject: subject ?? null })
  output.print(String(agentToken), { token: agentToken ?? null })
  return 0
}
