import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CORPUS } from './corpus.ts'
import type { Case, Step, Want } from './corpus-case.ts'
import { stateOf } from './corpus-case.ts'
import { type Ask, type Door, DOORS, type DoorName, openDoor } from './doors.ts'
import { type Bed, type Sent, startBed } from './harness.ts'
import type { Heard } from './heard.ts'
import { httpForms } from './http-form.ts'
import { recordOf, scrubbed } from './record-of.ts'
import { fields } from './send.ts'

/** Each door has an organisation of its own, so that every case finds the same state at every door. */
interface Side {
  name: DoorName
  bed: Bed
  door: Door
  /** What was refused without becoming a call, in order. */
  refusals: string[]
}

const sides: Side[] = []

beforeAll(async () => {
  const beds = await Promise.all(DOORS.map(() => startBed()))
  for (const [i, name] of DOORS.entries()) {
    const bed = beds[i]
    if (bed) sides.push({ name, bed, door: openDoor(name, bed, httpForms(bed.configFile, bed.environment)), refusals: [] })
  }
})

afterAll(() => Promise.all(sides.map(({ bed }) => bed.close())))

/** What came of one step at one door, without what no two calls share. */
interface Came {
  heard: Omit<Heard, 'reply' | 'callId'>
  sent: readonly unknown[]
  record: unknown
}

test.each(CORPUS)('$title', async ({ agent, subject, steps, notAt = {} }) => {
  const applying = sides.filter(({ name }) => !(name in notAt))
  const came = await Promise.all(applying.map((side) => play(side, { agent, ...(subject === undefined ? {} : { subject }) }, steps)))
  for (const [i, each] of came.entries()) expect(each, applying[i]?.name).toEqual(came[0])
})

test('the corpus is large, and its titles are told apart', () => {
  expect(CORPUS.length).toBeGreaterThan(100)
  expect(new Set(CORPUS.map(({ title }) => title)).size).toBe(CORPUS.length)
  for (const { notAt = {} } of CORPUS) expect(Object.keys(notAt).length).toBeLessThan(DOORS.length - 1)
})

async function play(side: Side, who: Pick<Ask, 'agent' | 'subject'>, steps: Case['steps']): Promise<Came[]> {
  const came: Came[] = []
  const ids: (string | undefined)[] = []
  for (const step of steps) {
    const { want } = step
    prepare(side.bed, step)
    const seen = side.bed.watch()
    const ask = { ...who, ...step }
    const heard = await side.door.call(ask)
    ids.push(heard.callId)
    if (want.joins !== undefined) expect(heard.callId, side.name).toBe(ids[want.joins])
    came.push(await check(side, who, heard, want, seen()))
    const { then } = want
    if (!then) continue
    const seenThen = side.bed.watch()
    await vote(side.bed, heard.callId, then)
    const after = await side.door.after(ask, heard.callId ?? '')
    expect(after.callId, side.name).toBe(heard.callId)
    came.push(await check(side, who, after, then.want, seenThen()))
  }
  return came
}

function prepare({ acme, probe }: Bed, { fault, operation }: Step): void {
  probe.faults.length = 0
  if (fault?.at === 'probe') probe.faults.push(...fault.meets)
  else if (fault) {
    const { at, ...rest } = fault
    acme.systems[at].faults.add({ operation: operation.split('.')[1] ?? '', ...rest })
  }
}

async function vote(bed: Bed, callId: string | undefined, { person, vote: verdict }: NonNullable<Want['then']>): Promise<void> {
  const { call } = await bed.people(person, 'query ($id: ID!) { call(id: $id) { hold { id } } }', { id: callId })
  const { id } = fields(fields(call).hold)
  await bed.people(person, `mutation ($id: ID!) { ${verdict}Hold(id: $id, comment: "seen") { state } }`, { id })
}

async function check(side: Side, who: Pick<Ask, 'agent'>, heard: Heard, want: Want, sent: readonly Sent[]): Promise<Came> {
  const { reply, callId, ...told } = heard
  const where = `${side.name}: ${reply.status} ${reply.text.slice(0, 600)}`
  expect(told, where).toMatchObject(said(want))
  if (want.pointer !== undefined) expect(told.pointers, where).toContain(want.pointer)
  if (want.pointers) expect(told.pointers.toSorted(), where).toEqual(want.pointers)
  expect(told.masked, where).toEqual(want.masked)
  if (want.says !== undefined) expect(JSON.stringify(told.value), where).toContain(want.says)
  expect(
    sent.map(({ method, path }) => `${method} ${path}`),
    where,
  ).toEqual(want.sent ?? [])
  const last = sent.at(-1)
  if (want.body !== undefined) expect(last?.body, where).toBe(want.body)
  if (want.headers) expect(last?.headers, where).toMatchObject(want.headers)
  const state = stateOf(want)
  const isCall = state !== undefined || want.joins !== undefined
  if (!isCall) side.refusals.push(`${want.code === 'UNAUTHENTICATED' ? null : who.agent} ${want.code}`)
  const record = isCall && callId !== undefined ? await recordOf(side.bed, callId) : null
  expect(record !== null, where).toBe(isCall)
  if (record) {
    if (want.reason !== 'rejected' && state !== undefined) expect(record.state, where).toBe(state)
    if (want.policies) expect(record.policies, where).toEqual(want.policies)
    if (want.record) expect(record, where).toMatchObject(want.record)
    expectTraced(sent, record.trace, where)
  }
  return { heard: scrubbed({ ...told, pointers: [] }) as Came['heard'], sent: sent.map(comparable), record: scrubbed(record) }
}

const said = ({ code, reason, upstreamStatus, inDoubt }: Want) => ({
  code,
  ...(reason === undefined ? {} : { reason }),
  ...(upstreamStatus === undefined ? {} : { upstreamStatus }),
  ...(inDoubt === undefined ? {} : { inDoubt }),
})

/** Every request upstream belongs to the trace of its call. */
function expectTraced(sent: readonly Sent[], trace: unknown, where: string): void {
  for (const { headers } of sent) expect(headers.traceparent?.split('-')[1], where).toBe(trace)
}

/** The request without what belongs to one call or one connection. */
function comparable({ system, method, path, body, headers }: Sent) {
  const { host: _host, traceparent: _trace, 'idempotency-key': key, connection: _connection, ...rest } = headers
  return { system, method, path, body, headers: rest, keyed: key !== undefined }
}

describe('the record afterwards', () => {
  /** Who was refused what, from the entries that no call has. */
  const refusalsOf = async ({ bed, name }: Side): Promise<string[]> => {
    const { entries } = await bed.remains()
    const own = name === 'mcp-2025' ? 'mcp' : name
    return entries.flatMap(({ body }) => (body.kind === 'refused' && body.door === own ? [`${body.agent} ${body.code}`] : []))
  }

  test.each(DOORS)('has every refusal at %s, once and in order', async (name) => {
    const side = sides.find((each) => each.name === name)
    if (!side) throw new Error('no such side')
    expect(await refusalsOf(side)).toEqual(side.refusals)
  })
})
