import type { AccountDropped, AccountMessage, AccountSpan, AccountTool } from './account.ts'
import type { Asserted, CallError, DecisionRecord, Outcome } from './call.ts'
import type { Decision, DecisionEvidence, LookedUp, MatchedHold, Verdict } from './decision.ts'
import type { DriftSummary } from './drift.ts'
import type { ArgumentChange } from './edit.ts'
import type { CallRequest, Entry } from './entry.ts'
import type { Fault } from './errors.ts'
import type { EscalationStep, Requirement } from './escalation.ts'
import type { Excluded } from './exclusion.ts'
import type { Reservation } from './facts.ts'
import type { ArgumentConstraint, Constraint, Grant, GrantAmount, GrantTotal, StandingBounds, StandingTerms } from './grant.ts'
import type { CountedVoter, Hold } from './hold.ts'
import type { AgentAttributes } from './principal.ts'

type Nullable<V> = null extends V ? `${string} or null${string}` : string
type Said<T, M extends keyof T> = Pick<T, M> extends Required<Pick<T, M>> ? Nullable<T[M]> : `optional: ${string}`

/** What stands in each member of a type, for people: none is forgotten, and what may be absent or null is said to be. */
export type Members<T> = { readonly [M in keyof Required<T>]: Said<T, M> }

type EveryMember<T> = T extends unknown ? keyof T : never
type MembersOfAny<T> = { readonly [M in EveryMember<T>]: string }

interface Shapes {
  Leaf: Members<Pick<Entry, 'process' | 'seq' | 'at' | 'body' | 'commitment'> & { form: string; call: Entry['callId'] }>
  Request: Members<CallRequest>
  Asserted: Members<Asserted>
  'Decision record': Members<DecisionRecord>
  Decision: Members<Decision>
  Verdict: MembersOfAny<Verdict>
  Evidence: Members<DecisionEvidence>
  Lookup: Members<LookedUp>
  'Matched hold': Members<MatchedHold>
  Reservation: Members<Reservation>
  Outcome: Members<Outcome>
  'Call error': Members<CallError>
  Fault: Members<Fault>
  Hold: Members<Hold>
  Requirement: Members<Requirement>
  'Escalation step': Members<EscalationStep>
  Excluded: Members<Excluded>
  'Standing bounds': Members<StandingBounds>
  'Counted voter': Members<CountedVoter>
  Change: Members<ArgumentChange>
  Terms: Members<StandingTerms>
  Grant: Members<Omit<Grant, keyof StandingTerms>>
  'Argument constraint': Members<ArgumentConstraint>
  Constraint: MembersOfAny<Constraint>
  Total: Members<GrantTotal>
  Amount: Members<GrantAmount>
  'Agent attributes': Members<AgentAttributes>
  Drift: Members<DriftSummary>
  Span: Members<AccountSpan>
  Message: Members<AccountMessage>
  Tool: Members<AccountTool>
  Dropped: Members<AccountDropped>
}

/** Members of what bodies of entries are made of, by the name that `ENTRY_REFERENCE` uses. */
export const ENTRY_SHAPES: Shapes = {
  Leaf: {
    form: '`gatehouse/entry@v1`',
    process: 'text: id of the process that wrote it',
    seq: 'whole number, dense for each process, from 1',
    at: 'time: never before the one of the same process before it',
    call: 'id of the call, or null where it is about no one call',
    body: 'the members below, without payload, beside `kind`',
    commitment: 'SHA-256 over salt and payload, or null where it has no payload',
  },
  Request: {
    door: '`graphql`, `mcp`, `http`',
    agent: 'name',
    agentEpoch: 'whole number: grows with every change of the agent',
    owner: 'person who answered for the agent then',
    subject: 'person acted for, or null',
    issuer: '`iss` of the token',
    actors: 'list of names: the act chain (RFC 8693), outermost first, the agent itself the first',
    operation: '`<connector>.<name>`',
    operationVersion: 'SHA-256 of the reviewed description',
    input: 'object: arguments, canonical. Payload',
    asserted: '[Asserted](#asserted)',
    traceId: 'W3C trace id, or null',
  },
  Asserted: {
    rationale: "optional: text, the agent's word. Payload",
    run: 'optional: id or name of the run',
    decisionRecord: 'optional: [Decision record](#decision-record). Payload',
  },
  'Decision record': {
    playbook: 'name',
    version: 'text',
    outcome: 'text',
    record: 'optional: object, what the agent attached',
    checked: 'optional: whether outcome and record had the form of that version; absent in entries of before there were playbooks',
    schema: 'optional: SHA-256 over the canonical JSON of the schema that `record` was checked against',
  },
  Decision: { verdict: '[Verdict](#verdict)', evidence: '[Evidence](#evidence)' },
  Verdict: {
    effect: '`permit`, `hold`, `deny`',
    policies: 'list of ids: what determined it, sorted',
    holds: 'list of [Matched hold](#matched-hold), with `hold` alone',
    reason: '`no_permit`, `forbidden`, `policy_error`, with `deny` alone',
    advice: 'text for the agent, with `deny`, where the policy has one',
    errors: 'list of texts, with `deny`, where policies could not be asked',
  },
  Evidence: {
    policySet: 'SHA-256: the name of the file in `policy-sets/`',
    engine: 'name and version',
    request: 'object: what Cedar was asked (principal, action, resource, context, entities). Payload',
    lookups: 'optional: list of [Lookup](#lookup), sorted by fact',
    shadow: 'list of policy ids that would have forbidden it',
  },
  Lookup: {
    fact: 'name',
    operation: '`<connector>.<name>`',
    fields: 'object by name of field, or null where there are none. Payload',
    digest: 'SHA-256 over the canonical JSON of `fields`, or null',
    error: 'why there are none, or null',
  },
  'Matched hold': {
    policyId: 'id',
    policyHash: "SHA-256 of the policy's text",
    approval: 'name in `approvals.yaml`',
    reason: 'optional: text for people',
    advice: 'optional: text for the agent',
  },
  Reservation: {
    key: 'HMAC-SHA256, lower-case hexadecimal, under a key that the installation keeps: tells equal counters apart, nothing else',
    amount: 'decimal as text, at most four places; or null where the call alone counts',
  },
  Outcome: {
    kind: '`completed`, `failed`, `in_doubt`, `not_sent` (no byte went to the system)',
    upstreamStatus: 'HTTP status, or null',
    error: '[Call error](#call-error), or null',
    resultDigest: 'SHA-256 over the bytes of the filtered answer, or null',
    resultBytes: 'bytes of it',
    upstreamMs: 'milliseconds that the system took',
    masked: 'optional: `classes` and `pointers`, lists of texts: what the caller may not read, and where',
  },
  'Call error': {
    code: '[code](errors.md)',
    message: 'text',
    advice: 'optional: text for the agent',
    sent: 'optional: `false` where the gateway itself sent nothing',
  },
  Fault: { pointer: 'JSON pointer (RFC 6901)', message: 'text' },
  Hold: {
    id: 'id',
    callId: 'id of the call',
    state: '`open`, as it is when it is opened',
    matched: 'list of [Matched hold](#matched-hold)',
    requires: 'list of [Requirement](#requirement): all of them, by distinct people',
    denyThreshold: 'so many refusals end the call',
    onApproval: '`execute`, `claim` (the agent comes for it)',
    escalate: 'list of [Escalation step](#escalation-step)',
    escalated: 'how many of these have happened',
    edits: '`allowed`, `forbidden`',
    excludes: 'list of pointers into the facts: whom they name may not vote',
    excluded: '[Excluded](#excluded). Payload',
    standing: '[Standing bounds](#standing-bounds), or null where no grant may come with it',
    gives: 'optional: [Terms](#terms) of the grant that comes with the approval. Payload: of the first part `arguments` is empty',
    approvalVersions: 'object: name of the approval to SHA-256 over the canonical JSON of its definition',
    digest: 'SHA-256: what votes are about',
    nonce: 'text: part of what `digest` is over. Payload',
    expiresAt: 'time',
    createdAt: 'time',
    decidedAt: 'time, or null',
  },
  Requirement: { group: 'name', count: 'people', standIns: 'optional: list of groups that may fill these seats as well' },
  'Escalation step': {
    afterMs: 'milliseconds after the hold was opened',
    to: 'group that may fill the seats from then on, or null',
    notify: 'list of groups',
    seats: 'list of groups whose seats these are',
  },
  Excluded: { people: 'list of names, sorted', unknown: 'list of pointers where nobody is named: then nobody may vote' },
  'Standing bounds': {
    maxUses: 'uses',
    totals: 'list of [Total](#total)',
    lifeMs: 'milliseconds',
    pinned: 'list of pointers that no grant may loosen, sorted',
  },
  'Counted voter': { person: 'name', groups: 'list: of the groups that the hold asks, those that the person was in then' },
  Change: {
    pointer: 'JSON pointer (RFC 6901)',
    from: 'optional: value; absent where it was added. Payload',
    to: 'optional: value; absent where it was removed. Payload',
  },
  Terms: {
    arguments: 'list of [Argument constraint](#argument-constraint). Payload',
    maxUses: 'uses',
    totals: 'list of [Total](#total)',
    until: 'time',
    by: 'person who proposed it',
  },
  Grant: {
    id: 'id',
    holdId: 'id of the hold whose approval gave it',
    callId: "id of that hold's call",
    agent: 'name',
    owner: 'person who answered for the agent then',
    subject: 'person, or null',
    operation: '`<connector>.<name>`',
    operationVersion: 'SHA-256 of the reviewed description',
    matched: 'list of [Matched hold](#matched-hold)',
    approvalVersions: 'object: as in [Hold](#hold)',
    requires: 'list of [Requirement](#requirement) that the givers filled',
    givers: 'list of people whose approval gave it, sorted',
    createdAt: 'time',
  },
  'Argument constraint': { pointer: 'JSON pointer (RFC 6901) of a value of the arguments', allows: '[Constraint](#constraint)' },
  Constraint: {
    kind: '`exactly`, `one_of`, `at_most`, `any`',
    value: 'with `exactly`',
    values: 'list, with `one_of`',
    most: 'decimal as text, with `at_most`',
  },
  Total: { of: 'JSON pointer (RFC 6901)', most: 'decimal as text: the sum over all uses' },
  Amount: { of: 'JSON pointer (RFC 6901)', amount: 'decimal as text' },
  'Agent attributes': {
    owner: 'person',
    team: 'text',
    region: 'text',
    purpose: 'text',
    roles: 'list of texts',
    clearance: 'list of data classes',
    autonomy: 'whole number',
  },
  Drift: {
    subject: 'what the system calls it',
    operation: '`<connector>.<name>`, or null where it is new',
    change: '`changed`, `missing`, `new`',
    reviewedVersion: 'SHA-256 of the reviewed description, or null where it is new',
    seenVersion: 'SHA-256 of what the system says now, or null where it is missing',
  },
  Span: {
    id: '16 hexadecimal digits',
    parent: '16 hexadecimal digits, or null',
    name: 'text',
    kind: '`unspecified`, `internal`, `server`, `client`, `producer`, `consumer`',
    startedAt: "time, by the agent's clock",
    endedAt: "time, by the agent's clock",
    status: '`unset`, `ok`, `error`',
    error: 'text, or null',
    operation: 'such as `chat`, or null',
    provider: 'text, or null',
    model: 'text, or null',
    agent: 'as the framework names it, or null',
    messages: 'list of [Message](#message)',
    tool: '[Tool](#tool), or null',
    inputTokens: 'tokens, or null',
    outputTokens: 'tokens, or null',
    finishReasons: 'list of texts',
  },
  Message: { side: '`input`, `output`', role: 'text', text: 'text', tool: 'name, or null' },
  Tool: { name: 'text, or null', arguments: 'text, or null', result: 'text, or null' },
  Dropped: { spans: 'spans', attributes: 'attributes and events', texts: 'texts that were cut short or left out' },
}
