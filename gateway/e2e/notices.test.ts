import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { addressesOf, type HookReceiver, type MailReceiver, receiveHooks, receiveMail } from '../notify/test-receivers.ts'
import { type Bed, startBed } from './harness.ts'
import { fields, items, jsonOf, send } from './send.ts'

const FOREVER = { timeout: 60_000, interval: 20 }
const SECRET = 'whsec_c2VjcmV0IG9mIHRoZSB3ZWJob29rcyBvZiBhY21l'
const PASSWORD = 'open sesame'

const withMail = (text: string): string =>
  text.replace(/^- \{ name: (maria|raj|paul|aisha),/gm, (line, name: string) => `${line} mail: ${name}@acme.example,`)

let mail: MailReceiver
let hooks: HookReceiver
let bed: Bed
beforeAll(async () => {
  mail = await receiveMail({ allowInsecureAuth: true })
  hooks = await receiveHooks(SECRET)
  const notifications = `
notifications:
  egress: [127.0.0.1]
  smtp: { host: 127.0.0.1, port: ${mail.port}, tls: none, from: gatehouse@acme.example, user: gatehouse, password: "\${MAIL_PASSWORD}", arguments: include }
  webhooks:
    - { name: ops, url: "${hooks.url}", secret: "\${HOOK_SECRET}" }
`
  bed = await startBed({
    environment: { MAIL_PASSWORD: PASSWORD, HOOK_SECRET: SECRET },
    edits: {
      'people.yaml': withMail,
      'gatehouse.yaml': (text) => `${text.replace('within: 24h', 'within: 8s')}${notifications}`,
    },
  })
}, 120_000)
afterAll(async () => {
  await bed?.close()
  await mail?.close()
  await hooks?.close()
})

let turn = 0
beforeEach(() => {
  mail.mails.length = 0
  hooks.hooks.length = 0
  hooks.answer = (_request, response) => void response.writeHead(204).end()
})

interface Held {
  callId: string
  holdId: string
  marker: string
}

/** A payment that finance managers are asked about: maria and raj. */
async function hold(): Promise<Held> {
  const marker = `notice-${turn++}`
  const headers = { authorization: `Bearer ${await bed.agentToken('invoice-clerk')}`, 'content-type': 'application/json' }
  const body = JSON.stringify({ vendorId: 'V-1001', amount: 3_200, currency: 'EUR', reference: marker })
  const held = await send(bed.url, { method: 'POST', path: '/proxy/erp/payments', headers, body })
  expect(held.status).toBe(202)
  const callId = String(fields(jsonOf(held)).callId)
  const { call } = await bed.people('aisha', '{ call(id: "ID") { hold { id } } }'.replace('ID', callId))
  return { callId, holdId: String(fields(fields(call).hold).id), marker }
}

const mailTo = async (address: string, { holdId }: Held) => {
  const found = () => mail.mails.find(({ to, text }) => addressesOf(to).includes(address) && text?.includes(holdId))
  await expect.poll(found, FOREVER).toBeDefined()
  return found()
}
const hooksOf = ({ holdId }: Held) => hooks.hooks.filter(({ body }) => fields(body.data.hold).id === holdId)
const secretIn = (text: string | null | undefined): string => /\/notice#([\w-]{43})/.exec(text ?? '')?.[1] ?? ''
const open = (person: string | null, secret: string) =>
  bed.people(person, 'mutation ($secret: String!) { openNotice(secret: $secret) }', { secret })
const entriesOf = async ({ callId }: Held, kind: string) => {
  const { call } = await bed.people('lee', 'query ($id: ID!) { call(id: $id) { entries { kind body } } }', { id: callId })
  return items(fields(call).entries)
    .map(fields)
    .filter((entry) => entry.kind === kind)
    .map(({ body }) => fields(body))
}
const decide = (person: string, { holdId }: Held) => bed.people(person, `mutation { rejectHold(id: "${holdId}") { state } }`)

describe('a hold that opens', () => {
  test('is told to whoever may decide, with complete arguments where that was configured, and each of it is on record', async () => {
    const held = await hold()
    const toMaria = await mailTo('maria@acme.example', held)
    await mailTo('raj@acme.example', held)
    expect(toMaria?.text).toContain(`"reference":"${held.marker}"`)
    expect(toMaria?.text).toContain(`${bed.url}/notice#`)
    await expect.poll(() => hooksOf(held).length, FOREVER).toBe(2)
    for (const hook of hooksOf(held)) expect([hook.verified, hook.body.data.arguments, hook.body.type]).toEqual([true, null, 'hold.opened'])
    const told = [
      ['maria', 'mail'],
      ['maria', 'webhook:ops'],
      ['raj', 'mail'],
      ['raj', 'webhook:ops'],
    ]
    const sent = async () => (await entriesOf(held, 'notice.sent')).map(({ person, channel }) => [person, channel]).sort()
    await expect.poll(sent, FOREVER).toEqual(told)
    expect((await entriesOf(held, 'notice.sent'))[0]).toEqual({
      ...{ kind: 'notice.sent', notice: 'hold.opened', attempt: 1, hold: held.holdId },
      ...{ person: expect.any(String), channel: expect.any(String) },
    })
    expect((await entriesOf(held, 'view')).map(({ by, what }) => [by, what]).sort()).toEqual([
      ['maria', 'payload in a notice by mail'],
      ['raj', 'payload in a notice by mail'],
    ])
    await decide('maria', held)
  })
})

describe('the link of a notice', () => {
  test('opens the hold once, for the person it was sent to, and decides nothing', async () => {
    const held = await hold()
    const secret = secretIn((await mailTo('maria@acme.example', held))?.text)
    expect(secret).toHaveLength(43)
    // A scanner of a mail system gets the page of everybody else, and whatever is behind `#` never reaches a server.
    for (const accept of ['text/html', '*/*']) {
      const page = await send(bed.url, { method: 'GET', path: '/notice', headers: { accept } })
      expect([page.status, page.text.includes(held.holdId)]).toEqual([200, false])
    }
    const body = JSON.stringify({ query: 'mutation ($secret: String!) { openNotice(secret: $secret) }', variables: { secret } })
    const bare = await send(bed.url, { method: 'POST', path: '/operator/graphql', headers: { 'content-type': 'application/json' }, body })
    expect([bare.status, bare.text.includes(held.holdId)]).toEqual([401, false])
    for (const [person, given] of [
      ['raj', secret],
      ['maria', secret.replace(/^./, (c) => (c === 'A' ? 'B' : 'A'))],
      ['maria', ''],
      ['maria', "' or 1=1"],
    ] as const)
      await expect(open(person, given)).rejects.toThrow('NOT_FOUND: this link was used already, is too old, or is for somebody else')
    await expect(open(null, secret)).rejects.toThrow('FORBIDDEN')
    expect(await open('maria', secret)).toEqual({ openNotice: held.holdId })
    await expect(open('maria', secret)).rejects.toThrow('NOT_FOUND')
    const { hold: now } = await bed.people('maria', `{ hold(id: "${held.holdId}") { state votes { voter } } }`)
    expect(now).toEqual({ state: 'open', votes: [] })
    await decide('maria', held)
  })
})

describe('a receiver', () => {
  test('that is down gets it once it is up again; what was decided meanwhile is told to nobody', async () => {
    hooks.answer = (_request, response) => void response.writeHead(503).end()
    const [waiting, decided] = [await hold(), await hold()]
    await expect.poll(() => new Set(hooks.hooks.map(({ id }) => id)).size, FOREVER).toBe(4)
    await decide('maria', decided)
    hooks.hooks.length = 0
    hooks.answer = (_request, response) => void response.writeHead(200).end()
    await expect
      .poll(async () => (await entriesOf(waiting, 'notice.sent')).filter(({ channel }) => channel === 'webhook:ops').length, FOREVER)
      .toBe(2)
    const metrics = async () => (await send(bed.url, { method: 'GET', path: '/metrics' })).text
    await expect.poll(metrics, FOREVER).toMatch(/^gatehouse_notices_waiting 0$/m)
    expect(hooks.hooks.map(({ body }) => fields(body.data.hold).id)).toEqual([waiting.holdId, waiting.holdId])
    expect(await metrics()).toMatch(/^gatehouse_notices_total\{channel="webhook",outcome="obsolete"\} 2$/m)
    await decide('maria', waiting)
  })

  test('that wants no more is given up, which operators see', async () => {
    hooks.answer = (_request, response) => void response.writeHead(410).end()
    const held = await hold()
    await expect.poll(async () => (await entriesOf(held, 'notice.given_up')).length, FOREVER).toBe(2)
    expect((await entriesOf(held, 'notice.given_up'))[0]).toMatchObject({ attempt: 1, why: 'the receiver answered 410: it wants no more' })
    const query = '{ noticesGivenUp(first: 2) { about person channel holdId attempts why } }'
    const { noticesGivenUp } = await bed.people('olga', query)
    const given = {
      about: 'hold.opened',
      channel: 'webhook:ops',
      holdId: held.holdId,
      attempts: 1,
      why: 'the receiver answered 410: it wants no more',
    }
    expect(items(noticesGivenUp)).toEqual(expect.arrayContaining(['maria', 'raj'].map((person) => ({ ...given, person }))))
    await expect(bed.people('maria', query)).rejects.toThrow('FORBIDDEN')
    expect(bed.log()).toContain('a notice was given up')
    await decide('maria', held)
  })
})

describe('broken glass', () => {
  test('is told at once to security and to whoever owns the agent, and again to security when nobody reviews it in time', async () => {
    const held = await hold()
    const { hold: shown } = await bed.people('yuki', `{ hold(id: "${held.holdId}") { digest } }`)
    const query =
      'mutation ($id: ID!, $digest: String!, $reason: String!) { breakGlass(id: $id, digest: $digest, reason: $reason) { state } }'
    const reason = 'line 3 stands still and nobody of finance answers'
    await bed.people('yuki', query, { id: held.holdId, digest: String(fields(shown).digest), reason })
    const { brokenGlass } = await bed.people('aisha', '{ brokenGlass { edges { node { id } } } }')
    const use = String(fields(fields(items(fields(brokenGlass).edges)[0]).node).id)
    const told = (words: string) =>
      mail.mails
        .filter(({ text }) => text?.includes(use) && text.includes(words))
        .flatMap(({ to }) => addressesOf(to))
        .sort()
    await expect.poll(() => told('yuki approved a held call alone'), FOREVER).toEqual(['aisha@acme.example', 'paul@acme.example'])
    const used = mail.mails.find(({ text }) => text?.includes('approved a held call alone'))?.text
    expect(used).toContain(reason)
    expect(used).toContain(held.holdId)
    // Nobody looks: it lapses once, and until somebody does nobody breaks the glass.
    await expect.poll(() => told('Nobody has reviewed in time'), FOREVER).toEqual(['aisha@acme.example'])
    const next = await hold()
    const { hold: refused } = await bed.people('kofi', `{ hold(id: "${next.holdId}") { digest breakGlassRefused } }`)
    expect(fields(refused).breakGlassRefused).toMatch(/review of what `yuki` approved alone is overdue/)
    const again = { id: next.holdId, digest: String(fields(refused).digest), reason }
    await expect(bed.people('kofi', query, again)).rejects.toThrow('NOT_ELIGIBLE')
    const review = 'mutation ($id: ID!) { reviewBreakGlass(id: $id, verdict: justified, comment: "called the plant") { state } }'
    await bed.people('aisha', review, { id: use })
    expect(await bed.people('kofi', query, again)).toEqual({ breakGlass: { state: 'approved' } })
    expect((await entriesOf(held, 'grant.review_lapsed')).length).toBe(1)
  }, 120_000)
})

test('no secret, address or link is in the record, the database, the log or the metrics', async () => {
  const held = await hold()
  const text = (await mailTo('maria@acme.example', held))?.text
  await expect.poll(() => hooksOf(held).length, FOREVER).toBe(2)
  const links = [secretIn(text), ...hooksOf(held).map(({ body }) => secretIn(String(body.data.link)))]
  expect(links.map((link) => link.length)).toEqual([43, 43, 43])
  const metrics = (await send(bed.url, { method: 'GET', path: '/metrics' })).text
  const log = bed.log()
  const { entries, rows } = await bed.remains()
  const kept = [JSON.stringify(entries), ...rows, log, metrics].join('\n')
  expect(kept).toContain(held.holdId)
  for (const secret of [...links, SECRET, SECRET.slice('whsec_'.length), PASSWORD, '@acme.example', hooks.url])
    expect(kept).not.toContain(secret)
})
