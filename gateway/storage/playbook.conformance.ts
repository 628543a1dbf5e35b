import { describe, expect, test } from 'vitest'
import type { Playbook } from '../core/playbook.ts'
import type { TestStore } from './test-store.ts'

const book = (name: string, version: string, more: Partial<Playbook> = {}): Playbook => ({
  name,
  version,
  title: 'Zürich ☎',
  procedure: '1. Look.\n2. Decide.',
  outcomes: ['pay', 'ask'],
  record: { type: 'object', properties: { b: {}, a: {} } },
  digest: `digest of ${name} ${version}`,
  schema: 'schema',
  ...more,
})

let names = 0
const freshName = (): string => {
  names += 1
  return `book-${names}`
}

/** Versions of playbooks: what was served once stays. */
export function playbookConformance(at: () => TestStore): void {
  const entries = async (name: string): Promise<unknown[]> => {
    const rows = await at()
      .storage.database.db.selectFrom('entry')
      .select(['body', 'seq'])
      .where('kind', '=', 'playbook.served')
      .orderBy('seq')
      .execute()
    return rows.map(({ body }) => body).filter((body) => 'playbook' in body && body.playbook === name)
  }
  const entryOf = ({ name, version, digest, schema }: Playbook) => ({ kind: 'playbook.served', playbook: name, version, digest, schema })

  describe('playbooks', () => {
    test('are kept once, told once, and read again whole', async () => {
      const { storage, clock } = at()
      const name = freshName()
      const [one, two] = [book(name, '1'), book(name, '2')]
      const since = clock.now()
      expect(await storage.playbooks.serve([one])).toEqual([])
      clock.nowMs += 1_000
      expect(await storage.playbooks.serve([two, one])).toEqual([])
      expect(await storage.playbooks.serve([])).toEqual([])
      expect(await storage.playbooks.served(name, '1')).toEqual({ ...one, since })
      expect(await storage.playbooks.served(name, '2')).toEqual({ ...two, since: clock.now() })
      expect([await storage.playbooks.served(name, '3'), await storage.playbooks.served('nobody', '1')]).toEqual([undefined, undefined])
      expect(await entries(name)).toEqual([entryOf(one), entryOf(two)])
    })

    test('never change: with one that did, nothing is kept', async () => {
      const { storage, clock } = at()
      const name = freshName()
      const one = book(name, '1')
      const since = clock.now()
      await storage.playbooks.serve([one])
      const edited = book(name, '1', { digest: 'other', procedure: 'Pay.' })
      expect(await storage.playbooks.serve([book(name, '2'), edited])).toEqual([{ ...one, since }])
      expect(await storage.playbooks.served(name, '1')).toEqual({ ...one, since })
      expect(await storage.playbooks.served(name, '2')).toBeUndefined()
      expect(await entries(name)).toEqual([entryOf(one)])
    })

    test('of processes that start together are told once', async () => {
      const name = freshName()
      const all = Array.from({ length: 5 }, (_, i) => book(name, String(i)))
      const { storage } = at()
      expect(await Promise.all(Array.from({ length: 4 }, () => storage.playbooks.serve(all)))).toEqual([[], [], [], []])
      expect(await entries(name)).toHaveLength(5)
    })
  })
}
