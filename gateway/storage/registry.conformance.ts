import { describe, expect, test } from 'vitest'
import type { Storage } from './open-storage.ts'
import type { RunningRegistry } from './registry.ts'
import { activateEmptySet } from './test-policy-sets.ts'
import type { TestStore } from './test-store.ts'
import { permitted, POLICY_SET, seed } from './test-units.ts'

/** Agents and people, credentials, the active policy set. `reopen` starts again with agents of epoch 1. */
export function registryConformance(at: () => TestStore, reopen: () => Promise<void>): void {
  describe('registry', () => {
    const change = async (seeds: Parameters<Storage['registry']>[0]): Promise<RunningRegistry> => at().storage.registry(seeds, [])

    test('configuration registers, changes raise the epoch, an operator’s word stays, a retired name stays taken', async () => {
      const first = await change([seed('helper'), seed('other'), seed('rita')])
      expect(first.agent('rita')).toMatchObject({ status: 'active', epoch: 1, owner: 'ann' })
      const same = await change([seed('helper'), seed('other'), seed('rita')])
      expect(same.agent('rita')?.epoch).toBe(1)
      const moved = await change([seed('helper'), seed('other'), seed('rita', { roles: ['writer'] })])
      expect(moved.agent('rita')).toMatchObject({ epoch: 2, roles: ['writer'] })
      expect(await moved.setStatus('rita', 'suspended', 'olga', 'odd calls')).toMatchObject({ status: 'suspended', epoch: 3 })
      const kept = await change([seed('helper'), seed('other'), seed('rita', { roles: ['writer'], status: 'active' })])
      expect(kept.agent('rita')).toMatchObject({ status: 'suspended', epoch: 3 })
      await kept.setStatus('rita', 'retired', 'olga')
      const after = await change([seed('helper'), seed('other'), seed('rita', { owner: 'zoe' })])
      expect(after.agent('rita')).toMatchObject({ status: 'retired', owner: 'ann' })
      await expect(after.setStatus('rita', 'active', 'olga')).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await expect(after.setStatus('nobody', 'active', 'olga')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    })

    test('a registered agent is proposed, its name is taken for good, and every replica knows its keys', async () => {
      const { registry } = at()
      const keys = [{ kty: 'OKP', crv: 'Ed25519', x: 'x', use: 'sig' }]
      const proposed = seed('newcomer')
      const tries = await Promise.allSettled([
        registry.register(proposed, { by: 'olga', keys }, ['thumb']),
        registry.register(proposed, { by: 'aisha', keys: [] }, []),
      ])
      expect(tries.map((tried) => (tried.status === 'fulfilled' ? tried.value.status : tried.reason.code))).toEqual([
        'proposed',
        'NAME_TAKEN',
      ])
      expect(registry.agent('newcomer')).toMatchObject({ status: 'proposed', epoch: 1, owner: 'ann' })
      const other = await change([seed('helper'), seed('other')])
      expect(other.registration('newcomer')).toEqual({ by: 'olga', keys })
      expect(other.registration('helper')).toEqual({ by: 'configuration', keys: [] })
      // Configuration names it now: the operator's status stays, and so does who registered it.
      const taken = await change([seed('helper'), seed('other'), seed('newcomer', { status: 'active' })])
      expect(taken.agent('newcomer')).toMatchObject({ status: 'proposed', epoch: 1 })
      await registry.setStatus('newcomer', 'retired', 'olga', 'a\u0000mistake')
      await expect(registry.register(proposed, { by: 'olga', keys }, [])).rejects.toMatchObject({ code: 'NAME_TAKEN' })
      expect(await registry.setStatus('newcomer', 'retired', 'olga', 'again')).toMatchObject({ status: 'retired', epoch: 2 })
      expect(await registry.history('newcomer', 10)).toMatchObject([
        { epoch: 2, by: 'olga', status: 'retired', why: 'a\u0000mistake' },
        { epoch: 1, by: 'olga', status: 'proposed', change: 'registered, status proposed', why: null },
      ])
      const entries = await at().storage.database.db.selectFrom('entry').select('body').where('kind', '=', 'agent.changed').execute()
      const told = entries.flatMap(({ body }) => (body.kind === 'agent.changed' && body.agent === 'newcomer' ? [body] : []))
      expect(told).toMatchObject([
        { by: 'olga', status: 'proposed', keys: ['thumb'], attributes: { owner: 'ann' } },
        { by: 'olga', status: 'retired', why: 'a\u0000mistake' },
      ])
    })

    test('a status changes only from where it may', async () => {
      const { registry } = at()
      await registry.register(seed('careful'), { by: 'olga', keys: [] }, [])
      const steps = await Promise.all([
        registry.setStatus('careful', 'retired', 'olga', 'no', ['proposed']),
        registry.setStatus('careful', 'active', 'aisha', undefined, ['proposed']).catch((error: unknown) => error),
      ])
      expect(steps).toMatchObject([{ status: 'retired' }, { code: 'NOT_FOUND' }])
      await registry.register(seed('slow'), { by: 'olga', keys: [] }, [])
      expect(await registry.setStatus('slow', 'suspended', 'olga', undefined, ['active'])).toMatchObject({ status: 'proposed', epoch: 1 })
      expect(await registry.history('slow', 10)).toHaveLength(1)
    })

    test('when agents made their newest call', async () => {
      const { registry, recorder, clock } = at()
      clock.nowMs += 5_000
      await recorder.admit(permitted(clock, { epoch: registry.agent('helper')?.epoch ?? 0 }))
      const last = await registry.lastCalls(['helper', 'careful', 'nobody'])
      expect([...last]).toEqual([['helper', clock.now()]])
    })

    test('an agent taken out of configuration is suspended, put back it is active', async () => {
      await change([seed('helper'), seed('other'), seed('temp')])
      const without = await change([seed('helper'), seed('other')])
      expect(without.agent('temp')).toMatchObject({ status: 'suspended', epoch: 2 })
      const back = await change([seed('helper'), seed('other'), seed('temp')])
      expect(back.agent('temp')).toMatchObject({ status: 'active', epoch: 3 })
    })

    test('another registry hears of a change', async () => {
      const other = await change([seed('helper'), seed('other')])
      await at().registry.setStatus('helper', 'suspended', 'olga')
      await expect.poll(() => other.agent('helper')?.status).toBe('suspended')
      await at().registry.setStatus('helper', 'active', 'olga')
      await other.refresh()
      expect(other.agent('helper')?.status).toBe('active')
      await reopen()
    })

    test('people and their groups', () => {
      expect(at().registry.members('finance')).toEqual(['bob'])
      expect(at().registry.members('nobody')).toEqual([])
      expect(at().registry.person('bob')?.groups).toEqual(['finance'])
      expect(at().registry.person('eve')).toBeUndefined()
    })
  })

  describe('credentials', () => {
    const row = (version: number) => ({
      connector: 'crm',
      credential: 'key',
      version,
      kind: 'header',
      sealed: `sealed ${version}`,
      setAtMs: 7,
    })

    test('each version once, in order, with its entry', async () => {
      const { credentials } = at().storage
      expect(await credentials.write(row(2), 'olga')).toBe(false)
      expect(await Promise.all([credentials.write(row(1), 'olga'), credentials.write(row(1), 'otto')])).toEqual([true, false])
      expect(await credentials.write(row(3), 'olga')).toBe(false)
      expect(await credentials.write(row(2), 'olga')).toBe(true)
      expect(await credentials.write(row(2), 'olga')).toBe(false)
      expect(await credentials.read('crm', 'key')).toEqual(row(2))
      expect(await credentials.read('crm', 'other')).toBeUndefined()
      expect(await credentials.list()).toEqual([row(2)])
      const entries = await at().storage.database.db.selectFrom('entry').select('body').where('kind', '=', 'credential.set').execute()
      expect(entries.map(({ body }) => body)).toEqual([
        { kind: 'credential.set', connector: 'crm', credential: 'key', version: 1, by: 'olga' },
        { kind: 'credential.set', connector: 'crm', credential: 'key', version: 2, by: 'olga' },
      ])
    })
  })

  test('a policy set that becomes active is an entry, one that stays is not', async () => {
    const { storage, recorder, clock } = at()
    const count = async (): Promise<number> =>
      (await storage.database.db.selectFrom('entry').select('seq').where('kind', '=', 'policy.activated').execute()).length
    const before = await count()
    await activateEmptySet(storage.policySets, POLICY_SET)
    expect(await count()).toBe(before)
    await activateEmptySet(storage.policySets, 'e'.repeat(64))
    expect(await recorder.admit(permitted(clock))).toEqual({ kind: 'stale', what: 'policies' })
    await activateEmptySet(storage.policySets, POLICY_SET)
    expect(await count()).toBe(before + 2)
    expect(await recorder.admit(permitted(clock))).toEqual({ kind: 'recorded' })
  })
}
