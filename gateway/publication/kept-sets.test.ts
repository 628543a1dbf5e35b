import { sql } from 'kysely'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createDecider } from '../../policies/engine/decider.ts'
import { acme, catalogueOf, closeTicket, listInvoices, releasePayment, source } from '../../policies/engine/test-organisation.ts'
import { instant } from '../core/clock.ts'
import type { Catalogue } from '../core/operation.ts'
import { comparisonBeside } from '../open-policies.ts'
import type { Decider } from '../ports/decider.ts'
import type { PolicySetTexts } from '../ports/policy-sets.ts'
import { policySetsOn } from '../storage/policy-sets.ts'
import { editBehind } from '../storage/test-edits.ts'
import { freshPglite, freshPostgres, type TestDatabase } from '../storage/test-databases.ts'
import { provenSets } from './kept-sets.ts'
import { openingSet, type PolicyChanges } from './opening-set.ts'
import { openReplica, type Replica, texts } from './test-replica.ts'
import { sourceOf } from './texts.ts'

const CAP = `// Large ones are refused.
@id("cap") @reason("too large") forbid (principal, action == Erp::Action::"releasePayment", resource) when { context.input.amount.greaterThan(decimal("50000.0")) };`
const MAY = '@id("may") permit (principal, action == Erp::Action::"releasePayment", resource);'
const files = { ...texts({ org: `${CAP}\n${MAY}` }), facts: { path: 'policies/facts.yaml', text: facts('1h') } }
const others = texts({ org: MAY })

function facts(window: string): string {
  return `history:\n  released: { count: [erp.releasePayment], window: ${window} }\n`
}

const SET = '(select policy_set from gateway_state)'
const swapped = (column: string, from: string, to: string): string =>
  `update policy_set set ${column} = replace(${column}::text, '${from}', '${to}')::json where hash = ${SET}`
const hashOf = (text: string): string => `encode(sha256(convert_to($$${text}$$, 'UTF8')), 'hex')`
const RAISED = CAP.slice(CAP.indexOf('@id')).replace('50000', '90000')
const LOWERED = CAP.slice(CAP.indexOf('@id'))

const forged: readonly [string, readonly string[], RegExp][] = [
  ['a policy in the files', [swapped('texts', '50000', '90000')], /org\.cedar:2 has a policy that does not belong to it/],
  ['a policy as people read it', [swapped('policies', '50000', '90000')], /the policy `cap` is another/],
  [
    'both, with the hash of the text',
    [
      swapped('texts', '50000', '90000'),
      swapped('policies', '50000', '90000'),
      `update policy_set set policies = replace(policies::text, ${hashOf(LOWERED)}, ${hashOf(RAISED)})::json where hash = ${SET}`,
    ],
    /org\.cedar:2 has a policy that does not belong to it/,
  ],
  ['a policy more', [swapped('texts', '// Large ones are refused.', 'permit (principal, action, resource);')], /org\.cedar:1 has a policy/],
  ['a policy less', [swapped('texts', 'permit (principal', '// permit (principal')], /no file has|org\.cedar:\d/],
  ['whose policy it is', [swapped('texts', '"connector":null', '"connector":"erp"')], /org\.cedar:2 has a policy/],
  ['what is said of a policy', [swapped('policies', '"reason":"too large"', '"reason":"as agreed"')], /what is said of the policy `cap`/],
  ['the effect of a policy', [swapped('policies', '"forbid"', '"permit"')], /what is said of the policy `cap`/],
  ['a declared fact', [swapped('texts', 'window: 1h', 'window: 1s')], /the declared fact `released` is another/],
  [
    'all declared facts',
    [`update policy_set set texts = jsonb_set(texts::jsonb, '{facts}', 'null')::json where hash = ${SET}`],
    /`released` is another/,
  ],
  ['what is no policy set', [`update policy_set set texts = '{"files": 7}' where hash = ${SET}`], /it cannot be read/],
  ['a set that is gone', [`delete from policy_set where hash = ${SET}`], /is not in the database/],
  [
    'the whole text, beside its constraint',
    [
      'alter table policy_set_whole drop constraint policy_set_whole_check',
      `update policy_set_whole set whole = replace(whole, '50000', '90000')`,
      swapped('texts', '50000', '90000'),
      swapped('policies', '50000', '90000'),
    ],
    /its whole text is another/,
  ],
  [
    'texts, and the whole text is gone',
    ['delete from policy_set_whole', swapped('texts', '50000', '90000'), swapped('policies', '50000', '90000')],
    /its policies are others than when it became active/,
  ],
  [
    'declared facts, and the whole text is gone',
    ['delete from policy_set_whole', swapped('texts', 'window: 1h', 'window: 2h')],
    /compiles to another one/,
  ],
]

const databases: readonly [string, () => Promise<TestDatabase | undefined>][] = [
  ['PGlite', () => Promise.resolve(freshPglite())],
  ['PostgreSQL', () => freshPostgres('edited policy sets')],
]

/** What is edited, and put back. */
const TABLES = ['policy_set', 'policy_set_whole', 'policy_activation', 'gateway_state']

interface Start {
  files?: PolicySetTexts
  changes?: PolicyChanges
  catalogue?: Catalogue
}

for (const [kind, fresh] of databases) {
  const database = await fresh()

  describe.skipIf(database === undefined)(`policy sets that somebody edits in ${kind}`, () => {
    let replica: Replica
    let first: string
    let second: string
    const log = { info: () => undefined, warn: () => undefined, error: () => undefined }

    /** As another start over this database opens its set. */
    async function start({ files: own = files, changes = 'review', catalogue = acme }: Start = {}): Promise<Decider> {
      const { database, writer } = replica.storage
      const stored = policySetsOn(database.db, writer, { now: () => instant(Date.now()) })
      const sets = provenSets(stored, { compare: comparisonBeside({ catalogue }), log, onAltered: () => undefined })
      const compile = (texts: PolicySetTexts): Decider => createDecider(sourceOf(source({}, catalogue), texts))
      return await openingSet({ sets, changes, files: own, compile, seriesOf: () => [], log })
    }
    const edit = (...statements: string[]) => editBehind(replica.storage.database, ...statements)

    beforeAll(async () => {
      if (!database) return
      replica = await openReplica({ database, files: others, changes: 'review' })
      first = replica.policies.decider.policySet
      // Of another minute: clocks of replicas may differ by one.
      await edit('update entry set at_ms = at_ms - 120000')
      second = (await replica.publish(files)).policySet
      await edit(...TABLES.map((table) => `create table kept_${table} as table ${table}`))
    })
    afterEach(async () => {
      await edit(...TABLES.flatMap((table) => [`delete from ${table}`, ...restored(table)]))
    })
    afterAll(async () => {
      await replica.close()
      await database?.drop()
    })
    const restored = (table: string): string[] => [
      `insert into ${table} ${table === 'policy_activation' ? 'overriding system value ' : ''}select * from kept_${table}`,
    ]

    test.each(forged)('the gateway does not start: %s', async (_title, edits, words) => {
      await edit(...edits)
      await expect(start()).rejects.toMatchObject({ code: 'RECORD_ALTERED', message: expect.stringMatching(words) })
      // Nor does it with other operations, where every set compiles to another one.
      const catalogue = catalogueOf(releasePayment, listInvoices, closeTicket)
      await expect(start({ catalogue })).rejects.toMatchObject({ code: 'RECORD_ALTERED' })
      const { rows } = await sql`select from policy_activation`.execute(replica.storage.database.db)
      expect(rows).toHaveLength(2)
    })

    test('comments are not what a set is named after', async () => {
      await edit(swapped('texts', 'Large ones', 'Big ones'))
      expect((await start()).policySet).toBe(second)
    })

    test.each([
      ['the pointer alone', [`update gateway_state set policy_set = (select policy_set from policy_activation order by seq limit 1)`]],
      ['no pointer', ['update gateway_state set policy_set = null']],
      [
        'pointer and history',
        [
          'update gateway_state set policy_set = (select policy_set from policy_activation order by seq limit 1)',
          'delete from policy_activation where seq = (select max(seq) from policy_activation)',
        ],
      ],
    ])('another set than the one activated last does not bind: %s', async (_title, edits) => {
      await edit(...edits)
      await expect(start()).rejects.toMatchObject({
        code: 'RECORD_ALTERED',
        message: expect.stringMatching(/gateway_state\.policy_set.*the record says that `[0-9a-f]{12}` was activated last/),
      })
    })

    test('a running gateway that is pointed at an edited set, or at another one, stays on its own and says why', async () => {
      const { policies, sets, logged } = replica
      expect(policies.decider.policySet).toBe(first)
      await edit(swapped('texts', '50000', '90000'))
      await policies.refresh()
      expect(policies.decider.policySet).toBe(first)
      expect(policies.behind).toMatchObject({ policySet: second, why: expect.stringContaining('is not what its hash covers') })
      for (const read of [sets.text(second, 'may'), sets.set(second)]) await expect(read).rejects.toMatchObject({ code: 'RECORD_ALTERED' })
      expect(logged.map(({ words }) => words)).toContain('a policy set in the database is not what its hash covers: somebody altered it')
    })

    test('a running gateway that is pointed at what nobody activated stays on its own', async () => {
      const { policySet } = createDecider(sourceOf(source({}, acme), texts({ org: MAY.replace('permit', 'permit ') })))
      await edit(`update gateway_state set policy_set = '${policySet}'`)
      await replica.policies.refresh()
      expect(replica.policies.behind).toMatchObject({ policySet, why: expect.stringContaining('was activated last') })
    })

    test('edited files come over an edited set', async () => {
      await edit(swapped('texts', '50000', '90000'))
      expect((await start({ files: texts({ org: `${MAY}\n` }), changes: 'files' })).policySet).toBe(first)
      await replica.policies.refresh()
      expect(replica.policies.behind).toBeUndefined()
    })
  })
}
