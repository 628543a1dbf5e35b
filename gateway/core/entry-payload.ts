import type { Asserted } from './call.ts'
import type { Decision, LookedUp } from './decision.ts'
import type { EntryBody } from './entry.ts'
import { NOBODY_EXCLUDED } from './exclusion.ts'
import type { Grant, StandingTerms } from './grant.ts'
import type { Hold } from './hold.ts'

type DecisionBody = Extract<EntryBody, { kind: 'decision' | 'explained' }>

/** What of a decision entry is payload: arguments, the agent's words, and every fact that was looked at. */
export interface DecisionPayload extends Pick<Asserted, 'rationale' | 'decisionRecord'> {
  input: DecisionBody['request']['input']
  evidence: EvidencePayload
}

/** The same of the decision alone, which calls that ask the same share. */
export interface EvidencePayload {
  request: Decision['evidence']['request']
  /** Fields of the lookups, in their order. */
  fields?: readonly LookedUp['fields'][]
}

/** The payload of an entry: all that may be about a person, and can be erased. Everything else of it is in the log for good. */
export type EntryPayload =
  | DecisionPayload
  | Pick<Extract<EntryBody, { kind: 'hold.edited' }>, 'changes' | 'comment'>
  | Pick<Hold, 'excluded' | 'gives' | 'nonce'>
  | Pick<Extract<EntryBody, { kind: 'grant.proposed' }>, 'gives' | 'comment'>
  | Pick<Grant, 'arguments'>
  | Pick<Extract<EntryBody, { kind: 'account' }>, 'told'>
  | { comment: string }
  | { evidence: string }

/** Values that a grant lets pass are arguments. */
const withoutValues = <T extends StandingTerms>(terms: T): T => ({ ...terms, arguments: [] })

export const evidencePayload = ({ evidence }: Decision): EvidencePayload => ({
  request: evidence.request,
  ...(evidence.lookups && { fields: evidence.lookups.map(({ fields }) => fields) }),
})

export function bareDecision(decision: Decision): Decision {
  const { evidence } = decision
  const lookups = evidence.lookups ? { lookups: evidence.lookups.map((lookup) => ({ ...lookup, fields: null })) } : {}
  return { ...decision, evidence: { ...evidence, request: {}, ...lookups } }
}

export function bareRequest(request: DecisionBody['request']): DecisionBody['request'] {
  const { rationale: _said, decisionRecord: _attached, ...asserted } = request.asserted
  return { ...request, input: {}, asserted }
}

export const requestPayload = ({ input, asserted }: DecisionBody['request']): Omit<DecisionPayload, 'evidence'> => ({
  input,
  ...(asserted.rationale !== undefined && { rationale: asserted.rationale }),
  ...(asserted.decisionRecord !== undefined && { decisionRecord: asserted.decisionRecord }),
})

/** The entry without its payload: what stays when that is erased, and what people see who may not look at payloads. */
export function withoutPayload(body: EntryBody): EntryBody {
  switch (body.kind) {
    case 'decision':
    case 'explained':
      return { ...body, request: bareRequest(body.request), decision: bareDecision(body.decision) }
    case 'hold.edited':
      return { ...body, comment: null, changes: body.changes.map(({ pointer }) => ({ pointer })) }
    case 'hold.opened':
      // The hold's digest covers the arguments: without the nonce nobody can try out which.
      return {
        ...body,
        hold: { ...body.hold, nonce: '', excluded: NOBODY_EXCLUDED, ...(body.hold.gives && { gives: withoutValues(body.hold.gives) }) },
      }
    case 'grant.proposed':
      return { ...body, comment: null, gives: body.gives && withoutValues(body.gives) }
    case 'grant.opened':
      return { ...body, grant: withoutValues(body.grant) }
    case 'account':
      return { ...body, told: [] }
    case 'vote':
      return { ...body, comment: null }
    case 'resolved':
      return { ...body, evidence: '' }
    default:
      return body
  }
}

/** Null where an entry of this kind has none. */
export function payloadOf(body: EntryBody): EntryPayload | null {
  switch (body.kind) {
    case 'decision':
    case 'explained':
      return { ...requestPayload(body.request), evidence: evidencePayload(body.decision) }
    case 'hold.edited':
      return { changes: body.changes, comment: body.comment }
    case 'hold.opened':
      return { nonce: body.hold.nonce, excluded: body.hold.excluded, ...(body.hold.gives && { gives: body.hold.gives }) }
    case 'grant.proposed':
      return { gives: body.gives, comment: body.comment }
    case 'grant.opened':
      return { arguments: body.grant.arguments }
    case 'account':
      return { told: body.told }
    case 'vote':
      return body.comment === null ? null : { comment: body.comment }
    case 'resolved':
      return { evidence: body.evidence }
    default:
      return null
  }
}

function withDecisionPayload<Body extends DecisionBody>(body: Body, { input, evidence, ...said }: DecisionPayload): Body {
  const { request, decision } = body
  const lookups = decision.evidence.lookups?.map((lookup, at) => ({ ...lookup, fields: evidence.fields?.[at] ?? null }))
  return {
    ...body,
    request: { ...request, input, asserted: { ...request.asserted, ...said } },
    decision: { ...decision, evidence: { ...decision.evidence, request: evidence.request, ...(lookups && { lookups }) } },
  }
}

/** The whole entry again: `withoutPayload(body)` and `payloadOf(body)` put together are `body`. */
export function withPayload(body: EntryBody, payload: EntryPayload): EntryBody {
  switch (body.kind) {
    case 'decision':
    case 'explained':
      return withDecisionPayload(body, payload as DecisionPayload)
    case 'hold.opened':
      return { ...body, hold: { ...body.hold, ...(payload as Pick<Hold, 'excluded' | 'gives' | 'nonce'>) } }
    case 'grant.opened':
      return { ...body, grant: { ...body.grant, ...(payload as Pick<Grant, 'arguments'>) } }
    default:
      return { ...body, ...payload } as EntryBody
  }
}

const LONG_CHARS = 1_000
const MANY_MEMBERS = 64

/** The same shape without what makes it long: long texts, lists and maps are empty. For an entry that has no room in the log. */
export function shortened<T>(value: T): T {
  if (JSON.stringify(value).length <= LONG_CHARS) return value
  if (typeof value === 'string') return '' as T
  if (Array.isArray(value)) return [] as T
  const members = Object.entries(value as object)
  if (members.length > MANY_MEMBERS) return {} as T
  return Object.fromEntries(members.map(([name, member]) => [name, member === undefined ? member : shortened(member)])) as T
}
