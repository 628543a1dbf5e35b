import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { EntryBody } from '../core/entry.ts'
import type { JsonObject } from '../core/json.ts'
import { DOORS, type Door, McpClient, openDoor, toolNames } from './doors.ts'
import { type Bed, startBed } from './harness.ts'
import { httpForms } from './http-form.ts'
import { type Fields, fields, items, jsonOf, send } from './send.ts'

const SECURITY = '- { name: sana, groups: [finance, finance-managers], roles: [security], region: eu }\n'

let bed: Bed
let doors: readonly Door[]
let turn = 0
beforeAll(async () => {
  bed = await startBed({ edits: { 'people.yaml': (text) => text + SECURITY } })
  const forms = httpForms(bed.configFile, bed.environment)
  doors = DOORS.map((name) => openDoor(name, bed, forms))
}, 120_000)
afterAll(() => bed.close())

const file = (name: string): string => join(dirname(bed.configFile), 'policies', name)
const textOf = (name: string): string => readFileSync(file(name), 'utf8')

/** Edits a policy file in one of the ways in which editors do. */
function edit(name: string, change: (text: string) => string, how: 'write' | 'rename' = 'write'): void {
  const before = textOf(name)
  const after = change(before)
  if (after === before) throw new Error(`the edit of ${name} changes nothing`)
  const written = how === 'write' ? file(name) : `${file(name)}.swp`
  writeFileSync(written, after)
  if (how === 'rename') renameSync(written, file(name))
}

const statusOf = async (): Promise<Fields> =>
  fields((await bed.people('aisha', '{ policyStatus { active decidesOn behind fileFaults { place message } } }')).policyStatus)
const active = async (): Promise<string> => String((await statusOf()).active)

/** Waits until another set than `before` binds, and this gateway decides on it. */
async function changedFrom(before: string): Promise<string> {
  await expect.poll(async () => (await statusOf()).decidesOn, { timeout: 30_000, interval: 20 }).not.toBe(before)
  return await active()
}

const payment = (amount: number): JsonObject => ({ vendorId: 'V-1001', amount, currency: 'EUR', reference: `p-${turn++}` })
const pay = (door: Door | undefined, amount: number) => {
  if (!door) throw new Error('no door')
  return door.call({ agent: 'invoice-clerk', operation: 'erp.releasePayment', input: payment(amount) })
}

interface Decided {
  outcome: string
  policySet: string
  reasons: readonly Fields[]
}

async function decisionOf(callId: string | undefined): Promise<Decided> {
  const query = 'query ($id: ID!) { call(id: $id) { decision { outcome policySet reasons { policyId text } } } }'
  const { outcome, policySet, reasons } = fields(fields((await bed.people('aisha', query, { id: callId })).call).decision)
  return { outcome: String(outcome), policySet: String(policySet), reasons: items(reasons).map(fields) }
}

const holdsOf = async (callId: string | undefined): Promise<Fields[]> => {
  const query = '{ holds(first: 500) { edges { node { id callId state votes { voter } requires { group } } } } }'
  const found = items(fields((await bed.people('maria', query)).holds).edges).map((edge) => fields(fields(edge).node))
  const others = items(fields((await bed.people('aisha', query)).holds).edges).map((edge) => fields(fields(edge).node))
  const all = new Map([...others, ...found].map((hold) => [hold.id, hold]))
  return [...all.values()].filter((hold) => hold.callId === callId)
}

const FOLDER = ['org', 'erp', 'crm', 'docs', 'probe']
const folderNow = (): { name: string; text: string }[] => FOLDER.map((name) => ({ name: `${name}.cedar`, text: textOf(`${name}.cedar`) }))

const factsNow = (): string | null => (existsSync(file('facts.yaml')) ? textOf('facts.yaml') : null)

async function propose(
  person: string | null,
  change: (files: { name: string; text: string }[]) => { name: string; text: string }[],
): Promise<Fields> {
  const query = `mutation ($files: [PolicyFileInput!]!, $facts: String, $note: String!) {
    proposePolicies(files: $files, facts: $facts, note: $note) { id state policySet base by } }`
  return fields((await bed.people(person, query, { files: change(folderNow()), facts: factsNow(), note: 'because' })).proposePolicies)
}

const review = async (person: string | null, id: unknown, verdict = 'APPROVE'): Promise<Fields> => {
  const query =
    'mutation ($id: ID!, $verdict: PolicyVerdict!) { reviewPolicyProposal(id: $id, verdict: $verdict) { boundAfterMs proposal { state } } }'
  return fields((await bed.people(person, query, { id, verdict })).reviewPolicyProposal)
}

describe('edited files', () => {
  test('are in force as one set: every call at every door is decided by the old one or by the new one', async () => {
    const before = await active()
    const bodies: { callId: string | undefined; code: string }[] = []
    let done = false
    const agents = doors.map(async (door) => {
      while (!done) {
        const { callId, code } = await pay(door, 800)
        bodies.push({ callId, code })
      }
    })
    await expect.poll(() => bodies.length, { timeout: 30_000 }).toBeGreaterThan(8)
    // Two files that belong together: between them nobody is to be let through or held by half of the change.
    edit('erp.cedar', (text) => text.replace('decimal("1000.00")', 'decimal("700.00")'))
    edit(
      'org.cedar',
      (text) => `${text}\n@id("org-with-it") @shadow forbid (principal, action in Gatehouse::Action::"write", resource);\n`,
      'rename',
    )
    const after = await changedFrom(before)
    await expect.poll(() => bodies.filter(({ code }) => code === 'HELD').length, { timeout: 30_000 }).toBeGreaterThan(3)
    done = true
    await Promise.all(agents)
    const seen = new Set<string>()
    for (const { callId, code } of bodies) {
      expect(['OK', 'HELD']).toContain(code)
      const { outcome, policySet } = await decisionOf(callId)
      expect(policySet).toBe(code === 'HELD' ? after : before)
      expect(outcome).toBe(code === 'HELD' ? 'hold' : 'permit')
      seen.add(policySet)
    }
    expect(seen).toEqual(new Set([before, after]))
  }, 120_000)

  test('change what agents are shown at every door', async () => {
    const mcp = new McpClient('mcp', bed)
    const tools = async (): Promise<string[]> => toolNames(await mcp.rpc({ agent: 'invoice-clerk' }, 'tools/list', {}))
    const introspected = async (): Promise<string[]> => {
      const headers = { authorization: `Bearer ${await bed.agentToken('invoice-clerk')}`, 'content-type': 'application/json' }
      const body = JSON.stringify({ query: '{ __schema { mutationType { fields { name } } } }' })
      const { data } = fields(jsonOf(await send(bed.url, { method: 'POST', path: '/graphql', headers, body })))
      return items(fields(fields(fields(data).__schema).mutationType).fields).map((field) => String(fields(field).name))
    }
    expect(await tools()).toContain('erp_changeVendorBank')
    expect(await introspected()).toContain('erp_changeVendorBank')
    const before = await active()
    edit('erp.cedar', (text) => text.replace(/@id\("erp-clerk-changes-bank"\)[^;]*;/, ''))
    await changedFrom(before)
    expect(await tools()).not.toContain('erp_changeVendorBank')
    expect(await introspected()).not.toContain('erp_changeVendorBank')
    const heard = await doors[3]?.call({
      agent: 'invoice-clerk',
      operation: 'erp.changeVendorBank',
      input: { vendorId: 'V-1001', iban: 'DE02120300000000202051' },
    })
    expect(heard?.code).toBe('NOT_FOUND')
  })

  test('that are faulty change nothing, and everybody hears of it', async () => {
    const before = await active()
    const good = textOf('erp.cedar')
    edit('erp.cedar', (text) => `${text}\n@id("broken") permit (principal, action == Erp::Action::"payAll", resource);\n`)
    await expect.poll(async () => items((await statusOf()).fileFaults).length, { timeout: 30_000, interval: 20 }).toBe(1)
    const line = good.split('\n').length + 1
    const [fault] = items((await statusOf()).fileFaults).map(fields)
    expect(String(fault?.place)).toMatch(new RegExp(`erp\\.cedar:${line}:\\d+$`))
    expect(await active()).toBe(before)
    expect((await pay(doors[0], 10)).code).toBe('OK')
    expect((await send(bed.url, { path: '/readyz' })).status).toBe(200)
    expect((await send(bed.url, { path: '/metrics' })).text).toContain('gatehouse_policy_reload_failures_total 1')
    expect(bed.log()).toContain(`erp.cedar:${line}:`)
    writeFileSync(file('erp.cedar'), good)
    await expect.poll(async () => items((await statusOf()).fileFaults).length, { timeout: 30_000, interval: 20 }).toBe(0)
    expect(await active()).toBe(before)
  })

  test('a file that is taken away takes its policies along', async () => {
    const before = await active()
    const text = textOf('docs.cedar')
    rmSync(file('docs.cedar'))
    const without = await changedFrom(before)
    writeFileSync(file('docs.cedar'), text)
    expect(await changedFrom(without)).toBe(before)
  })
})

describe('open holds', () => {
  test('follow: denied, replaced with their votes void, left alone, or given back to their agent', async () => {
    const held = async (amount: number): Promise<string> => {
      const { code, callId } = await pay(doors[3], amount)
      expect(code).toBe('HELD')
      return String(callId)
    }
    const [denied, replaced, same] = [await held(21_000), await held(22_000), await held(23_000)]
    const vendor = {
      agent: 'onboarding-coordinator',
      operation: 'erp.createVendor',
      input: { name: 'Neu GmbH', country: 'DE', taxNumber: 'DE123456789', iban: 'DE02120300000000202051', bic: 'COBADEFFXXX' },
    }
    const freed = await doors[3]?.call(vendor)
    expect(freed?.code).toBe('HELD')
    const [old] = await holdsOf(replaced)
    const [kept] = await holdsOf(same)
    const before = await active()
    edit('erp.cedar', (text) =>
      [
        text.replace(/@id\("erp-new-vendor-needs-manager"\)[^;]*;/, ''),
        '@id("erp-not-21000") @advice("Not that one.") forbid (principal, action == Erp::Action::"releasePayment", resource) when { context.input.amount == decimal("21000.0") };',
        '@id("erp-cfo-22000") @hold("cfo-office") forbid (principal, action == Erp::Action::"releasePayment", resource) when { context.input.amount == decimal("22000.0") };',
      ].join('\n'),
    )
    const after = await changedFrom(before)
    const ended = async (id: string | undefined, agent = 'invoice-clerk'): Promise<Fields> => {
      const headers = { authorization: `Bearer ${await bed.agentToken(agent)}` }
      return fields(jsonOf(await send(bed.url, { path: `/v1/calls/${id}?wait=5`, headers })))
    }
    expect(await ended(denied)).toMatchObject({ state: 'denied', error: { code: 'DENIED', advice: 'Not that one.' } })
    expect(await ended(freed?.callId, 'onboarding-coordinator')).toMatchObject({
      state: 'cancelled',
      error: { code: 'CANCELLED', advice: expect.stringContaining('send it again') },
    })
    expect((await doors[3]?.call(vendor))?.code).toBe('OK')
    await expect.poll(async () => (await holdsOf(replaced)).length, { timeout: 30_000 }).toBe(2)
    const [now] = (await holdsOf(replaced)).filter((hold) => hold.id !== old?.id)
    expect((await holdsOf(replaced)).find((hold) => hold.id === old?.id)).toMatchObject({ state: 'superseded' })
    expect(now).toMatchObject({ state: 'open', votes: [] })
    expect(items(now?.requires).map((each) => fields(each).group)).toEqual(['cfo-office', 'finance-managers'])
    expect(await holdsOf(same)).toEqual([expect.objectContaining({ id: kept?.id, state: 'open' })])
    expect((await decisionOf(denied)).policySet).toBe(after)
    expect((await decisionOf(same)).policySet).toBe(before)
  }, 120_000)
})

describe('proposals', () => {
  const tighter = (files: { name: string; text: string }[]) =>
    files.map((each) =>
      each.name === 'erp.cedar'
        ? {
            ...each,
            text: `${each.text}\n@id("erp-published") @advice("Not on Sundays.") forbid (principal, action == Erp::Action::"releasePayment", resource) when { context.input.amount == decimal("77.0") };`,
          }
        : each,
    )

  test('bind once another person approves; yesterday’s decisions keep their text; a roll-back puts the set back', async () => {
    const before = await active()
    const { callId } = await pay(doors[0], 60_000)
    const wording = (await decisionOf(callId)).reasons[0]?.text
    expect(String(wording)).toContain('50000.00')
    const proposal = await propose('aisha', (files) =>
      tighter(files).map((each) => ({ ...each, text: each.text.replace('decimal("50000.00")', 'decimal("40000.00")') })),
    )
    expect(proposal).toMatchObject({ state: 'open', base: before, by: 'aisha' })
    expect((await pay(doors[0], 77)).code).toBe('OK')
    await expect(review('aisha', proposal.id)).rejects.toThrow(/NOT_ELIGIBLE/)
    await expect(review(null, proposal.id)).rejects.toThrow(/FORBIDDEN/)
    const { boundAfterMs } = await review('sana', proposal.id)
    expect(boundAfterMs).toEqual(expect.any(Number))
    for (const door of doors) expect(await pay(door, 77)).toMatchObject({ code: 'DENIED', advice: 'Not on Sundays.' })
    expect((await decisionOf(callId)).reasons[0]?.text).toBe(wording)
    // Not edited since: the files do not come over what was published.
    expect(await active()).toBe(proposal.policySet)
    const emergency =
      'mutation ($set: ID!) { rollBackPolicies(set: $set, why: "payments stopped", emergency: true) { boundAfterMs proposal { id } } }'
    await expect(bed.people(null, emergency, { set: before })).rejects.toThrow(/FORBIDDEN/)
    await bed.people('aisha', emergency, { set: before })
    expect((await pay(doors[0], 77)).code).toBe('OK')
    expect(await active()).toBe(before)
  }, 120_000)

  const always = 'permit (principal, action == Erp::Action::"releasePayment", resource)'
  test.each([
    ['200 parentheses', `@id("deep") ${always} when { ${'('.repeat(200)}true${')'.repeat(200)} };`],
    [
      '3,000 terms',
      `@id("wide") ${always} when { ${Array.from({ length: 3_000 }, (_, i) => `context.input.amount == decimal("${i}.0")`).join(' || ')} };`,
    ],
    ['2 MB of one name', `@id("${'x'.repeat(2_000_000)}") ${always};`],
    ['no Cedar at all', `${'{'.repeat(10_000)} \u202e \u0000`],
  ])('that are hostile are refused, while calls go on: %s', async (_title, text) => {
    const before = await active()
    const refused = propose('aisha', (files) =>
      files.map((each) => (each.name === 'erp.cedar' ? { ...each, text: `${each.text}\n${text}` } : each)),
    ).then(
      () => 'taken',
      (error: unknown) => String(error),
    )
    const codes = await Promise.all(doors.map(async (door) => (await pay(door, 12)).code))
    expect(await refused).toContain('BAD_INPUT')
    expect(new Set(codes)).toEqual(new Set(['OK']))
    expect(await statusOf()).toMatchObject({ active: before, decidesOn: before, behind: null })
  })

  test('the local operator proposes and does not review', async () => {
    const proposal = await propose(null, tighter)
    expect(proposal).toMatchObject({ by: 'local', state: 'open' })
    await review('aisha', proposal.id, 'REJECT')
  })

  test('who published a policy does not vote on what it holds', async () => {
    const mine =
      '\n@id("erp-mine") @hold("finance-manager") forbid (principal, action == Erp::Action::"releasePayment", resource) when { context.input.amount == decimal("55.0") };'
    const { id } = await propose('sana', (files) =>
      files.map((each) => (each.name === 'erp.cedar' ? { ...each, text: each.text + mine } : each)),
    )
    await review('aisha', id)
    const { callId } = await pay(doors[1], 55)
    const [hold] = await holdsOf(callId)
    const vote = 'mutation ($id: ID!) { approveHold(id: $id) { state } }'
    await expect(bed.people('sana', vote, { id: hold?.id })).rejects.toThrow(/NOT_ELIGIBLE.*published/)
    expect(await bed.people('maria', vote, { id: hold?.id })).toMatchObject({ approveHold: { state: 'approved' } })
  })
})

test('the record tells every change, and every decision one set', async () => {
  const { entries } = await bed.remains()
  const bodies = entries.map(({ body }) => body)
  const of = <K extends EntryBody['kind']>(kind: K) => bodies.filter((body): body is Extract<EntryBody, { kind: K }> => body.kind === kind)
  const activations = bodies.flatMap((body) => (body.kind === 'policy.activated' || body.kind === 'policy.rolled_back' ? [body] : []))
  // Each follows the one before it.
  for (const [index, each] of activations.entries()) expect(each.base).toBe(index === 0 ? null : activations[index - 1]?.policySet)
  expect(of('policy.rolled_back')).toMatchObject([{ by: 'aisha', emergency: true, why: 'payments stopped' }])
  expect(of('policy.activated').map(({ source, by }) => `${source} ${by}`)).toContain('review sana')
  expect(of('policy.refused').map(({ change, code }) => `${change} ${code}`)).toEqual([
    'files CONFIG_INVALID',
    'review NOT_ELIGIBLE',
    ...Array.from({ length: 4 }, () => 'publish BAD_INPUT'),
  ])
  expect(of('policy.reviewed').map(({ by, verdict }) => `${by} ${verdict}`)).toEqual(['sana approve', 'aisha reject', 'aisha approve'])
  const known = new Set(activations.map(({ policySet }) => policySet))
  for (const { decision } of of('decision')) expect(known).toContain(decision.evidence.policySet)
  // An intent is written under the set that was decided on and that was active then.
  let active: string | undefined
  for (const body of bodies) {
    if (body.kind === 'policy.activated' || body.kind === 'policy.rolled_back') active = body.policySet
    if (body.kind === 'intent') expect(body.policySet).toBe(active)
  }
}, 120_000)
