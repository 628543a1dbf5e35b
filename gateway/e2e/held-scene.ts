import type { JsonObject } from '../core/json.ts'
import { type Ask, type Door, type DoorName, openDoor, type Says } from './doors.ts'
import { type Bed, type BedOptions, startBed } from './harness.ts'
import { httpForms } from './http-form.ts'
import { type Fields, fields, jsonOf, type Reply, send } from './send.ts'
import { TaskClient } from './task-client.ts'

/** Writes of the probe that are held: by support leads, until their agent claims them, and for a time that the test says. */
const HOLDS = `
@id("probe-flagged-asks") @hold("support-lead")
forbid (principal, action == Probe::Action::"writeThing", resource) when { context.input has flag && context.input.flag };
@id("probe-claimed-asks") @hold("security-review")
forbid (principal, action == Probe::Action::"writeThing", resource) when { context.input has code && context.input.code == "CLM" };
@id("probe-soon-over") @hold("soon")
forbid (principal, action == Probe::Action::"writeThing", resource) when { context.input has code && context.input.code == "EXP" };
`
/** Arguments that bring a call into these holds. */
export const LED: JsonObject = { flag: true }
export const CLAIMED: JsonObject = { code: 'CLM' }
export const SOON_OVER: JsonObject = { code: 'EXP' }

export type ClientName = DoorName | 'tasks'
export type Client = Pick<Door, 'call' | 'after'>

export const PROBER = { agent: 'prober' }
/** For `expect.poll`: until what has to happen has happened. */
export const FOREVER = { timeout: 20_000, interval: 20 }

export const stateOf = (reply: Reply): unknown => fields(jsonOf(reply)).state

/** How often the system was asked for this call. */
export const sent = (seen: readonly { body: string | null }[], { input }: Ask): number =>
  seen.filter(({ body }) => body !== null && fields(JSON.parse(body)).name === input.name).length

/** An organisation in which one agent makes held calls, and people decide. */
export class HeldScene {
  readonly tasks: TaskClient
  readonly clients: Readonly<Record<ClientName, Client>>
  #turn = 0

  private constructor(readonly bed: Bed) {
    const forms = httpForms(bed.configFile, bed.environment)
    const door = (name: DoorName): Door => openDoor(name, bed, forms)
    this.tasks = new TaskClient(bed)
    this.clients = { graphql: door('graphql'), mcp: door('mcp'), 'mcp-2025': door('mcp-2025'), http: door('http'), tasks: this.tasks }
  }

  /** `soon`: when calls with `SOON_OVER` expire. */
  static async open({ soon, edits = {}, ...options }: BedOptions & { soon: string }): Promise<HeldScene> {
    const approval = `\nsoon:\n  requires: [{ group: support-leads, count: 1 }]\n  expires: ${soon}\n`
    const { 'approvals.yaml': further = (text: string) => text, ...others } = edits
    const held = { 'policies/probe.cedar': (text: string) => text + HOLDS, 'approvals.yaml': (text: string) => further(text + approval) }
    return new HeldScene(await startBed({ ...options, edits: { ...others, ...held } }))
  }

  /** A number that nobody had before. */
  next(): number {
    return this.#turn++
  }

  /** A call that nobody made before. */
  fresh(more: JsonObject = LED, says: Says = {}): Ask {
    return { ...PROBER, operation: 'probe.writeThing', input: { name: `thing-${this.next()}`, ...more }, says }
  }

  /** Makes the call and gives its id. */
  async held(name: ClientName, ask: Ask): Promise<string> {
    const { code, callId, reply } = await this.clients[name].call(ask)
    if (code !== 'HELD' || callId === undefined) throw new Error(`not held: ${reply.text}`)
    return callId
  }

  /** What the record says of the call, and of the hold that it has now: GraphQL fields of each. */
  async callOf(callId: string, more = ''): Promise<Fields> {
    return fields((await this.bed.people('lee', `query ($id: ID!) { call(id: $id) { state ${more} } }`, { id: callId })).call)
  }

  async holdOf(callId: string, more = ''): Promise<Fields> {
    return fields((await this.callOf(callId, `hold { id state ${more} }`)).hold)
  }

  async vote(callId: string, verdict: 'approve' | 'reject' = 'approve', by = 'sam'): Promise<void> {
    const { id } = await this.holdOf(callId)
    await this.bed.people(by, `mutation ($id: ID!) { ${verdict}Hold(id: $id, comment: "not this one") { state } }`, { id })
  }

  async bearer(): Promise<Record<string, string>> {
    return { authorization: `Bearer ${await this.bed.agentToken(PROBER.agent)}` }
  }

  async status(callId: string, rest = '', method = 'GET'): Promise<Reply> {
    return await send(this.bed.url, { method, path: `/v1/calls/${callId}${rest}`, headers: await this.bearer() })
  }
}
