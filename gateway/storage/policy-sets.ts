import { LRUCache } from 'lru-cache'
import { type Selectable, sql } from 'kysely'
import { type Clock, instant } from '../core/clock.ts'
import type { EntryBody } from '../core/entry.ts'
import type { ProposalId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import type { Publication } from '../ports/call-store.ts'
import type { PolicyText } from '../ports/decider.ts'
import type { PolicyTests } from '../ports/policy-source.ts'
import type {
  ActivationResult,
  NewActivation,
  NewProposal,
  PolicyActivation,
  PolicyProposal,
  PolicySets,
  RecordedPolicySet,
  StoredPolicySet,
} from '../ports/policy-sets.ts'
import { goLive, prepareCounters } from './counter-series.ts'
import { reading, unavailable } from './outage.ts'
import type { Db, PolicyActivationTable, PolicyProposalTable, PolicySetTable, Tx } from './tables.ts'
import type { TransactionScope } from './transaction-scope.ts'
import type { Writer } from './writer.ts'

/** One more than a page, so that who asks knows whether there are more. */
const bounded = (first: number): number => Math.max(0, Math.min(Math.trunc(first), LIMITS.pageRowsMax + 1))

const setFromRow = ({ hash, texts, policies, stored_ms: storedMs }: Selectable<PolicySetTable>): StoredPolicySet =>
  Object.freeze({ ...texts, hash, policies, storedAt: instant(storedMs) })

const activationFromRow = (row: Selectable<PolicyActivationTable>): PolicyActivation => ({
  seq: row.seq,
  policySet: row.policy_set,
  base: row.base,
  source: row.source,
  rollBack: row.roll_back,
  by: row.by,
  reviewer: row.reviewer,
  why: row.why,
  proposal: row.proposal as ProposalId | null,
  at: instant(row.at_ms),
})

/** All of a proposal but its tests, which may be long. */
const PROPOSAL = ['id', 'change', 'state', 'policy_set', 'base', 'by', 'facts', 'reviewer', 'comment', 'proposed_ms', 'decided_ms'] as const

const proposalFromRow = (row: Omit<Selectable<PolicyProposalTable>, 'tests'>): PolicyProposal => ({
  id: row.id as ProposalId,
  change: row.change,
  state: row.state,
  policySet: row.policy_set,
  base: row.base,
  by: row.by,
  ...row.facts,
  reviewer: row.reviewer,
  comment: row.comment,
  proposedAt: instant(row.proposed_ms),
  decidedAt: row.decided_ms === null ? null : instant(row.decided_ms),
})

/** Policy sets by the contract of `PolicySets`; the last few are remembered, since they never change. */
export function policySetsOn(db: Db, writer: Writer, clock: Clock): PolicySets {
  const remembered = new LRUCache<string, StoredPolicySet>({ max: LIMITS.policySetsRememberedMax })
  const set = async (hash: string): Promise<StoredPolicySet | undefined> => {
    const known = remembered.get(hash)
    if (known) return known
    const row = await reading(() => db.selectFrom('policy_set').selectAll().where('hash', '=', hash).executeTakeFirst())
    const found = row && setFromRow(row)
    if (found) remembered.set(hash, found)
    return found
  }
  const writing = <T>(work: (scope: TransactionScope) => Promise<T>): Promise<T> =>
    writer.transact(work).catch((error: unknown) => {
      throw unavailable(error)
    })
  return {
    active: () =>
      reading(async () => {
        const row = await db.selectFrom('gateway_state').select(['policy_set', 'files_digest', 'holds_reviewed']).executeTakeFirstOrThrow()
        return { policySet: row.policy_set, filesDigest: row.files_digest, holdsReviewed: row.holds_reviewed }
      }),
    recorded: () => reading(() => recordedOf(db)),
    activatedTexts: (hash) => reading(() => activatedTextsOf(db, hash)),
    keep: (kept) => writing((scope) => keepIn(scope, kept)),
    whole: (hash) => reading(() => wholeOf(db, hash)),
    set,
    text: async (hash, policyId) => (await set(hash))?.policies.find(({ id }) => id === policyId),
    history: (first, before) =>
      reading(async () => {
        let query = db.selectFrom('policy_activation').selectAll().orderBy('seq', 'desc').limit(bounded(first))
        if (before !== undefined) query = query.where('seq', '<', before)
        return (await query.execute()).map(activationFromRow)
      }),
    activation: (hash) =>
      reading(async () => {
        const newest = db.selectFrom('policy_activation').selectAll().where('policy_set', '=', hash).orderBy('seq', 'desc')
        const row = await newest.limit(1).executeTakeFirst()
        return row && activationFromRow(row)
      }),
    propose: (proposal) => writing((scope) => propose(scope, proposal)),
    proposal: (id) =>
      reading(async () => {
        const row = await db.selectFrom('policy_proposal').select(PROPOSAL).where('id', '=', id).executeTakeFirst()
        return row && proposalFromRow(row)
      }),
    proposals: (state, first, after) =>
      reading(async () => {
        let query = db.selectFrom('policy_proposal').select(PROPOSAL).orderBy('id', 'desc').limit(bounded(first))
        if (state !== undefined) query = query.where('state', '=', state)
        if (after !== undefined) query = query.where('id', '<', after)
        return (await query.execute()).map(proposalFromRow)
      }),
    proposalTests: (id) =>
      reading(async () => {
        const row = await db.selectFrom('policy_proposal').select('tests').where('id', '=', id).executeTakeFirst()
        return row?.tests ?? undefined
      }),
    setTests: (hash) => reading(() => testsOf(db, hash)),
    reject: (id, by, comment) => writing(async (scope) => (await decide(scope, id, { state: 'rejected', by, comment })) !== undefined),
    activate: async (activation) => {
      await reading(() => prepareCounters(db, clock, activation.series))
      return await writing((scope) => activate(scope, activation))
    },
    count: async (policySet, series) => {
      await reading(() => prepareCounters(db, clock, series))
      await writing(async ({ tx, atMs }) => {
        const state = await tx.selectFrom('gateway_state').select('policy_set').forUpdate().executeTakeFirstOrThrow()
        if (state.policy_set === policySet) await goLive(tx, series, atMs)
      })
    },
    tookFiles: (filesDigest) =>
      writing(async ({ tx }) => {
        await tx.updateTable('gateway_state').set({ files_digest: filesDigest }).execute()
      }),
    reviewedHolds: (policySet) =>
      writing(async ({ tx }) => {
        await tx.updateTable('gateway_state').set({ holds_reviewed: policySet }).where('policy_set', '=', policySet).execute()
      }),
  }
}

async function keepIn({ tx, atMs }: TransactionScope, { hash, whole, policies, files, facts }: Parameters<PolicySets['keep']>[0]) {
  await tx
    .insertInto('policy_set')
    .values({ hash, texts: JSON.stringify({ files, facts }), policies: JSON.stringify(policies), stored_ms: atMs })
    .onConflict((oc) => oc.doNothing())
    .execute()
  if (whole === null) return
  await tx
    .insertInto('policy_set_whole')
    .values({ hash, whole })
    .onConflict((oc) => oc.doNothing())
    .execute()
}

/** Which may come out of their order, by what clocks of replicas differ. */
const NAMED_MAX = 16

/** In one statement, so that an activation in between is seen by both parts or by none. */
async function recordedOf(db: Db): Promise<RecordedPolicySet> {
  const rows = await db
    .selectFrom('gateway_state as s')
    .leftJoin(
      (eb) =>
        eb
          .selectFrom('entry')
          .select(['body', 'at_ms'])
          .where('kind', 'in', ['policy.activated', 'policy.rolled_back'])
          .orderBy('at_ms', 'desc')
          .orderBy('process', 'desc')
          .orderBy('seq', 'desc')
          .limit(NAMED_MAX)
          .as('e'),
      (join) => join.onTrue(),
    )
    .innerJoin('log_floor as f', (join) => join.onTrue())
    .select(['s.policy_set', 'e.body', 'e.at_ms', 'f.floor'])
    .execute()
  const named = rows.flatMap(({ body, at_ms }) =>
    body && at_ms !== null && 'policySet' in body && typeof body.policySet === 'string'
      ? [{ policySet: body.policySet, at: instant(at_ms) }]
      : [],
  )
  return { policySet: rows[0]?.policy_set ?? null, named: named.sort((a, b) => b.at - a.at), removed: (rows[0]?.floor ?? 0) > 0 }
}

async function activatedTextsOf(db: Db, hash: string): Promise<Readonly<Record<string, string>> | undefined> {
  const { rows } = await sql<{ body: EntryBody }>`select body from entry
    where kind = 'policy.activated' and body::text like ${`%"policySet":"${hash}"%`} order by at_ms desc limit ${LIMITS.pageRowsMax}`.execute(
    db,
  )
  for (const { body } of rows) if (body.kind === 'policy.activated' && body.policySet === hash) return body.policies
  return undefined
}

async function wholeOf(db: Db, hash: string): Promise<string | undefined> {
  return (await db.selectFrom('policy_set_whole').select('whole').where('hash', '=', hash).executeTakeFirst())?.whole
}

async function testsOf(db: Db, hash: string): Promise<readonly PolicyTests[] | undefined> {
  const row = await db
    .selectFrom('policy_proposal')
    .select('tests')
    .where('policy_set', '=', hash)
    .where('state', '=', 'active')
    .where('tests', 'is not', null)
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row?.tests ?? undefined
}

async function propose({ tx, append, atMs }: TransactionScope, proposal: NewProposal): Promise<PolicyProposal> {
  const { id, change, policySet, base, by, note, remarks, tests } = proposal
  await tx
    .insertInto('policy_proposal')
    .values({
      ...{ id, change, base, by },
      state: 'open',
      policy_set: policySet,
      facts: JSON.stringify({ note, remarks }),
      tests: tests && JSON.stringify(tests),
      reviewer: null,
      comment: 'null',
      proposed_ms: atMs,
      decided_ms: null,
    })
    .execute()
  append(null, { kind: 'policy.proposed', proposal: id, change, policySet, base, by, note })
  return {
    id,
    change,
    policySet,
    base,
    by,
    note,
    remarks,
    state: 'open',
    reviewer: null,
    comment: null,
    proposedAt: instant(atMs),
    decidedAt: null,
  }
}

interface Review {
  state: 'active' | 'rejected'
  by: string
  comment: string | null
}

/** Ends an open proposal, once, with its entry. Undefined where it is not open. */
async function decide({ tx, append, atMs }: TransactionScope, id: ProposalId, review: Review): Promise<PolicyProposal | undefined> {
  const { state, by, comment } = review
  const row = await tx
    .updateTable('policy_proposal')
    .set({ state, reviewer: by, comment: JSON.stringify(comment), decided_ms: atMs })
    .where('id', '=', id)
    .where('state', '=', 'open')
    .returning(PROPOSAL)
    .executeTakeFirst()
  if (!row) return undefined
  const verdict = state === 'active' ? 'approve' : 'reject'
  append(null, { kind: 'policy.reviewed', proposal: id, policySet: row.policy_set, by, verdict, comment })
  return proposalFromRow(row)
}

async function activate(scope: TransactionScope, activation: NewActivation): Promise<ActivationResult> {
  const { tx, atMs } = scope
  const { policySet, base, source, proposal, reviewer, why, filesDigest, series } = activation
  // This lock waits for intents under way; whatever commits after it is compared with the new set.
  const state = await tx.selectFrom('gateway_state').select('policy_set').forUpdate().executeTakeFirstOrThrow()
  const bound = source === 'review' || source === 'emergency'
  if (bound && state.policy_set !== base) return { kind: 'stale', active: state.policy_set }
  if (state.policy_set === policySet) {
    await goLive(tx, series, atMs)
    return { kind: 'same' }
  }
  if (proposal !== null) {
    const decided = await decide(scope, proposal, { state: 'active', by: reviewer ?? '', comment: why })
    if (!decided) return { kind: 'decided' }
    if (!activation.rollBack) await insertPublishers(tx, decided)
  }
  await goLive(tx, series, atMs)
  await tx
    .updateTable('gateway_state')
    .set({ policy_set: policySet, holds_reviewed: null, ...(filesDigest === null ? {} : { files_digest: filesDigest }) })
    .execute()
  await tx
    .insertInto('policy_activation')
    .values({
      policy_set: policySet,
      base: state.policy_set,
      source,
      roll_back: activation.rollBack,
      by: activation.by,
      reviewer,
      why: JSON.stringify(why),
      proposal,
      at_ms: atMs,
    })
    .execute()
  scope.append(null, entryOf(activation, state.policy_set, await policiesOf(tx, policySet)))
  return { kind: 'activated', at: instant(atMs) }
}

function entryOf(
  { policySet, source, by, why, proposal, rollBack }: NewActivation,
  base: string | null,
  policies: readonly PolicyText[],
): EntryBody {
  if (rollBack)
    return { kind: 'policy.rolled_back', policySet, base: base ?? '', by, why: why ?? '', proposal, emergency: source === 'emergency' }
  const hashes = Object.fromEntries(policies.map(({ id, hash }) => [id, hash]))
  const from = source === 'emergency' ? 'review' : source
  return { kind: 'policy.activated', policySet, base, source: from, by, proposal, why, policies: hashes }
}

async function policiesOf(tx: Tx, hash: string): Promise<readonly PolicyText[]> {
  return (await tx.selectFrom('policy_set').select('policies').where('hash', '=', hash).executeTakeFirstOrThrow()).policies
}

/** The proposer published what the base does not have word for word. */
async function insertPublishers(tx: Tx, { policySet, base, by }: PolicyProposal): Promise<void> {
  const before = new Set((await policiesOf(tx, base)).map(({ id, hash }) => `${id}\n${hash}`))
  const rows = (await policiesOf(tx, policySet))
    .filter(({ id, hash }) => !before.has(`${id}\n${hash}`))
    .map(({ id, hash }) => ({ policy_id: id, policy_hash: hash, person: by }))
  if (rows.length === 0) return
  await tx
    .insertInto('policy_publisher')
    .values(rows)
    .onConflict((oc) => oc.doNothing())
    .execute()
}

/** Who published one of these texts, sorted. */
export async function publishersOf(db: Db, policies: readonly PublishedText[]): Promise<readonly string[]> {
  return [...new Set((await publicationsOf(db, policies)).map(({ person }) => person))]
}

type PublishedText = Omit<Publication, 'person'>

/** Who published which of these texts, by person. */
export async function publicationsOf(db: Db, policies: readonly PublishedText[]): Promise<readonly Publication[]> {
  if (policies.length === 0) return []
  return await db
    .selectFrom('policy_publisher')
    .select(['policy_id as policyId', 'policy_hash as policyHash', 'person'])
    .where(({ eb, refTuple, tuple }) =>
      eb(
        refTuple('policy_id', 'policy_hash'),
        'in',
        policies.map(({ policyId, policyHash }) => tuple(policyId, policyHash)),
      ),
    )
    .orderBy('person')
    .execute()
}
