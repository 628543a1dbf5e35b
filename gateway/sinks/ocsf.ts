import type { Call } from '../core/call.ts'
import type { Entry, EntryBody, EntryKind } from '../core/entry.ts'
import type { CallId } from '../core/ids.ts'
import type { SinkLine } from '../ports/sink.ts'
import { type Attributes, type EntityActivity, ocsfEvent, type Particular, type Product } from './ocsf-event.ts'

/** Who calls what, as events tell it. */
type Caller = Pick<Call, 'agent' | 'subject' | 'operation' | 'operationVersion'>

export interface OcsfOptions extends Product {
  /** The entry itself, which every event has under `unmapped.entry`. */
  asEntry: SinkLine
}

type Body<K extends EntryKind> = Extract<EntryBody, { kind: K }>
/** `caller`: whose call it is about; undefined where it is about none. */
type Translations = { readonly [K in EntryKind]: (body: Body<K>, caller: Caller | undefined, callId: CallId | null) => Particular }

/** Lines of one event each. `callerOf`: of the calls that the entries belong to. */
export function ocsfLine({ asEntry, ...product }: OcsfOptions, callerOf: (id: CallId) => Caller | undefined): SinkLine {
  return (entry) => {
    const event = JSON.stringify(ocsfEvent(entry, particularOf(entry, callerOf), product))
    return `${event.slice(0, -1)},"unmapped":{"entry":${asEntry(entry)}}}`
  }
}

function particularOf({ body, callId }: Entry, callerOf: (id: CallId) => Caller | undefined): Particular {
  // A long entry is payload as a whole: all that is left of it is its kind.
  if (Object.keys(body).length === 1)
    return { of: 'base', activity: body.kind, message: `${body.kind}: a long entry, which is payload as a whole` }
  const translate = TRANSLATIONS[body.kind] as (body: EntryBody, caller: Caller | undefined, callId: CallId | null) => Particular
  return translate(body, callId === null ? undefined : callerOf(callId), callId)
}

const person = (name: string): Attributes => ({ user: { name, uid: name } })

const actorOf = ({ agent, subject }: Pick<Caller, 'agent' | 'subject'>): Attributes => ({
  app_name: agent,
  user:
    subject === null ? { name: agent, uid: agent, type_id: 4, type: 'Service' } : { name: subject, uid: subject, type_id: 1, type: 'User' },
})

const GATEWAY = 'gatehouse'

/** What the schema asks of API activity, for a call that is known or not. */
function activityOf(caller: Caller | undefined, callId: CallId | null, response?: Attributes): Attributes {
  const request = callId === null ? undefined : { uid: callId }
  if (!caller) return { actor: { app_name: GATEWAY }, api: { operation: 'unknown', request, response }, src_endpoint: { name: GATEWAY } }
  const connector = caller.operation.split('.', 1)[0]
  return {
    actor: actorOf(caller),
    api: { operation: caller.operation, version: caller.operationVersion, service: { name: connector }, request, response },
    src_endpoint: { name: caller.agent },
    dst_endpoint: { svc_name: connector },
  }
}

const told = (caller: Caller | undefined): string => (caller ? `${caller.operation} by ${caller.agent}` : 'a call')

/** Of a call, by whoever called. */
const ofCall = (activity: string, caller: Caller | undefined, callId: CallId | null, rest: Partial<Particular> = {}): Particular => ({
  of: 'api',
  activity,
  message: `${told(caller)}: ${activity.toLowerCase()}`,
  ...rest,
  attributes: { ...activityOf(caller, callId), ...rest.attributes },
})

/** Something of the gateway's that people or the gateway change. `uid` is known to no other entity of its type. */
function ofEntity(type: string, uid: string, activity: EntityActivity | string, by: string, rest: Partial<Particular> = {}): Particular {
  const message = `${type} ${uid}: ${activity.toLowerCase()} by ${by}`
  const entity = { uid, name: uid, type_id: 99, type }
  return { of: 'entity', activity, message, ...rest, attributes: { actor: person(by), entity, ...rest.attributes } }
}

function ofPolicies(uid: string | null, activity: EntityActivity | string, by: string, rest: Partial<Particular> = {}): Particular {
  const named = uid ?? 'none'
  const entity = { uid: named, type_id: 5, type: 'Policy', policy: { uid: named } }
  return ofEntity('policy set', named, activity, by, { ...rest, attributes: { entity, ...rest.attributes } })
}

const DECISIONS = { permit: 'Success', hold: 'held', deny: 'Failure' } as const

function decided(
  { request, decision }: Body<'decision' | 'explained'>,
  activity: string,
  callId: CallId | null,
  actor: Attributes,
): Particular {
  const { verdict } = decision
  const authorizations = (verdict.policies.length > 0 ? verdict.policies : [undefined]).map((uid) => ({
    decision: verdict.effect,
    policy: uid === undefined ? undefined : { uid },
  }))
  return ofCall(activity, request, callId, {
    message: `${told(request)}: ${verdict.effect}`,
    status: DECISIONS[verdict.effect],
    code: verdict.effect === 'deny' ? verdict.reason : verdict.effect,
    severity: verdict.effect === 'deny' ? 'Low' : 'Informational',
    attributes: { actor: { ...actor, authorizations } },
  })
}

const OUTCOMES = { completed: 'Success', failed: 'Failure', not_sent: 'Failure', in_doubt: 'Unknown' } as const

function ended(
  { outcome: { kind, upstreamStatus, error } }: Body<'outcome'>,
  caller: Caller | undefined,
  callId: CallId | null,
): Particular {
  const code = upstreamStatus ?? undefined
  const response = { code, error: error?.code, error_message: error?.message }
  return ofCall('Outcome', caller, callId, {
    message: `${told(caller)}: ${kind}`,
    status: OUTCOMES[kind],
    code: error?.code ?? upstreamStatus,
    detail: error?.message,
    severity: kind === 'in_doubt' ? 'High' : kind === 'completed' ? 'Informational' : 'Low',
    attributes: { ...activityOf(caller, callId, response), ...(code !== undefined && { http_response: { code } }) },
  })
}

function agentChanged({ agent, by, change, status, attributes, epoch, why }: Body<'agent.changed'>): Particular {
  const activity = epoch === 1 && attributes ? 'Create' : status === 'suspended' ? 'Suspend' : status === 'retired' ? 'Disable' : 'Update'
  const attributesAfter = { comment: why, entity: { uid: agent, name: agent, type_id: 99, type: 'agent', version: String(epoch) } }
  return ofEntity('agent', agent, activity, by, { message: `agent ${agent}: ${change}`, attributes: attributesAfter })
}

/** A credential was made: the schema's own tickets are Kerberos's. */
const minted = (what: string, name: string, by: string): Particular => ({
  of: 'authentication',
  activity: what,
  message: `${what.toLowerCase()} for ${name} by ${by}`,
  attributes: { actor: person(by), user: { name, uid: name }, service: { name: GATEWAY } },
})

const plain = (activity: string, message: string, rest: Partial<Particular> = {}): Particular => ({
  of: 'base',
  activity,
  message,
  ...rest,
})

const RESOLVED = { HAPPENED: 'Success', DID_NOT_HAPPEN: 'Failure' } as const

/** What becomes of each kind of entry. */
const TRANSLATIONS: Translations = {
  decision: (body, _caller, callId) => decided(body, 'Decision', callId, actorOf(body.request)),
  explained: (body, _caller, callId) => decided(body, 'Explanation', callId, person(body.by)),
  intent: ({ intent }, caller, callId) => ofCall('Execution', caller, callId, { detail: `intent ${intent}` }),
  outcome: ended,
  cancelled: ({ by, why }, caller, callId) => ofCall('Cancellation', caller, callId, { status: 'Failure', detail: `${why}, by ${by}` }),
  lapsed: ({ process }, caller, callId) =>
    ofCall('Lapse', caller, callId, { status: 'Unknown', severity: 'High', detail: `process ${process} is gone` }),
  resolved: ({ by, effect }, caller, callId) =>
    ofCall('Resolution', caller, callId, { status: RESOLVED[effect], code: effect, detail: `by ${by}` }),
  refused: ({ door, agent, asked, code, message }) => ({
    ...{ of: 'api', activity: 'Refusal', status: 'Failure', code, detail: message, severity: 'Low' },
    message: `refused at ${door}: ${code}`,
    attributes: {
      ...{ actor: { app_name: agent ?? 'unknown' }, api: { operation: asked ?? 'unknown' }, src_endpoint: { name: agent ?? 'unknown' } },
      dst_endpoint: { svc_name: door },
    },
  }),
  view: ({ by, what }, _caller, callId) => ({
    ...{ of: 'api', activity: 'Read', message: `${by} looked at ${what}` },
    attributes: {
      ...{ actor: person(by), src_endpoint: { name: by }, dst_endpoint: { svc_name: GATEWAY } },
      api: { operation: 'view', service: { name: GATEWAY }, ...(callId && { request: { uid: callId } }) },
    },
  }),
  account: ({ agent, subject, traceId, count }) => ({
    ...{ of: 'api', activity: 'Account', message: `${agent} told ${count} spans of trace ${traceId}` },
    attributes: {
      ...{ actor: actorOf({ agent, subject }), src_endpoint: { name: agent }, dst_endpoint: { svc_name: GATEWAY } },
      api: { operation: 'account', service: { name: GATEWAY }, request: { uid: traceId } },
    },
  }),
  erased: ({ calls, by, why, entries }) =>
    ofEntity('payloads', calls.join(' '), 'Delete', by, {
      detail: why,
      message: `payloads of ${calls.length} calls erased by ${by}: ${entries} entries`,
    }),
  'log.pruned': ({ floor, entries, by, why }) =>
    ofEntity('log', String(floor), 'Delete', by, {
      detail: why,
      message: `the log begins at ${floor}: ${entries} entries removed by ${by}`,
    }),
  'log.restored': ({ from, to, by, why }) =>
    ofEntity('log', String(to?.size ?? 0), 'Update', by, {
      detail: why,
      message: `the log was put back from ${from.size} entries to ${to?.size ?? 0} by ${by}`,
    }),
  labelled: ({ agent, labels }) => plain('Labels', `agent ${agent} carries ${labels.join(', ')}`),
  'run.started': ({ run, by }) => ofEntity('run', run, 'Create', by),
  'hold.opened': ({ hold }) => ofEntity('hold', hold.id, 'Create', GATEWAY, { code: hold.state }),
  'hold.changed': ({ hold, from, to, by, why }) =>
    ofEntity('hold', hold, 'Update', by, { message: `hold ${hold}: ${from} to ${to} by ${by}`, code: to, detail: why }),
  'hold.escalated': ({ hold, step }) => ofEntity('hold', hold, 'Update', GATEWAY, { message: `hold ${hold}: escalated, step ${step}` }),
  'hold.expiring': ({ hold }) => plain('Expiry near', `hold ${hold} is about to expire and nobody has decided`, { severity: 'Low' }),
  'hold.edited': ({ hold, by }) => ofEntity('hold', hold, 'Update', by, { message: `hold ${hold}: arguments edited by ${by}` }),
  vote: ({ hold, voter, verdict }) =>
    ofEntity('hold', hold, 'Update', voter, { message: `hold ${hold}: ${verdict} by ${voter}`, code: verdict }),
  'grant.proposed': ({ hold, by }) => ofEntity('hold', hold, 'Create', by, { message: `hold ${hold}: proposed by ${by}` }),
  'grant.opened': ({ grant }) => ofEntity('grant', grant.id, 'Create', grant.givers.join(', ')),
  'grant.used': ({ grant, use }, caller) =>
    ofEntity('grant', grant, 'Update', caller?.agent ?? GATEWAY, { message: `grant ${grant}: use ${use} for ${told(caller)}` }),
  'grant.revoked': ({ grant, by, why }) => ofEntity('grant', grant, 'Disable', by, { detail: why }),
  'grant.died': ({ grant, why }) => ofEntity('grant', grant, 'Disable', GATEWAY, { detail: why }),
  'grant.break_glass': ({ id, hold, by, reason }) =>
    ofEntity('break-glass approval', id, 'Create', by, { severity: 'High', detail: reason, message: `${by} approved hold ${hold} alone` }),
  'grant.review_lapsed': ({ id, by }) => ofEntity('break-glass approval', id, 'Update', by, { severity: 'High', code: 'lapsed' }),
  'grant.reviewed': ({ id, by, verdict }) => ofEntity('break-glass approval', id, 'Update', by, { code: verdict }),
  'notice.sent': ({ notice, person: to, channel }) => plain('Notice', `${notice} to ${to} by ${channel}`),
  'notice.given_up': ({ notice, person: to, channel, why }) =>
    plain('Notice', `${notice} to ${to} by ${channel} was given up`, { status: 'Failure', severity: 'Medium', detail: why }),
  'agent.changed': agentChanged,
  'agent.token': ({ agent, by }) => minted('Agent token', agent, by),
  'person.token': ({ person: name, by }) => minted('Person token', name, by),
  'person.link': ({ person: name, by }) => minted('Sign-in link', name, by),
  'person.session': ({ person: name, change }) => ({
    ...{ of: 'authentication', activity: change === 'signed_in' ? 'Logon' : 'Logoff', message: `${name} ${change.replace('_', ' ')}` },
    attributes: { actor: person(name), user: { name, uid: name }, service: { name: GATEWAY } },
  }),
  'credential.set': ({ connector, credential, version, by }) =>
    ofEntity('credential', `${connector}/${credential}`, version === 1 ? 'Create' : 'Update', by),
  'connector.drift_found': ({ connector, drift }) =>
    ofEntity('connector', connector, 'Update', GATEWAY, {
      severity: 'Medium',
      message: `connector ${connector}: drift in ${drift.length} places`,
    }),
  'connector.drift_reviewed': ({ connector }) =>
    ofEntity('connector', connector, 'Update', GATEWAY, { message: `connector ${connector}: reviewed` }),
  'connector.drift_gone': ({ connector }) =>
    ofEntity('connector', connector, 'Update', GATEWAY, { message: `connector ${connector}: drift gone` }),
  'playbook.served': ({ playbook, version }) =>
    ofEntity('playbook', `${playbook} ${version}`, 'Create', GATEWAY, { message: `playbook ${playbook}: version ${version} is served` }),
  'policy.proposed': ({ policySet, by, note }) => ofPolicies(policySet, 'Create', by, { detail: note }),
  'policy.reviewed': ({ policySet, by, verdict }) => ofPolicies(policySet, 'Update', by, { code: verdict }),
  'policy.activated': ({ policySet, by, why }) => ofPolicies(policySet, 'Activate', by, { detail: why }),
  'policy.rolled_back': ({ policySet, by, why, emergency }) =>
    ofPolicies(policySet, 'Activate', by, { detail: why, severity: emergency ? 'High' : 'Informational' }),
  'policy.refused': ({ policySet, by, code, message }) =>
    ofPolicies(policySet, 'Update', by, { status: 'Failure', severity: 'Medium', code, detail: message }),
}
