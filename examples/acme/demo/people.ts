import { fields, items } from './agent.ts'

export interface OpenHold {
  id: string
  /** `group` of the first requirement. */
  group: string
  expiresAt: string
}

/** People of the organisation at `/operator/graphql`. */
export class People {
  readonly #gateway: string
  readonly #mintPersonToken: (name: string) => Promise<string>
  readonly #tokens = new Map<string, string>()

  constructor(gateway: string, mintPersonToken: (name: string) => Promise<string>) {
    this.#gateway = gateway
    this.#mintPersonToken = mintPersonToken
  }

  /** Asks as a person. Throws Error with the gateway's words where it refuses. */
  async ask(person: string, query: string, variables: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
    const token = this.#tokens.get(person) ?? (await this.#mintPersonToken(person))
    this.#tokens.set(person, token)
    const response = await fetch(`${this.#gateway}/operator/graphql`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ query, variables }),
    })
    const answer = fields(await response.json())
    const [error] = items(answer.errors)
    if (error !== undefined || !response.ok) throw new Error(String(fields(error).message ?? answer.detail ?? response.status))
    return fields(answer.data)
  }

  /** The open hold of a call, as this person sees it. */
  async holdOf(person: string, callId: string): Promise<OpenHold | undefined> {
    const query = '{ holds(filter: { state: [open] }, first: 100) { edges { node { id callId expiresAt requires { group } } } } }'
    const edges = items(fields((await this.ask(person, query)).holds).edges)
    const node = edges.map((edge) => fields(fields(edge).node)).find((hold) => hold.callId === callId)
    if (!node) return undefined
    return { id: String(node.id), group: String(fields(items(node.requires)[0]).group), expiresAt: String(node.expiresAt) }
  }

  async vote(person: string, hold: OpenHold, verdict: 'approve' | 'reject', comment: string): Promise<void> {
    const mutation = `mutation ($id: ID!, $comment: String) { ${verdict}Hold(id: $id, comment: $comment) { state } }`
    await this.ask(person, mutation, { id: hold.id, comment })
  }
}
