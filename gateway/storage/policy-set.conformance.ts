import { createHash, randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import { describe, expect, test } from 'vitest'
import { newProposalId, type ProposalId } from '../core/ids.ts'
import type { PolicyText } from '../ports/decider.ts'
import type { ActivationResult, NewActivation, PolicySets } from '../ports/policy-sets.ts'
import { activateEmptySet } from './test-policy-sets.ts'
import type { TestStore } from './test-store.ts'
import { permitted, POLICY_SET } from './test-units.ts'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

const policy = (id: string, text: string): PolicyText => ({
  ...{ id, file: 'policies/org.cedar', line: 1, effect: 'permit', text, hash: sha256(text), annotations: { id } },
})

/** Keeps a set of these policies, id to text; answers its hash. */
async function keep(sets: PolicySets, policies: Readonly<Record<string, string>>): Promise<string> {
  const texts = Object.entries(policies)
  const hash = sha256(JSON.stringify(texts))
  const files = [{ path: 'policies/org.cedar', connector: null, text: texts.map(([, text]) => text).join('\n') }]
  await sets.keep({ hash, whole: JSON.stringify(texts), files, facts: null, policies: texts.map(([id, text]) => policy(id, text)) })
  return hash
}

const byFiles = (policySet: string, filesDigest: string | null = null): NewActivation => ({
  ...{
    policySet,
    base: null,
    source: 'files',
    rollBack: false,
    by: 'gatehouse',
    reviewer: null,
    why: null,
    proposal: null,
    filesDigest,
    series: [],
  },
})

const TESTS = [{ path: 'tests/org.json', text: '["\u0000"]' }]

/** Policy sets, proposals, activations and publishers. */
export function policySetConformance(at: () => TestStore): void {
  describe('policy sets', () => {
    const sets = (): PolicySets => at().storage.policySets
    const propose = async (policySet: string, by: string, change: 'publish' | 'roll-back' = 'publish'): Promise<ProposalId> => {
      const { policySet: base } = await sets().active()
      const id = newProposalId(at().clock.now(), randomBytes(16))
      await sets().propose({
        id,
        change,
        policySet,
        base: base ?? '',
        by,
        note: 'because',
        remarks: ['a remark'],
        tests: change === 'publish' ? TESTS : null,
      })
      return id
    }
    const approve = async (id: ProposalId, reviewer: string): Promise<ActivationResult> => {
      const proposal = await sets().proposal(id)
      if (!proposal) throw new Error('no such proposal')
      const { policySet, base, by, change } = proposal
      const rollBack = change === 'roll-back'
      return sets().activate({ ...byFiles(policySet), base, source: 'review', by, reviewer, why: 'fine', proposal: id, rollBack })
    }
    const entries = async (kind: string) =>
      (await at().storage.database.db.selectFrom('entry').select('body').where('kind', '=', kind).orderBy('seq').execute()).map(
        (e) => e.body,
      )

    test('a kept set is found by its hash, word for word, and never changes', async () => {
      const hash = await keep(sets(), { a: 'permit \u0000 "é" a;', b: 'permit b;' })
      await sets().keep({ hash, whole: null, files: [], facts: null, policies: [] })
      const set = await sets().set(hash)
      expect(set?.files).toEqual([{ path: 'policies/org.cedar', connector: null, text: 'permit \u0000 "é" a;\npermit b;' }])
      expect(sha256((await sets().whole(hash)) ?? '')).toBe(hash)
      expect((await sets().text(hash, 'b'))?.text).toBe('permit b;')
      expect(await sets().text(hash, 'c')).toBeUndefined()
      expect(await sets().text('0'.repeat(64), 'a')).toBeUndefined()
      const { db } = at().storage.database
      await expect(sql`update policy_set set texts = '{}' where hash = ${hash}`.execute(db)).rejects.toThrow(/never changed/)
      await expect(sql`delete from policy_activation`.execute(db)).rejects.toThrow(/never changed/)
    })

    test('the text that a set is named after may come later, and is no other', async () => {
      const whole = JSON.stringify({ made: at().clock.now() })
      const set = { hash: sha256(whole), files: [], facts: null, policies: [] }
      await sets().keep({ ...set, whole: null })
      expect(await sets().whole(set.hash)).toBeUndefined()
      await expect(sets().keep({ ...set, whole: `${whole} ` })).rejects.toThrow()
      await sets().keep({ ...set, whole })
      await sets().keep({ ...set, whole: null })
      expect(await sets().whole(set.hash)).toBe(whole)
    })

    test('files come over whatever is active, with their digest; what stays is no entry', async () => {
      const hash = await keep(sets(), { a: `permit ${at().clock.now()};` })
      const before = (await entries('policy.activated')).length
      expect(await sets().activate(byFiles(hash, 'digest 1'))).toMatchObject({ kind: 'activated' })
      expect(await sets().activate(byFiles(hash, 'digest 2'))).toEqual({ kind: 'same' })
      expect(await sets().active()).toMatchObject({ policySet: hash, filesDigest: 'digest 1' })
      await sets().tookFiles('digest 2')
      expect(await sets().active()).toMatchObject({ policySet: hash, filesDigest: 'digest 2' })
      expect((await entries('policy.activated')).length).toBe(before + 1)
      expect((await entries('policy.activated')).at(-1)).toMatchObject({
        policySet: hash,
        source: 'files',
        by: 'gatehouse',
        proposal: null,
      })
      await sets().reviewedHolds('f'.repeat(64))
      expect((await sets().active()).holdsReviewed).not.toBe('f'.repeat(64))
      await sets().reviewedHolds(hash)
      expect((await sets().active()).holdsReviewed).toBe(hash)
      await activateEmptySet(sets(), POLICY_SET)
      await sets().activate(byFiles(hash))
      expect((await sets().active()).holdsReviewed).toBeNull()
    })

    test('a proposal becomes active once, however many approve at one moment, and binds what commits after it', async () => {
      const { recorder, clock } = at()
      await activateEmptySet(sets(), POLICY_SET)
      const hash = await keep(sets(), { once: `permit ${clock.now()};` })
      const id = await propose(hash, 'sam')
      expect(await sets().proposals('open', 10)).toMatchObject([{ id, by: 'sam', note: 'because', remarks: ['a remark'], reviewer: null }])
      const results = await Promise.all(['tess', 'uma', 'vic'].map((who) => approve(id, who)))
      expect(results.map(({ kind }) => kind).sort()).toEqual(['activated', 'stale', 'stale'])
      expect(await recorder.admit(permitted(clock))).toEqual({ kind: 'stale', what: 'policies' })
      expect(await sets().proposal(id)).toMatchObject({ state: 'active', comment: 'fine' })
      expect(await sets().activation(hash)).toMatchObject({ base: POLICY_SET, source: 'review', by: 'sam', proposal: id, rollBack: false })
      expect((await sets().history(1))[0]).toMatchObject({ policySet: hash })
      const mine = (await entries('policy.reviewed')).filter((body) => body.kind === 'policy.reviewed' && body.proposal === id)
      expect(mine).toHaveLength(1)
      await activateEmptySet(sets(), POLICY_SET)
    })

    test('a proposal on a set that is no longer active, a decided one, and one’s own change nothing', async () => {
      await activateEmptySet(sets(), POLICY_SET)
      const hash = await keep(sets(), { late: `permit ${at().clock.now()} late;` })
      const [stale, rejected, own] = [await propose(hash, 'sam'), await propose(hash, 'sam'), await propose(hash, 'sam')]
      expect(await sets().reject(rejected, 'tess', 'no')).toBe(true)
      expect(await sets().reject(rejected, 'uma', 'no')).toBe(false)
      expect(await approve(rejected, 'uma')).toEqual({ kind: 'decided' })
      await expect(approve(own, 'sam')).rejects.toThrow()
      expect((await sets().proposal(own))?.state).toBe('open')
      await activateEmptySet(sets(), 'e'.repeat(64))
      expect(await approve(stale, 'tess')).toEqual({ kind: 'stale', active: 'e'.repeat(64) })
      expect((await sets().proposal(stale))?.state).toBe('open')
      expect(await sets().activation(hash)).toBeUndefined()
      await activateEmptySet(sets(), POLICY_SET)
    })

    test('the tests of a proposal are kept, and belong to its set once that became active by it', async () => {
      await activateEmptySet(sets(), POLICY_SET)
      const now = at().clock.now()
      const [published, rejected, filed] = [
        await keep(sets(), { tested: `permit ${now} tested;` }),
        await keep(sets(), { tested: `permit ${now} rejected;` }),
        await keep(sets(), { tested: `permit ${now} filed;` }),
      ]
      const id = await propose(published, 'sam')
      expect(await sets().proposalTests(id)).toEqual(TESTS)
      expect(await sets().setTests(published)).toBeUndefined()
      await sets().reject(await propose(rejected, 'sam'), 'tess', null)
      await approve(id, 'tess')
      await sets().activate(byFiles(filed))
      const back = await propose(published, 'sam', 'roll-back')
      expect(await sets().proposalTests(back)).toBeUndefined()
      await approve(back, 'tess')
      expect(await sets().setTests(published)).toEqual(TESTS)
      expect(await sets().setTests(rejected)).toBeUndefined()
      expect(await sets().setTests(filed)).toBeUndefined()
      expect(await sets().proposalTests(newProposalId(now, randomBytes(16)))).toBeUndefined()
      await activateEmptySet(sets(), POLICY_SET)
    })

    test('whoever proposed a text that became active is its publisher, for ever; a roll-back publishes nothing', async () => {
      await activateEmptySet(sets(), POLICY_SET)
      const now = at().clock.now()
      const first = await keep(sets(), { kept: `permit ${now} kept;`, changed: `permit ${now} 1;` })
      const second = await keep(sets(), { kept: `permit ${now} kept;`, changed: `permit ${now} 2;` })
      await approve(await propose(first, 'sam'), 'tess')
      await approve(await propose(second, 'uma'), 'tess')
      const by = (id: string, text: string) => at().storage.calls.publishers([{ policyId: id, policyHash: sha256(text) }])
      expect(await by('kept', `permit ${now} kept;`)).toEqual(['sam'])
      expect(await by('changed', `permit ${now} 1;`)).toEqual(['sam'])
      expect(await by('changed', `permit ${now} 2;`)).toEqual(['uma'])
      await approve(await propose(first, 'vic', 'roll-back'), 'tess')
      expect(await by('changed', `permit ${now} 1;`)).toEqual(['sam'])
      expect((await entries('policy.rolled_back')).at(-1)).toMatchObject({ policySet: first, base: second, by: 'vic', emergency: false })
      const both = [
        { policyId: 'kept', policyHash: sha256(`permit ${now} kept;`) },
        { policyId: 'changed', policyHash: sha256(`permit ${now} 2;`) },
      ]
      expect(await at().storage.calls.publishers(both)).toEqual(['sam', 'uma'])
      expect(await at().storage.calls.publishers([])).toEqual([])
      await activateEmptySet(sets(), POLICY_SET)
    })
  })
}
