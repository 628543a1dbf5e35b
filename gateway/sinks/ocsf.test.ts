import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { instant } from '../core/clock.ts'
import type { Entry, EntryBody, EntryKind } from '../core/entry.ts'
import { ENTRY_KINDS } from '../core/entry-kinds.ts'
import { withoutPayload } from '../core/entry-payload.ts'
import type { CallId } from '../core/ids.ts'
import { BODIES, CALL } from './fixture-bodies.ts'
import { ocsfLine } from './ocsf.ts'
import { OCSF_VERSION } from './ocsf-event.ts'

interface Attribute {
  type?: string
  object?: string
  array?: true
  required?: true
  enum?: Readonly<Record<string, string>>
}
interface Shape {
  attributes: Readonly<Record<string, Attribute>>
  constraints?: { at_least_one?: readonly string[] }
}
type Fields = Readonly<Record<string, unknown>>

const SCHEMA = JSON.parse(readFileSync(fileURLToPath(new URL('./test-ocsf-schema.json', import.meta.url)), 'utf8')) as {
  version: string
  classes: Readonly<Record<string, Shape & { category_uid: number; caption: string }>>
  objects: Readonly<Record<string, Shape>>
}

const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value)
const NUMBERS: ReadonlySet<string | undefined> = new Set(['integer_t', 'long_t'])

/** What of an object is not as the schema has it. */
function faultsIn(value: unknown, { attributes, constraints }: Shape, at: string): string[] {
  if (!isFields(value)) return [`${at} is no object`]
  const missing = Object.entries(attributes).filter(([name, { required }]) => required && value[name] === undefined)
  const { at_least_one: some } = constraints ?? {}
  return [
    ...missing.map(([name]) => `${at}.${name} is required`),
    ...(some && !some.some((name) => value[name] !== undefined) ? [`${at} needs one of ${some.join(', ')}`] : []),
    ...Object.entries(value).flatMap(([name, each]) => {
      const attribute = attributes[name]
      if (!attribute) return [`${at}.${name} is unknown`]
      if (!attribute.array) return faultsOf(each, attribute, `${at}.${name}`)
      return Array.isArray(each) ? each.flatMap((item) => faultsOf(item, attribute, `${at}.${name}[]`)) : [`${at}.${name} is no list`]
    }),
  ]
}

function faultsOf(value: unknown, { type, object, enum: known }: Attribute, at: string): string[] {
  if (object === 'object') return isFields(value) ? [] : [`${at} is no object`]
  if (object !== undefined) return faultsIn(value, SCHEMA.objects[object] ?? { attributes: {} }, at)
  if (NUMBERS.has(type)) {
    if (!Number.isSafeInteger(value)) return [`${at} is no integer`]
    return known && !(String(value) in known) ? [`${at} ${String(value)} is not in the enumeration`] : []
  }
  return type === 'string_t' && typeof value === 'string' ? [] : [`${at} is no ${type}`]
}

/** Beside a number stands its word, of the source's own where the number is 99. */
function faultsInWords(event: Fields, { attributes }: Shape): string[] {
  const words = { activity_id: 'activity_name', severity_id: 'severity', status_id: 'status' }
  return Object.entries(words).flatMap(([id, word]) => {
    const caption = attributes[id]?.enum?.[String(event[id])]
    if (event[id] === 99) return typeof event[word] === 'string' && event[word] !== 'Other' ? [] : [`${word} is missing`]
    return caption === event[word] ? [] : [`${word} is not ${caption}`]
  })
}

const entryOf = (body: EntryBody): Entry => ({
  process: 'p1',
  seq: 42,
  at: instant(1_790_000_000_000),
  callId: CALL.id,
  body,
  commitment: null,
})
const line = (callerOf: (id: CallId) => typeof CALL | undefined = () => CALL) =>
  ocsfLine({ organisation: 'acme', version: '1.2.3', asEntry: ({ body }) => JSON.stringify({ body }) }, callerOf)
const eventOf = (body: EntryBody, callerOf?: (id: CallId) => typeof CALL | undefined) => JSON.parse(line(callerOf)(entryOf(body))) as Fields

function faultsOfEvent(event: Fields): string[] {
  const shape = SCHEMA.classes[String(event.class_uid)]
  if (!shape) return [`there is no class ${String(event.class_uid)}`]
  return [
    ...faultsIn(event, shape, 'event'),
    ...faultsInWords(event, shape),
    ...(event.category_uid === shape.category_uid && event.class_name === shape.caption ? [] : ['of another category or name']),
    ...(event.type_uid === Number(event.class_uid) * 100 + Number(event.activity_id) ? [] : ['type_uid does not fit']),
  ]
}

test('the schema is the version that events name', () => expect(SCHEMA.version).toBe(OCSF_VERSION))

describe.each(ENTRY_KINDS.map((kind) => [kind]))('%s', (kind) => {
  test.each(BODIES[kind].map((body, i) => [i, body] as const))('is an event by the schema (%i)', (_i, body) => {
    for (const event of [eventOf(body), eventOf(withoutPayload(body)), eventOf(body, () => undefined), eventOf({ kind } as EntryBody)]) {
      expect(faultsOfEvent(event)).toEqual([])
      expect(event.metadata).toMatchObject({ uid: 'p1/42', sequence: 42, event_code: kind, tenant_uid: 'acme', correlation_uid: CALL.id })
    }
    expect(eventOf(body).unmapped).toEqual({ entry: { body: JSON.parse(JSON.stringify(body)) as unknown } })
  })
})

const of = (kind: EntryKind, i = 0): EntryBody => {
  const body = BODIES[kind][i]
  if (!body) throw new Error(`no ${kind} ${i}`)
  return body
}

test.each([
  ['a permit', of('decision'), { class_uid: 6003, status: 'Success', status_code: 'permit' }],
  ['a hold', of('decision', 1), { status_id: 99, status: 'held', status_code: 'hold' }],
  ['a deny', of('decision', 2), { status: 'Failure', status_code: 'forbidden', severity: 'Low' }],
  ['what a system took', of('outcome'), { status: 'Success', status_code: '201', http_response: { code: 201 } }],
  ['a call in doubt', of('outcome', 1), { status: 'Unknown', status_code: 'UPSTREAM_TIMEOUT', severity: 'High' }],
  ['a refusal', of('refused'), { class_uid: 6003, status: 'Failure', status_code: 'UNAUTHENTICATED' }],
  ['a look at payloads', of('view'), { class_uid: 6003, activity_id: 2, actor: { user: { name: 'lee' } } }],
  ['a sign-in', of('person.session'), { class_uid: 3002, activity_id: 1, user: { name: 'maria' } }],
  ['a sign-out', of('person.session', 1), { class_uid: 3002, activity_id: 2 }],
  ['a suspension', of('agent.changed', 1), { class_uid: 3004, activity_id: 12, entity: { uid: 'clerk', type: 'agent' } }],
  ['policies in force', of('policy.activated'), { class_uid: 3004, activity_id: 10, entity: { type_id: 5 } }],
  ['a broken glass', of('grant.break_glass'), { class_uid: 3004, severity: 'High', status_detail: 'the plant stands still' }],
])('%s says so', (_title, body, expected) => expect(eventOf(body)).toMatchObject(expected))

test('an outcome says who called what, by the call', () =>
  expect(eventOf(of('outcome'))).toMatchObject({
    actor: { app_name: 'clerk', user: { name: 'sam', type: 'User' } },
    api: { operation: 'erp.createPayment', version: 'v1', service: { name: 'erp' }, request: { uid: CALL.id }, response: { code: 201 } },
    src_endpoint: { name: 'clerk' },
    dst_endpoint: { svc_name: 'erp' },
  }))

test('what agents and people wrote is in the entry alone', () => {
  for (const body of Object.values(BODIES).flat()) {
    const { unmapped: _, ...event } = eventOf(body)
    expect(JSON.stringify(event)).not.toContain('canary')
  }
})

test('half of a surrogate pair stays JSON', () => {
  const body: EntryBody = { kind: 'refused', door: 'http', agent: null, asked: '\ud800', code: 'NOT_FOUND', message: 'no', faults: [] }
  expect(faultsOfEvent(eventOf(body))).toEqual([])
})
