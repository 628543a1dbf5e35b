import type { EntryBody, EntryKind } from './entry.ts'
import type { Members } from './entry-shapes.ts'

type BodyOf<Kind extends EntryKind> = Omit<Extract<EntryBody, { kind: Kind }>, 'kind'>

interface Documented<Kind extends EntryKind> {
  /** When it is written. */
  when: string
  members: Members<BodyOf<Kind>>
  /** Where what the payload has belongs in the body, both as JSON pointers; `*` is every item. */
  payload?: Readonly<Record<string, string>>
}

const DECISION_PAYLOAD = {
  '/input': '/request/input',
  '/rationale': '/request/asserted/rationale',
  '/decisionRecord': '/request/asserted/decisionRecord',
  '/evidence/request': '/decision/evidence/request',
  '/evidence/fields/*': '/decision/evidence/lookups/*/fields',
} as const

const HOLD = 'id of the hold'
const PERSON = 'person'
const TEXT = 'text'
const POLICY_SET = 'SHA-256: the name of the file in `policy-sets/`'
const FAULTS = 'list of [Fault](#fault)'
const CODE = '[code](errors.md)'

/** Every kind of entry, for whoever writes a verifier. The compiler ties it to `EntryBody`. */
export const ENTRY_REFERENCE: { readonly [Kind in EntryKind]: Documented<Kind> } = {
  decision: {
    when: 'policy was asked about a call: when it came, when its arguments were edited, and again before a held call goes on',
    members: {
      request: '[Request](#request)',
      decision: '[Decision](#decision)',
      release: 'id of the hold whose approved call goes on, or null',
      reserves: 'optional: list of [Reservation](#reservation), what a permitted call that waits for its turn added to counters',
    },
    payload: DECISION_PAYLOAD,
  },
  intent: {
    when: 'a call is about to be sent. Nothing is sent before it is durable',
    members: {
      intent: 'id, which its outcome names',
      agentEpoch: 'whole number, as in [Request](#request)',
      policySet: POLICY_SET,
      consumes: 'id of the hold whose approval it uses up, or null',
      reserves: 'optional: list of [Reservation](#reservation)',
    },
  },
  outcome: {
    when: 'what was sent came to an end',
    members: { intent: 'id of the intent of the same call', outcome: '[Outcome](#outcome)' },
  },
  labelled: {
    when: 'the answer of a call brought labels',
    members: { agent: 'name', subject: 'person, or null', run: 'id or name, or null', labels: 'list of texts' },
  },
  'run.started': {
    when: 'a person started a run',
    members: { run: 'id', agent: 'name', subject: 'person, or null', by: PERSON },
  },
  'hold.opened': {
    when: 'policy held a call',
    members: { hold: '[Hold](#hold)' },
    payload: { '/nonce': '/hold/nonce', '/excluded': '/hold/excluded', '/gives': '/hold/gives' },
  },
  'hold.changed': {
    when: 'a hold went from one state to another',
    members: {
      hold: HOLD,
      from: '`open`, `approved`',
      to: '`approved`, `consumed`, `rejected`, `expired`, `cancelled`, `denied`, `superseded`',
      by: 'person, agent, or the gateway',
      why: 'optional: text',
      counted: 'optional: list of [Counted voter](#counted-voter), whose votes approved or rejected it',
    },
  },
  'hold.escalated': {
    when: 'nobody had decided when a step was due',
    members: {
      hold: HOLD,
      step: 'whole number, from 1',
      to: 'group that may fill the seats from here on, or null',
      seats: 'list of groups whose seats these are',
      notify: 'list of groups',
    },
  },
  'hold.expiring': { when: 'nobody has decided and little time is left; once a hold', members: { hold: HOLD, expiresAt: 'time' } },
  'hold.edited': {
    when: 'a person put other arguments in the place of those of the decision before it',
    members: { hold: HOLD, by: PERSON, comment: 'text, or null. Payload', changes: 'list of [Change](#change)' },
    payload: { '/changes': '/changes', '/comment': '/comment' },
  },
  vote: {
    when: 'a person voted on a hold',
    members: {
      hold: HOLD,
      voter: PERSON,
      verdict: '`approve`, `reject`',
      comment: 'text, or null. Payload',
      digest: '`digest` of the hold as the person saw it',
      among: 'optional: so many votes were given together, this one included',
      groups: 'optional: list, of the groups that the hold asks those that the voter was in; absent in older entries',
    },
    payload: { '/comment': '/comment' },
  },
  'grant.proposed': {
    when: 'another hold took the place of one, whose approval gives a grant too, or none any more',
    members: {
      hold: HOLD,
      replaces: 'id of the hold before it',
      by: PERSON,
      comment: 'text, or null. Payload',
      gives: '[Terms](#terms), or null. Payload: of the first part `arguments` is empty',
    },
    payload: { '/gives': '/gives', '/comment': '/comment' },
  },
  'grant.opened': {
    when: 'an approval gave a grant',
    members: { grant: '[Grant](#grant) with its [Terms](#terms)' },
    payload: { '/arguments': '/grant/arguments' },
  },
  'grant.used': {
    when: 'a call that policy held goes on under a grant',
    members: { grant: 'id', use: 'which use, from 1', amounts: 'list of [Amount](#amount)' },
  },
  'grant.revoked': { when: 'a person ended a grant', members: { grant: 'id', by: PERSON, why: TEXT } },
  'grant.died': { when: 'what a grant rested on is gone', members: { grant: 'id', why: TEXT } },
  'grant.break_glass': {
    when: 'one person approved a hold in the place of all whom it asked',
    members: { id: 'id', hold: HOLD, by: PERSON, reason: TEXT, until: 'time when the approval ends', reviewDue: 'time' },
  },
  'grant.review_lapsed': { when: 'nobody reviewed an emergency approval in time', members: { id: 'id', by: 'the gateway' } },
  'grant.reviewed': {
    when: 'a person reviewed an emergency approval',
    members: { id: 'id', by: PERSON, verdict: '`justified`, `unjustified`', comment: TEXT },
  },
  cancelled: { when: 'a permitted call ended without an intent', members: { by: 'person, agent, or the gateway', why: TEXT } },
  lapsed: {
    when: 'the process that wrote the intent of a call is gone: the call is in doubt from here on',
    members: { process: 'id of that process' },
  },
  resolved: {
    when: 'a person said what became of a call in doubt',
    members: { by: PERSON, effect: '`HAPPENED`, `DID_NOT_HAPPEN`', evidence: 'text. Payload' },
    payload: { '/evidence': '/evidence' },
  },
  refused: {
    when: 'a request was refused before it became a call, or without a token that verifies',
    members: {
      door: '`graphql`, `mcp`, `http`, `status`, `otlp`, `operator`, `oauth`',
      agent: 'name, or null',
      asked: 'what was asked for, at most 256 characters, or null',
      code: CODE,
      message: TEXT,
      faults: FAULTS,
    },
  },
  'notice.sent': {
    when: 'a channel took a notice',
    members: { notice: 'kind of the notice', person: 'name', channel: 'name', hold: 'id, or null', attempt: 'from 1' },
  },
  'notice.given_up': {
    when: 'no channel took a notice, and it is not tried again',
    members: { notice: 'kind of the notice', person: 'name', channel: 'name', hold: 'id, or null', attempt: 'from 1', why: TEXT },
  },
  'agent.changed': {
    when: 'an agent was registered, or its status or attributes changed',
    members: {
      agent: 'name',
      by: 'person, `files`, or `local`',
      change: TEXT,
      epoch: 'whole number, afterwards',
      status: 'optional: `proposed`, `active`, `suspended`, `retired`, afterwards',
      why: 'optional: text',
      attributes: 'optional: [Agent attributes](#agent-attributes)',
      keys: 'optional: list of thumbprints (RFC 7638) of public keys',
    },
  },
  'agent.token': { when: 'a development token was made', members: { agent: 'name', by: PERSON, subject: 'person, or null' } },
  'person.token': { when: 'a development token was made', members: { person: 'name', by: PERSON } },
  'person.link': { when: 'a link was made that signs a person in once', members: { person: 'name', by: PERSON } },
  'person.session': { when: 'a person signed in or out', members: { person: 'name', change: '`signed_in`, `signed_out`' } },
  'credential.set': {
    when: 'a credential was set',
    members: { connector: 'name', credential: 'name', version: 'whole number, from 1', by: PERSON },
  },
  'connector.drift_found': {
    when: 'a system describes itself otherwise than people reviewed it',
    members: { connector: 'name', drift: 'list of [Drift](#drift)' },
  },
  'connector.drift_reviewed': {
    when: 'the reviewed description was imported anew',
    members: { connector: 'name', subjects: 'list of texts' },
  },
  'connector.drift_gone': {
    when: 'the system describes itself as it was reviewed again',
    members: { connector: 'name', subjects: 'list of texts' },
  },
  account: {
    when: 'an agent told of a trace, once for each request and trace: its own account, unverified',
    members: {
      count: 'spans told',
      dropped: '[Dropped](#dropped)',
      masked: 'list of what detectors found',
      told: 'list of [Span](#span). Payload',
      traceId: '32 hexadecimal digits',
      agent: 'name',
      subject: 'person, or null',
    },
    payload: { '/told': '/told' },
  },
  'playbook.served': {
    when: 'agents may fetch this version from here on',
    members: { playbook: 'name', version: TEXT, digest: 'SHA-256', schema: 'SHA-256 over the canonical JSON of the schema of its record' },
  },
  explained: {
    when: 'a person asked what policy would say of a call that nobody made',
    members: { by: PERSON, request: '[Request](#request)', decision: '[Decision](#decision)' },
    payload: DECISION_PAYLOAD,
  },
  view: {
    when: 'a person looked at payloads, before they are shown',
    members: { by: PERSON, what: '`payload`, `account`, or in words' },
  },
  erased: {
    when: 'payloads were destroyed',
    members: { calls: 'list of ids', by: 'person, or the gateway', why: TEXT, entries: 'how many entries lost theirs' },
  },
  'log.pruned': {
    when: 'old entries are about to be removed under retention',
    members: {
      floor: 'index of the first entry that stays',
      entries: 'how many go',
      newest: 'time of the newest of them, or null',
      lastCall: 'highest id of a call that has lost something, or null',
      processes: 'list of `process` (id) and `seq` (the last that goes)',
      checkpoint: 'the log as it was: `size` (entries) and `root` (SHA-256 in base64)',
      by: 'the gateway',
      why: TEXT,
    },
  },
  'log.restored': {
    when: 'the database was put back to an older state',
    members: {
      from: 'the log before: `size` (entries) and `root` (SHA-256 in base64)',
      to: 'the same of what is left, or null where nothing is',
      by: '`local`',
      why: TEXT,
    },
  },
  'policy.proposed': {
    when: 'a person proposed a policy set',
    members: {
      proposal: 'id',
      change: '`publish`, `roll-back`',
      policySet: POLICY_SET,
      base: 'the set that was active, as `policySet`',
      by: PERSON,
      note: TEXT,
    },
  },
  'policy.reviewed': {
    when: 'a person reviewed a proposal',
    members: { proposal: 'id', policySet: POLICY_SET, by: PERSON, verdict: '`approve`, `reject`', comment: 'text, or null' },
  },
  'policy.activated': {
    when: 'from here on intents bind to this set',
    members: {
      policySet: POLICY_SET,
      base: 'the set before, or null',
      source: '`files`, `connectors`, `review`',
      by: 'person, `files`, or the gateway',
      proposal: 'id, or null',
      why: 'text, or null',
      policies: 'object: id of the policy to SHA-256 of its text',
    },
  },
  'policy.rolled_back': {
    when: 'an older set is active again',
    members: {
      policySet: POLICY_SET,
      base: 'the set before',
      by: PERSON,
      why: TEXT,
      proposal: 'id, or null',
      emergency: 'whether it was done without a review',
    },
  },
  'policy.refused': {
    when: 'a change of policies was not taken',
    members: {
      change: '`publish`, `roll-back`, `review`, `files`',
      by: 'person, `files`, or the gateway',
      policySet: 'as in `policy.proposed`, or null where the texts never became a set',
      base: 'the set that was active, or null',
      code: CODE,
      message: TEXT,
      faults: FAULTS,
    },
  },
}
