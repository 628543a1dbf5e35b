import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { LifeStep } from '../core/agent-life.ts'
import type { AgentStatus } from '../core/principal.ts'
import type { AgentProposal } from '../ports/operator.ts'
import { type Bed, openBed } from './fixture-bed.ts'
import { as, agent as seed } from './fixture-organisation.ts'

let bed: Bed
beforeAll(async () => {
  bed = await openBed()
})
afterAll(() => bed.close())

let made = 0
function proposal(more: Partial<AgentProposal> = {}): AgentProposal {
  made += 1
  return { ...seed(`agent-${made}`), keys: [], ...more }
}

const code = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : String(error))

/** A fresh agent of this status, registered by olga, who is an operator; paul answers for it. */
async function agentOf(status: AgentStatus): Promise<string> {
  const { name } = await bed.cases.registerAgent(as('olga'), proposal())
  const to: Readonly<Record<AgentStatus, readonly LifeStep[]>> = {
    proposed: [],
    active: ['activate'],
    suspended: ['activate', 'suspend'],
    retired: ['retire'],
  }
  for (const step of to[status]) await bed.cases.setAgentStatus(as('aisha'), name, step, 'a test')
  expect(bed.registry.agent(name)?.status).toBe(status)
  return name
}

const STATUSES = ['proposed', 'active', 'suspended', 'retired'] as const

describe('who takes which step from where', () => {
  const NO = 'FORBIDDEN'
  /** From proposed, active, suspended, retired. A status that is there already stays, and nothing is written. */
  test.each<[LifeStep, string, readonly string[]]>([
    ['activate', 'aisha', ['active', 'active', 'BAD_INPUT', 'BAD_INPUT']],
    ['activate', 'olga', [NO, NO, NO, NO]],
    ['activate', 'local', [NO, NO, NO, NO]],
    ['activate', 'maria', [NO, NO, NO, NO]],
    ['suspend', 'aisha', ['BAD_INPUT', 'suspended', 'suspended', 'BAD_INPUT']],
    ['suspend', 'olga', ['BAD_INPUT', 'suspended', 'suspended', 'BAD_INPUT']],
    ['suspend', 'local', ['BAD_INPUT', 'suspended', 'suspended', 'BAD_INPUT']],
    ['suspend', 'maria', [NO, NO, NO, NO]],
    ['suspend', 'lee', [NO, NO, NO, NO]],
    ['reinstate', 'olga', ['BAD_INPUT', 'active', 'active', 'BAD_INPUT']],
    ['reinstate', 'lee', [NO, NO, NO, NO]],
    ['retire', 'aisha', ['retired', 'retired', 'retired', 'retired']],
    ['retire', 'olga', ['retired', 'retired', 'retired', 'retired']],
    ['retire', 'local', ['retired', 'retired', 'retired', 'retired']],
    ['retire', 'maria', [NO, NO, NO, NO]],
    ['retire', 'lee', [NO, NO, NO, NO]],
  ])('%s by %s', async (step, who, expected) => {
    const got: string[] = []
    for (const status of STATUSES) {
      const name = await agentOf(status)
      const before = bed.registry.agent(name)
      const answer = await bed.cases.setAgentStatus(as(who), name, step, 'because').then(({ agent }) => agent.status, code)
      const after = bed.registry.agent(name)
      const changed = STATUSES.some((one) => one === answer) && answer !== status
      expect(after?.epoch).toBe((before?.epoch ?? 0) + Number(changed))
      expect(after?.status).toBe(changed ? answer : status)
      const [newest] = await bed.cases.agentHistory(as('lee'), name, 1)
      if (changed) expect(newest).toMatchObject({ by: who, status: answer, why: 'because', epoch: after?.epoch })
      got.push(answer)
    }
    expect(got).toEqual(expected)
  })

  test('who registered an agent, or answers for it, does not let it in, whatever role they have', async () => {
    const mine = await bed.cases.registerAgent(as('aisha'), proposal())
    await expect(bed.cases.setAgentStatus(as('aisha'), mine.name, 'activate', undefined)).rejects.toMatchObject({
      code: 'NOT_ELIGIBLE',
      message: expect.stringContaining('you registered'),
    })
    expect(await bed.cases.setAgentStatus(as('sana'), mine.name, 'activate', undefined)).toMatchObject({ agent: { status: 'active' } })
    const owned = await bed.cases.registerAgent(as('olga'), proposal({ owner: 'sana' }))
    await expect(bed.cases.setAgentStatus(as('sana'), owned.name, 'activate', undefined)).rejects.toMatchObject({
      code: 'NOT_ELIGIBLE',
      message: expect.stringContaining('you answer for'),
    })
    expect(bed.registry.agent(owned.name)?.status).toBe('proposed')
  })

  test('nobody reinstates what was never let in, nor what is unknown', async () => {
    await expect(bed.cases.setAgentStatus(as('olga'), await agentOf('proposed'), 'reinstate', undefined)).rejects.toMatchObject({
      code: 'BAD_INPUT',
      message: expect.stringContaining('is proposed'),
    })
    await expect(bed.cases.setAgentStatus(as('olga'), 'nobody', 'retire', 'x')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})

describe('registering', () => {
  test.each([
    ['olga', 'proposed'],
    ['aisha', 'proposed'],
    ['local', 'proposed'],
    ['maria', 'FORBIDDEN'],
    ['lee', 'FORBIDDEN'],
  ])('by %s: %s', async (who, expected) => {
    expect(await bed.cases.registerAgent(as(who), proposal()).then(({ status }) => status, code)).toBe(expected)
  })

  test('tells every fault with its place, and registers nothing', async () => {
    const faulty = proposal({
      ...{ name: 'Bad Name', owner: 'nobody', team: 'a\nb', region: '', purpose: '  ', autonomy: 6 },
      ...{ roles: ['a', 'a'], clearance: ['with space'], keys: Array.from({ length: 11 }, () => ({})) },
    })
    const before = bed.registry.agents().length
    const fault = await bed.cases.registerAgent(as('olga'), faulty).catch((error: unknown) => error)
    const pointers = ['/name', '/owner', '/team', '/region', '/purpose', '/autonomy', '/roles', '/clearance', '/keys']
    expect(fault).toMatchObject({ code: 'BAD_INPUT', faults: pointers.map((pointer) => ({ pointer })) })
    expect(bed.registry.agents()).toHaveLength(before)
  })

  test('a name stays taken, also after retirement and after a restart', async () => {
    const name = await agentOf('retired')
    const later = await bed.reopen()
    try {
      for (const { cases } of [bed, later])
        await expect(cases.registerAgent(as('olga'), proposal({ name }))).rejects.toMatchObject({ code: 'NAME_TAKEN' })
      await expect(later.cases.setAgentStatus(as('olga'), name, 'reinstate', undefined)).rejects.toMatchObject({ code: 'BAD_INPUT' })
    } finally {
      await later.close()
    }
  })
})

describe('retiring', () => {
  test('cancels what waits for people and what waits for the agent; a repeat finishes what was left', async () => {
    const name = await agentOf('active')
    const open = await bed.ask({ agent: name, amount: 5_000 })
    const approved = await bed.ask({ agent: name, amount: 6_000, onApproval: 'claim' })
    await bed.cases.approveHold(as('maria'), approved.holdId, undefined)
    const others = await bed.ask({ amount: 5_500 })
    const done = await bed.cases.setAgentStatus(as('olga'), name, 'retire', 'its work is done')
    expect(done).toMatchObject({ agent: { status: 'retired' }, cancelledHolds: 2 })
    const states = await Promise.all([open, approved, others].map(async ({ callId }) => (await bed.storage.calls.call(callId))?.state))
    expect(states).toEqual(['cancelled', 'cancelled', 'held'])
    expect((await bed.entries(open.callId)).at(-1)).toMatchObject({
      kind: 'hold.changed',
      to: 'cancelled',
      by: 'olga',
      why: 'its agent is retired',
    })
    expect(await bed.cases.setAgentStatus(as('olga'), name, 'retire', 'again')).toMatchObject({ effectiveAfterMs: 0, cancelledHolds: 0 })
  })

  test.each([undefined, '', '  '])('needs a reason: %j is none', async (why) => {
    const name = await agentOf('active')
    await expect(bed.cases.setAgentStatus(as('olga'), name, 'retire', why)).rejects.toMatchObject({ code: 'BAD_INPUT' })
    expect(bed.registry.agent(name)?.status).toBe('active')
  })
})

test('what an agent may ever use, and when it called last', async () => {
  const name = await agentOf('active')
  expect(bed.cases.agentPermissions(as('lee'), name).map(({ id }) => id)).toEqual(['erp.releasePayment'])
  expect((await bed.cases.lastCalls(as('lee'), [name])).size).toBe(0)
  const { callId } = await bed.ask({ agent: name })
  expect((await bed.cases.lastCalls(as('lee'), [name])).get(name)).toBe((await bed.storage.calls.call(callId))?.createdAt)
  expect(() => bed.cases.agentPermissions(as('maria'), name)).toThrow(expect.objectContaining({ code: 'FORBIDDEN' }))
})
