import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import pg from 'pg'
import { createDecider } from '../../policies/engine/decider.ts'
import { JOBS } from '../../policies/engine/workshop-jobs.ts'
import { createInProcessBus } from '../bus/in-process.ts'
import type { OutcomeKind } from '../core/call.ts'
import { type Clock, instant } from '../core/clock.ts'
import { type CallId, newBreakGlassId, newGrantId, newHoldId, newProposalId, newRunId } from '../core/ids.ts'
import { counterKey } from '../credentials/counter-key.ts'
import { dryDecision } from '../pipeline/dry-decision.ts'
import { streaksOf } from '../pipeline/resume.ts'
import { proposeStanding } from '../pipeline/standing.ts'
import { createEntrySealer } from '../credentials/entry-sealer.ts'
import type { Bus } from '../ports/bus.ts'
import { createVault } from '../credentials/vault.ts'
import { createDetectors } from '../detectors/detectors.ts'
import { readPublicKeys } from '../identity/jwk-set.ts'
import { findingsIn } from '../pipeline/findings.ts'
import { textsIn } from '../pipeline/texts.ts'
import { compileValidators } from '../pipeline/validate.ts'
import type { Decider } from '../ports/decider.ts'
import type { Recorder } from '../ports/recorder.ts'
import type { Registry } from '../ports/registry.ts'
import type { PolicySetTexts } from '../ports/policy-sets.ts'
import type { Simulator } from '../ports/simulator.ts'
import type { PolicyFile, PolicySource } from '../ports/policy-source.ts'
import { LivePolicies } from '../publication/live-policies.ts'
import { openingSet } from '../publication/opening-set.ts'
import { createPublisher } from '../publication/publisher.ts'
import { sourceOf, textsOf } from '../publication/texts.ts'
import { noteSigner } from '../record/signed-note.ts'
import { createTransparencyLog } from '../record/transparency-log.ts'
import { createRecorder } from '../record/recorder.ts'
import { openStorage, type Storage } from '../storage/open-storage.ts'
import type { DevelopmentTokens, OperatorDeps } from './deps.ts'
import { type Ask, joinKey, newCall } from './fixture-call.ts'
import { agent, catalogue, people, policies } from './fixture-organisation.ts'
import { createOperator } from './operator.ts'

/** For tests of the control plane: real storage, recorder, registry, vault and policy engine. Nothing of the product imports it. */
export type Bed = Awaited<ReturnType<typeof openBed>>

const SEEDS = [agent('clerk'), agent('intern', { status: 'suspended' }), agent('gone', { status: 'retired' })]

/** A fresh database on the local PostgreSQL, and everything over it. `close` drops it; `reopen` is a second process over it. */
export async function openBed() {
  const database = `operator_${randomBytes(6).toString('hex')}`
  await onServer(`create database ${database}`)
  const bed = await openProcess(database)
  return {
    ...bed,
    reopen: () => openProcess(database),
    async close() {
      await bed.close()
      await onServer(`drop database ${database} with (force)`)
    },
  }
}

async function openProcess(database: string) {
  let offsetMs = 0
  const clock: Clock = { now: () => instant(Date.now() + offsetMs) }
  const bus = createInProcessBus()
  const storage = await openOn(database, clock, bus)
  const recorder = createRecorder({ writer: storage.writer, clock, bus })
  const registry = await storage.registry(SEEDS, people)
  const decider = compile(textsOf(SOURCE))
  const sets = storage.policySets
  await openingSet({ sets, changes: 'review', files: textsOf(SOURCE), compile, seriesOf: () => [], log: SILENT })
  const live = new LivePolicies({ sets, decider, compile: async (texts) => compile(texts), bus, log: SILENT })
  const publisher = createPublisher({
    ...{ sets, live, seriesOf: () => [], fileFaults: () => [], compile: async (texts) => compile(texts) },
    examine: async (texts, tests) => JOBS.examine({ source: sourceOf(SOURCE, texts), tests, organisation: ORGANISATION }),
  })
  const vault = createVault({ store: storage.credentials, organisation: 'acme', key: randomBytes(32), clock })
  const seen = { approved: [] as CallId[], logged: [] as unknown[], counted: [] as unknown[], edited: [] as unknown[] }
  const ids = { newProposalId: () => newProposalId(clock.now(), randomBytes(16)) }
  const own = { transparency: transparencyOf(storage), policySets: sets, notices: storage.notices }
  const changing = { ...own, publisher, ...ids, ...trying(sets) }
  const counting = { decider, organisation: 'acme', factKey: counterKey(randomBytes(32)) }
  const dry = { ...counting, clock, registry, store: storage.calls, detectors: [], labelWindowMs: 86_400_000 }
  const facts: Pick<OperatorDeps, 'decideDry' | 'streaksOf' | 'newRunId' | 'editHeld'> = {
    editHeld: async (call, hold, edit) => seen.edited.push({ call: call.id, hold: hold.id, ...edit }) > 0,
    decideDry: (subject, given, readsHistory) => dryDecision({ ...dry, decider: live.decider }, subject, given, readsHistory),
    streaksOf: (call) => streaksOf(counting, call),
    newRunId: () => newRunId(clock.now(), randomBytes(16)),
  }
  const deps = {
    ...fixedParts(seen),
    ...grantParts(clock, storage, recorder, registry),
    ...changing,
    decider: () => live.decider,
    ...facts,
    ...{ store: storage.calls, figures: storage.figures, drifts: storage.drifts, erasure: storage.erasure, search: storage.search },
    ...{ playbooks: storage.playbooks },
    ...{ recorder, registry, vault, clock, bus },
  }
  const ask = async (how: Ask) => {
    const { unit, holdId, intent } = newCall(live.decider, registry, clock.now(), how)
    const written = await recorder.admit(unit)
    if (written.kind !== 'recorded') throw new Error(`not recorded: ${written.kind}`)
    return { callId: unit.call.id, holdId, intent }
  }
  return {
    ...seen,
    cases: createOperator(deps),
    /** The same without a development issuer. */
    production: createOperator({ ...deps, developmentTokens: null }),
    storage,
    recorder,
    registry,
    vault,
    bus,
    live,
    /** Lets time pass. */
    pass: (ms: number) => {
      offsetMs += ms
    },
    /** A call of the clerk: above 1,000 it is held. */
    ask,
    /** A call that ran and ended so. */
    async ran(kind: OutcomeKind, amount: number): Promise<CallId> {
      const { callId, intent } = await ask({ amount })
      const done = kind === 'completed'
      const outcome = { kind, upstreamStatus: done ? 200 : 502, error: null, resultDigest: null, resultBytes: 0, upstreamMs: 12 }
      const result = { status: 200, headers: { 'content-type': 'application/json' }, body: '{"iban":"DE00"}', encoding: 'utf8' as const }
      await recorder.finish({ callId, intent, outcome, result: done ? result : null, resultKept: done ? 'kept' : 'none' })
      return callId
    },
    async entries(callId: CallId) {
      return (await storage.calls.entries(callId)).map(({ body }) => body)
    },
    /** Entries of one kind, whatever call they belong to, in order. */
    async notes(kind: string) {
      const all = await storage.calls.entriesAfter(null, 500)
      return all.map(({ body }) => body).filter((body) => body.kind === kind)
    },
    async close() {
      await recorder.close()
      await storage.close()
    },
  }
}

type Granting = Pick<OperatorDeps, 'grants' | 'breakGlass' | 'newGrantId' | 'newBreakGlassId' | 'proposeStanding'>

/** Standing grants as the line makes them, and an incident group. */
function grantParts(clock: Clock, storage: Storage, recorder: Recorder, registry: Registry): Granting {
  const random = () => randomBytes(16)
  const ids = { newHoldId: () => newHoldId(clock.now(), random()), nonce: () => random().toString('hex') }
  const proposing = { ...ids, organisation: 'acme', store: storage.calls, recorder, registry, catalogue, clock }
  return {
    grants: storage.grants,
    breakGlass: { group: 'commanders', lifeMs: 1_800_000, review: { by: 'security', withinMs: 86_400_000 } },
    newGrantId: () => newGrantId(clock.now(), random()),
    newBreakGlassId: () => newBreakGlassId(clock.now(), random()),
    proposeStanding: (call, hold, proposal) => proposeStanding(proposing, call, hold, proposal),
  }
}

const compile = (texts: PolicySetTexts): Decider => createDecider(sourceOf(SOURCE, texts))

const openOn = (database: string, clock: Clock, bus: Bus): Promise<Storage> =>
  openStorage({
    databaseUrl: `postgres://postgres@127.0.0.1:5432/${database}`,
    dataDir: tmpdir(),
    sealer: createEntrySealer(randomBytes(32), 'acme'),
    clock,
    bus,
  })

const transparencyOf = (storage: Storage) =>
  createTransparencyLog(storage.log, noteSigner('gatehouse/acme', randomBytes(32)), storage.sealer, null)

const LIBRARY: PolicyFile = {
  path: 'library/quiet.cedar (as quiet)',
  connector: null,
  text: '@id("library.quiet.all") @shadow forbid(principal, action, resource);',
}
const ORGANISATION = { agents: SEEDS, approvals: [], connectors: new Map([['erp', 'connectors/erp.yaml']]) }

const SILENT = { info: () => {}, warn: () => {}, error: () => {} }

/** What the workshop does, without a thread, and the detectors. */
function trying(
  sets: OperatorDeps['policySets'],
): Pick<OperatorDeps, 'nearMisses' | 'simulator' | 'drafts' | 'policyTestFiles' | 'findings'> {
  const detectors = createDetectors()
  const simulator: Simulator = {
    readingFindings: async (texts) => JOBS.readingFindings({ source: sourceOf(SOURCE, texts) }),
    redecide: async ({ draft, against, ...rest }) =>
      JOBS.redecide({ source: sourceOf(SOURCE, draft), against: against && sourceOf(SOURCE, against), ...rest }),
  }
  return {
    simulator,
    drafts: {
      inspect: async (texts, tests) => JOBS.inspect({ source: sourceOf(SOURCE, texts), tests, organisation: ORGANISATION }),
      diff: async (before, after, agents) => JOBS.diff({ before: sourceOf(SOURCE, before), after: sourceOf(SOURCE, after), agents }),
    },
    policyTestFiles: () => [{ path: 'tests/files.json', text: '[]' }],
    findings: (input) => findingsIn(detectors, textsIn(input)),
    async nearMisses(policySet, operation, request) {
      const set = await sets.set(policySet)
      return set ? JOBS.nearMisses({ source: sourceOf(SOURCE, set), policySet, operation, request }) : null
    },
  }
}

const SOURCE: PolicySource = {
  files: [LIBRARY, { path: 'policies/erp.cedar', connector: 'erp', text: policies }],
  catalogue,
  approvals: new Set(['finance']),
  people: [...people],
}

type Fixed = Pick<
  OperatorDeps,
  'readPublicKeys' | 'catalogue' | 'libraryFiles' | 'developmentTokens' | 'log' | 'count' | 'prepare' | 'joinKeyOf' | 'afterApproval'
>

function fixedParts(seen: { approved: CallId[]; logged: unknown[]; counted: unknown[] }): Fixed {
  const log = (fields: Readonly<Record<string, unknown>>) => void seen.logged.push(fields)
  const developmentTokens: DevelopmentTokens = {
    mintAgent: async (name, subject) => `agent-token ${name} ${subject}`,
    mintPerson: async (name) => `person-token ${name}`,
    signInLink: (name) => `link ${name}`,
  }
  const validators = compileValidators(catalogue)
  return {
    readPublicKeys,
    catalogue: () => catalogue,
    libraryFiles: [LIBRARY],
    developmentTokens,
    log: { info: log, warn: log, error: log },
    count: (name, labels) => void seen.counted.push({ name, ...labels }),
    prepare(of, input) {
      validators.check(of.id, input)
      return input
    },
    joinKeyOf: (call) => joinKey(call.agent, call.subject, call.operation, call.input),
    afterApproval: (callId) => seen.approved.push(callId),
  }
}

async function onServer(statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: 'postgres://postgres@127.0.0.1:5432/postgres' })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}
