import { appendFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { JsonObject } from '../core/json.ts'
import { DOORS, type Door, openDoor } from './doors.ts'
import { type Bed, startBed } from './harness.ts'
import { httpForms } from './http-form.ts'
import { fields, items } from './send.ts'

/** Rules of the library in a running gateway: Acme's own, and two that are added here. */
const MORE = `library:
  - rule: cooling-off
    name: answered
    with: { operations: [crm.closeTicket], object: /ticketId, changes: { crm.replyTicket: /ticketId }, window: 1h }
  - rule: data-class-residency
    name: confidential-eu
    with: { classes: [confidential], data: [eu], agents: [ch] }
`

let bed: Bed
let doors: readonly Door[]
beforeAll(async () => {
  bed = await startBed({ edits: { 'gatehouse.yaml': (text) => text.replace('library:\n', MORE) } })
  const forms = httpForms(bed.configFile, bed.environment)
  doors = DOORS.map((name) => openDoor(name, bed, forms))
}, 120_000)
afterAll(() => bed?.close())

const reply = (door: Door | undefined, message: string, turn = 0) => {
  if (!door) throw new Error('no door')
  const input: JsonObject = { ticketId: 'T-20001', queue: 'general', message: turn === 0 ? message : `${message} (${turn})` }
  return door.call({ agent: 'support-triage', operation: 'crm.replyTicket', input })
}

async function decidedBy(callId: string | undefined): Promise<readonly string[]> {
  const query = 'query ($id: ID!) { call(id: $id) { decision { reasons { policyId } } } }'
  const { reasons } = fields(fields((await bed.people('lee', query, { id: callId })).call).decision)
  return items(reasons).map((reason) => String(fields(reason).policyId))
}

/** What a detector has to see through; none of it is a secret of anything. */
const SECRETS: readonly [string, string][] = [
  ['in plain words', 'Your new password: Sommer2026!'],
  ['encoded', `As you asked: ${Buffer.from('Your new password: Sommer2026!').toString('base64')}`],
  ['with invisible characters', 'Your new pass\u200bword: Som\u200bmer2026!'],
  ['a card', 'We charged 4111 1111 1111 1111.'],
]

test.each(SECRETS)('a reply with a secret in it reaches nobody, at any door: %s', async (_title, message) => {
  const sent = bed.watch()
  for (const door of doors) {
    const said = await reply(door, message)
    expect(said, door.name).toMatchObject({ code: 'DENIED', reason: 'forbidden' })
    expect(await decidedBy(said.callId), door.name).toEqual(['library.no-secrets-in-replies.found'])
  }
  expect(sent()).toEqual([])
})

test('other replies go out', async () => {
  for (const [turn, door] of doors.entries())
    expect((await reply(door, 'Thank you, see https://acme.example/help', turn + 1)).code).toBe('OK')
})

test('what was changed a moment ago waits, whichever door it came through', async () => {
  const close = (door: Door | undefined, ticketId: string) =>
    door?.call({ agent: 'support-triage', operation: 'crm.closeTicket', input: { ticketId, resolution: 'solved' } })
  expect((await reply(doors[0], 'Done.', 9)).code).toBe('OK')
  for (const door of doors) {
    const said = await close(door, 'T-20001')
    expect(said, door.name).toMatchObject({ code: 'DENIED', reason: 'forbidden' })
    expect(await decidedBy(said?.callId)).toEqual(['library.answered.wait'])
  }
  expect((await close(doors[0], 'T-20002'))?.code).toBe('OK')
})

test('a class that stays in its region is masked, whoever permits it', async () => {
  for (const door of doors) {
    const said = await door.call({ agent: 'invoice-clerk', operation: 'erp.getVendor', input: { vendorId: 'V-1001' } })
    expect(said.masked, door.name).toContain('/iban')
  }
})

test('rules of the library stay when a policy file is edited', async () => {
  const status = async () => fields((await bed.people('aisha', '{ policyStatus { decidesOn } }')).policyStatus).decidesOn
  const before = await status()
  appendFileSync(join(dirname(bed.configFile), 'policies/crm.cedar'), '\n@id("crm-later") @shadow forbid (principal, action, resource);\n')
  await expect.poll(status, { timeout: 30_000, interval: 20 }).not.toBe(before)
  for (const door of doors) expect((await reply(door, 'Your new password: Winter2026!')).code, door.name).toBe('DENIED')
})
