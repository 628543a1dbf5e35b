/** Life cycle of an agent in the registry. Only `active` agents pass a door. */
export type AgentStatus = 'proposed' | 'active' | 'suspended' | 'retired'

/** What is said of an agent when it is registered. */
export type AgentAttributes = Omit<Agent, 'name' | 'status' | 'epoch'>

/** A registered agent. `epoch` grows with every change of status or attributes; what was decided on an older epoch no longer commits. */
export interface Agent {
  readonly name: string
  readonly owner: string
  readonly team: string
  readonly region: string
  readonly purpose: string
  readonly roles: readonly string[]
  readonly clearance: readonly string[]
  readonly autonomy: number
  readonly status: AgentStatus
  readonly epoch: number
}

/** A person of the organisation, from configuration. */
export interface Person {
  readonly name: string
  readonly groups: readonly string[]
  /** Roles at the control plane. Approvers are known by their groups. */
  readonly roles: readonly PersonRole[]
  readonly region?: string
}

export type PersonRole = 'operator' | 'security' | 'auditor'

/** Who calls: the agent, and the person it acts for where there is one. Never holds a token. */
export interface Principal {
  readonly agent: Agent
  /** The person's id (RFC 9068 `sub`), absent when the agent acts for itself. */
  readonly subject?: string
  /** RFC 8693 act chain, outermost first; the agent itself is the first element. */
  readonly actors: readonly string[]
  readonly issuer: string
  /** Expiry of the token that authenticated this call, ms since epoch. */
  readonly tokenExpiresAtMs: number
}
