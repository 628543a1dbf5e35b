import { describe, expect, test } from 'vitest'
import { stateAfter } from '../core/call.ts'
import { type Drift, summaryOf } from '../core/drift.ts'
import { operationId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import type { TestStore } from './test-store.ts'
import { finished, permitted } from './test-units.ts'

const changed = (subject: string, more: Partial<Drift> = {}): Drift => ({
  ...{ subject, operation: operationId('files', 'read'), change: 'changed', reviewedVersion: 'v1', seenVersion: 'v2' },
  ...{ reviewed: 'reads', seen: 'reads\u0000 and sends' },
  ...more,
})
const fresh = (subject: string): Drift =>
  changed(subject, { operation: null, change: 'new', reviewedVersion: null, reviewed: null, seenVersion: 'n1' })
const missing = (subject: string): Drift => changed(subject, { change: 'missing', seenVersion: null, seen: null })

let connectors = 0
const connectorName = (): string => {
  connectors += 1
  return `files${connectors}`
}

/** What systems say of themselves that nobody has reviewed, and how their calls ended. */
export function driftConformance(at: () => TestStore): void {
  const entries = async (connector: string): Promise<unknown[]> => {
    const rows = await at()
      .storage.database.db.selectFrom('entry')
      .select(['body', 'seq'])
      .where('kind', 'like', 'connector.%')
      .orderBy('seq')
      .execute()
    return rows.map(({ body }) => body).filter((body) => 'connector' in body && body.connector === connector)
  }

  describe('drift', () => {
    test('is kept, told once, and gone when the system takes it back', async () => {
      const { storage, clock } = at()
      const { drifts } = storage
      const connector = connectorName()
      clock.nowMs += 1_000
      const since = clock.now()
      const found = [changed('read'), fresh('send'), missing('list')]
      expect(await drifts.found(connector, found)).toEqual(found)
      clock.nowMs += 1_000
      expect(await drifts.found(connector, found)).toEqual([])
      expect(await drifts.of(connector)).toEqual([missing('list'), changed('read'), fresh('send')].map((each) => ({ ...each, since })))
      expect(await drifts.count(connector)).toBe(3)
      const other = changed('read', { seenVersion: 'v3', seen: 'reads and deletes' })
      expect(await drifts.found(connector, [other])).toEqual([other])
      expect(await drifts.of(connector)).toEqual([{ ...other, since: clock.now() }])
      await drifts.found(connector, [])
      expect(await drifts.of(connector)).toEqual([])
      expect(await entries(connector)).toEqual([
        { kind: 'connector.drift_found', connector, drift: found.map(summaryOf) },
        { kind: 'connector.drift_found', connector, drift: [summaryOf(other)] },
        { kind: 'connector.drift_gone', connector, subjects: ['list', 'send'] },
        { kind: 'connector.drift_gone', connector, subjects: ['read'] },
      ])
    })

    test('that two processes find at one moment is told once', async () => {
      const { drifts } = at().storage
      const connector = connectorName()
      const told = await Promise.all([1, 2, 3].map(() => drifts.found(connector, [changed('read')])))
      expect(told.flat()).toHaveLength(1)
      expect(await entries(connector)).toHaveLength(1)
    })

    test('is over where the reviewed description has another word on it, and only there', async () => {
      const { drifts } = at().storage
      const connector = connectorName()
      await drifts.found(connector, [changed('read'), missing('list'), fresh('send'), changed('write'), missing('copy'), fresh('burn')])
      const before = new Map(['read', 'list', 'write', 'copy'].map((subject) => [subject, 'v1']))
      expect(await drifts.reviewed(connector, before)).toEqual([])
      const after = new Map([...[['read', 'v2'] as const, ['write', 'v1'] as const], ...[['copy', 'v1'] as const, ['send', 'n1'] as const]])
      expect(await drifts.reviewed(connector, after)).toEqual(['list', 'read', 'send'])
      expect((await drifts.of(connector)).map(({ subject }) => subject)).toEqual(['burn', 'copy', 'write'])
      expect(await drifts.reviewed(connector, after)).toEqual([])
      expect((await entries(connector)).at(-1)).toEqual({ kind: 'connector.drift_reviewed', connector, subjects: ['list', 'read', 'send'] })
    })

    test('is bounded, and odd names are one row each', async () => {
      const { drifts } = at().storage
      const connector = connectorName()
      const many = Array.from({ length: LIMITS.driftsPerConnectorMax + 10 }, (_, i) => fresh(`t${i}`))
      await drifts.found(connector, [fresh('a\u0000b'), fresh('a\ufffdb'), ...many])
      expect(await drifts.count(connector)).toBe(LIMITS.driftsPerConnectorMax)
      await drifts.found(connector, [fresh("'; drop table entry; --")])
      expect((await drifts.of(connector)).map(({ subject }) => subject)).toEqual(["'; drop table entry; --"])
    })
  })

  test('how the newest calls of a connector ended', async () => {
    const { storage, recorder, clock, registry } = at()
    const epoch = registry.agent('helper')?.epoch ?? 0
    const ended: unknown[] = []
    for (const kind of ['completed', 'failed', 'not_sent', 'in_doubt'] as const) {
      clock.nowMs += 10
      const unit = permitted(clock, { epoch })
      await recorder.admit(unit)
      if (!unit.intent) throw new Error('no intent')
      const done = finished(unit.call.id, unit.intent)
      const sent = kind !== 'not_sent'
      const error = kind === 'completed' ? null : ({ code: 'UPSTREAM_TIMEOUT', message: 'x', ...(sent ? {} : { sent }) } as const)
      await recorder.finish({ ...done, outcome: { ...done.outcome, kind, upstreamStatus: null, error }, result: null, resultKept: 'none' })
      ended.unshift({ state: stateAfter(kind), upstreamStatus: null, code: error?.code ?? null, sent, at: clock.now() })
    }
    await recorder.admit(permitted(clock, { epoch }))
    expect(await storage.calls.ends('crm')).toEqual(ended)
    expect(await storage.calls.ends('nobody')).toEqual([])
  })
}
