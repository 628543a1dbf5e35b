import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { catalogueOf, closeTicket, getInvoice, listInvoices, question, releasePayment } from '../../policies/engine/test-organisation.ts'
import { freshPglite, freshPostgres, type TestDatabase } from '../storage/test-databases.ts'
import { openReplica, type Replica, type ReplicaOptions, texts } from './test-replica.ts'

const READ = '@id("read") permit (principal, action == Erp::Action::"listInvoices", resource);'
const WRITE = '@id("write") permit (principal, action == Erp::Action::"releasePayment", resource);'
const reads = texts({ org: READ })
const writes = texts({ org: WRITE })
const both = texts({ org: `${READ}\n${WRITE}` })
const faulty = texts({ org: '@id("x") permit (principal, action == Erp::Action::"nothing", resource);' })

const ids = ({ policies }: Replica): string[] => policies.decider.policies().map(({ id }) => id)

describe('the set to start with', () => {
  let database: TestDatabase
  const start = async (options: Omit<ReplicaOptions, 'database'>): Promise<Replica> => openReplica({ database, ...options })
  beforeEach(async () => {
    database = (await freshPostgres('the policy set to start with')) ?? freshPglite()
  })
  afterEach(() => database.drop())

  /** Starts in turn over one database; answers what each decides on, and how the last activation came about. */
  async function starts(turns: readonly Omit<ReplicaOptions, 'database'>[], between?: (replica: Replica) => Promise<unknown>) {
    const decidedOn: string[][] = []
    let history: { source: string }[] = []
    for (const [index, turn] of turns.entries()) {
      const replica = await start(turn)
      decidedOn.push(ids(replica))
      if (index === 0 && between) await between(replica)
      history = (await replica.storage.policySets.history(10)).map(({ source }) => ({ source }))
      const text = await replica.storage.policySets.text(replica.policies.decider.policySet, decidedOn.at(-1)?.[0] ?? '')
      expect(text).toMatchObject({ file: 'policies/org.cedar' })
      await replica.close()
    }
    return { decidedOn, activations: history.length, newest: history[0]?.source }
  }

  test('files fill an empty record, and edited files come over what was there', async () => {
    expect(await starts([{ files: reads }, { files: reads }, { files: both }])).toEqual({
      decidedOn: [['read'], ['read'], ['read', 'write']],
      activations: 2,
      newest: 'files',
    })
  })

  test('what was published stays over restarts until the files are edited', async () => {
    const publish = (replica: Replica) => replica.publish(writes)
    expect((await starts([{ files: reads }, { files: reads }, { files: reads }, { files: both }], publish)).decidedOn).toEqual([
      ['read'],
      ['write'],
      ['write'],
      ['read', 'write'],
    ])
  })

  test('where changes are reviewed, edited files change nothing, not even when they are faulty, and the log says so', async () => {
    const changes = 'review'
    expect(
      (
        await starts([
          { files: reads, changes },
          { files: both, changes },
          { files: faulty, changes },
        ])
      ).decidedOn,
    ).toEqual([['read'], ['read'], ['read']])
    const replica = await start({ files: both, changes })
    expect(replica.logged.map(({ level }) => level)).toEqual(['warn'])
    expect(replica.logged[0]?.words).toContain('policy propose')
    await replica.close()
  })

  test('operations that changed are a new set of the same texts', async () => {
    const catalogue = catalogueOf(releasePayment, listInvoices, closeTicket)
    expect(await starts([{ files: reads }, { files: reads, catalogue }], (replica) => replica.publish(writes))).toEqual({
      decidedOn: [['read'], ['write']],
      activations: 3,
      newest: 'connectors',
    })
  })

  test.each([
    ['files that are faulty are refused with their places', { files: faulty }, /policies\/org\.cedar:1/],
    [
      'a published set that no longer fits says so',
      { files: reads, catalogue: catalogueOf(getInvoice, listInvoices) },
      /was published and no longer fits/,
    ],
  ])('%s', async (_title, turn, words) => {
    const first = await start({ files: reads })
    await first.publish(texts({ erp: WRITE }))
    await first.close()
    await expect(start(turn)).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringMatching(words) })
  })
})

const reachable = await freshPostgres('policy sets that other processes activate')
await reachable?.drop()

describe.skipIf(reachable === undefined)('following', () => {
  const open: Replica[] = []
  let postgres: TestDatabase | undefined
  beforeEach(async () => {
    postgres = await freshPostgres('policy sets that other processes activate')
  })
  const replica = async (options: Omit<ReplicaOptions, 'database'>): Promise<Replica> => {
    if (!postgres) throw new Error('no PostgreSQL')
    const made = await openReplica({ database: postgres, ...options })
    open.push(made)
    return made
  }
  afterEach(async () => {
    for (const each of open.splice(0)) await each.close()
    await postgres?.drop()
  })

  test('a set that another process activates is taken over whole', async () => {
    const [a, b] = [await replica({ files: reads }), await replica({ files: reads })]
    b.policies.start()
    const old = b.policies.decider
    const made = await a.publish(writes)
    await expect.poll(() => b.policies.decider.policySet, { timeout: 5_000 }).toBe(made.policySet)
    expect(b.seen.at(-1)?.policySet).toBe(made.policySet)
    // Whoever took the old one before goes on with it: two sets never mix in one decision.
    expect(old.decide(question(listInvoices)).verdict.effect).toBe('permit')
    expect(b.policies.decider.decide(question(listInvoices)).verdict.effect).toBe('deny')
    const { policySet } = old
    expect(old.decide(question(listInvoices)).evidence.policySet).toBe(policySet)
  })

  test('what decided before is given back to memory', async () => {
    const a = await replica({ files: reads })
    const old = new WeakRef(a.policies.decider)
    for (const each of [writes, both]) await a.policies.took(await a.publish(each))
    expect(ids(a)).toEqual(['read', 'write'])
    setFlagsFromString('--expose-gc')
    const collect: () => void = runInNewContext('gc')
    await expect
      .poll(() => {
        collect()
        return old.deref()
      })
      .toBeUndefined()
  })

  test('looks at one moment compile once, and a set of one’s own is not compiled again', async () => {
    const [a, b] = [await replica({ files: reads }), await replica({ files: reads })]
    const made = await a.publish(writes)
    await Promise.all([1, 2, 3].map(() => b.policies.refresh()))
    expect(b.policies.decider.policySet).toBe(made.policySet)
    expect(b.compiled.length).toBe(1)
    await a.policies.took(made)
    expect(a.policies.decider).toBe(made)
    expect(a.compiled.length).toBe(0)
  })

  test('a set of one’s own that was replaced at once is not taken over', async () => {
    const [a, b] = [await replica({ files: reads }), await replica({ files: reads })]
    const made = await a.publish(writes)
    const later = await b.publish(both)
    await a.policies.took(made)
    expect(a.policies.decider.policySet).toBe(later.policySet)
  })

  test('who asks during a look waits for one more, even where others never stop asking', async () => {
    const a = await replica({ files: reads })
    let asking = true
    const crowd = (): Promise<void> => a.policies.refresh().then(() => (asking ? crowd() : undefined))
    const others = [1, 2, 3].map(async () => crowd())
    await Promise.all([a.policies.refresh(), a.policies.refresh()])
    asking = false
    await Promise.all(others)
  })

  test('a process with other operations stays on its set, says so once, and comes back when it can', async () => {
    const a = await replica({ files: reads })
    const b = await replica({ files: reads, catalogue: catalogueOf(getInvoice, listInvoices) })
    await a.publish(texts({ erp: WRITE }))
    await b.policies.refresh()
    await b.policies.refresh()
    expect(ids(b)).toEqual(['read'])
    expect(b.policies.behind?.why).toMatch(/releasePayment|faulty policies/)
    expect(b.logged.filter(({ level }) => level === 'error')).toHaveLength(1)
    expect(b.compiled).toHaveLength(1)
    await b.publish(reads)
    await b.policies.refresh()
    expect(b.policies.behind).toBeUndefined()
  })
})
