import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { visibleJson } from '../core/visible-text.ts'
import { createDialer } from '../egress/dialer.ts'
import { LIMITS } from '../limits.ts'
import type { MailSettings } from '../ports/notifier.ts'
import { call, hold, message } from './fixture-message.ts'
import { mailChannel } from './mail.ts'
import { addressesOf, type MailReceiver, type MailReceiverOptions, receiveMail } from './test-receivers.ts'

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-mail-'))
const trusted = getCACertificates('default')
let key = ''
let cert = ''
beforeAll(() => {
  const [keyFile, certFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const subject = ['-subj', '/CN=mail.test', '-addext', 'subjectAltName=DNS:mail.test']
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', keyFile, '-out', certFile, '-days', '2', ...subject],
    {
      stdio: 'ignore',
    },
  )
  key = readFileSync(keyFile, 'utf8')
  cert = readFileSync(certFile, 'utf8')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const receivers: MailReceiver[] = []
afterEach(async () => {
  setDefaultCACertificates(trusted)
  await Promise.all(receivers.splice(0).map((receiver) => receiver.close()))
})
async function receive(options: MailReceiverOptions = {}): Promise<MailReceiver> {
  const receiver = await receiveMail({ key, cert, ...options })
  receivers.push(receiver)
  return receiver
}

/** A channel whose host `mail.test` is at 127.0.0.1, named as private. */
const channel = (port: number, more: Partial<MailSettings> = {}, egress = ['mail.test']) =>
  mailChannel({
    settings: { host: 'mail.test', port, tls: 'none', from: 'gatehouse@acme.example', arguments: 'include', ...more },
    egress,
    dialer: createDialer({ development: false, resolve: async () => [{ address: '127.0.0.1', family: 4 }] }),
    mailOf: new Map([['maria', 'maria@acme.example']]),
  })

describe('mail', () => {
  test('says who asks what for whom, what stopped it, how long, and where to decide', async () => {
    const receiver = await receive()
    expect(await channel(receiver.port).send(message({}, { amount: 3_200, to: 'V-1001' }))).toEqual({ kind: 'taken' })
    const [mail] = receiver.mails
    expect([addressesOf(mail?.to), mail?.from?.text, mail?.subject]).toEqual([
      ['maria@acme.example'],
      '"Gatehouse" <gatehouse@acme.example>',
      'Waits for you: erp.createPayment by invoice-clerk',
    ])
    expect(mail?.html).toBe(false)
    expect(mail?.text?.trim()).toBe(
      `
A call waits for your decision.

Agent              invoice-clerk, answered for by olga
For                sam
Operation          erp.createPayment
Held by            payments-large: Payments above 1,000 need a second pair of eyes
Needs              1 of finance-managers or cfo-office
Refused by itself  2026-11-23 16:00 UTC, in 3 h 58 min
Hold               hold_00000001
Happened           2026-11-23 12:00 UTC

What the agent says (unverified):
the invoice is due

Arguments, complete; what nobody would see is written as \\u....:
{"amount":3200,"to":"V-1001"}

Open it in Gatehouse:
https://gatehouse.example/notice#secret

The link decides nothing. It works once, for you alone, and asks you to sign in.`.trim(),
    )
  })

  test('a message without arguments says so, and says where they are', async () => {
    const receiver = await receive()
    await channel(receiver.port).send(message())
    expect(receiver.mails[0]?.text).toContain('The arguments are not in this message. Gatehouse shows them, complete, behind the link.')
    expect(receiver.mails[0]?.text).not.toContain('3200')
  })

  test('100 kB of arguments arrive to the last character, and what nobody would see is marked', async () => {
    const receiver = await receive()
    const input = {
      note: `${'x'.repeat(100_000)}\u202egnp.exe\u200b\u0000\r\n.\r\nRCPT TO:<eve@evil.example>\r\n`,
      umlaut: 'ä😀'.repeat(500),
    }
    await channel(receiver.port).send(message({}, input))
    const text = receiver.mails[0]?.text ?? ''
    expect(text).toContain(`\n${visibleJson(input)}\n`)
    expect(text).toContain('\\u202egnp.exe\\u200b')
    expect(text).not.toMatch(/[\u202e\u200b\0]/)
    expect(addressesOf(receiver.mails[0]?.to)).toEqual(['maria@acme.example'])
  })

  test('what agents and people wrote begins no header and no line', async () => {
    const receiver = await receive()
    const forged = 'x\r\nBcc: eve@evil.example\r\n\r\nA call waits for nobody.\nAgent  somebody-else'
    const about = {
      hold: hold({ matched: [{ policyId: 'p', policyHash: 'h', approval: 'a', reason: forged }] }),
      call: call({ agent: forged, rationale: forged }),
    }
    expect(await channel(receiver.port).send(message({ about }))).toEqual({ kind: 'taken' })
    const [mail] = receiver.mails
    expect(mail?.headers.has('bcc')).toBe(false)
    expect(mail?.subject).toContain('x\\u000d\\u000aBcc: eve@evil.example')
    expect(mail?.text?.split('\n').filter((line) => /^(Bcc|A call waits for nobody|Agent {2}somebody)/.test(line))).toEqual([])
  })

  test.each(['starttls', 'implicit'] as const)('%s: credentials and content go over TLS alone', async (tls) => {
    setDefaultCACertificates([...trusted, cert])
    const receiver = await receive({ secure: tls === 'implicit' })
    const login = { user: 'gatehouse', password: 'open sesame' }
    expect(await channel(receiver.port, { tls, ...login }).send(message())).toEqual({ kind: 'taken' })
    expect([receiver.mails.length, receiver.logins]).toEqual([1, [{ user: 'gatehouse', secure: true }]])
  })

  test.each([
    ['a certificate that nobody trusts', { tls: 'starttls' }, {}],
    ['a certificate that nobody trusts, from the start', { tls: 'implicit' }, { secure: true }],
    ['a server without STARTTLS', { tls: 'starttls' }, { disabledCommands: ['STARTTLS'] }],
    ['a server that hides its log-in', { tls: 'none', user: 'gatehouse', password: 'open sesame' }, { disabledCommands: ['AUTH'] }],
    ['a wrong password', { tls: 'none', user: 'gatehouse', password: 'wrong' }, { allowInsecureAuth: true }],
  ] as const)('%s: nothing is sent, and it is tried again', async (_title, settings, options) => {
    const receiver = await receive({ ...options, disabledCommands: [...('disabledCommands' in options ? options.disabledCommands : [])] })
    const delivery = await channel(receiver.port, settings).send(message())
    expect(delivery).toMatchObject({ kind: 'later' })
    expect(JSON.stringify(delivery)).not.toMatch(/open sesame|wrong password|maria@/)
    expect(receiver.mails).toEqual([])
    expect(receiver.logins.map(({ user }) => user)).toEqual('password' in settings && settings.password === 'wrong' ? ['gatehouse'] : [])
  })

  test.each([
    [550, 'refused', 'the mail server refuses the recipient or the sender: 550'],
    [451, 'later', 'the mail server did not take it: 451'],
  ] as const)('a recipient answered with %s is %s', async (code, kind, why) => {
    const receiver = await receive({ refuse: (address) => ({ code, message: `${address} is unknown here` }) })
    expect(await channel(receiver.port).send(message())).toEqual({ kind, why })
  })

  test('a server that is away, and one that says nothing, are tried again later', async () => {
    const receiver = await receive()
    await receiver.close()
    expect(await channel(receiver.port).send(message())).toEqual({ kind: 'later', why: 'the upstream cannot be reached' })
    expect(LIMITS.noticeSendMsMax).toBeLessThan(LIMITS.noticeLeaseMs)
  })

  test.each([
    ['a private address that the configuration does not name', '127.0.0.1', 'none', []],
    ['the metadata service', '169.254.169.254', 'implicit', ['mail.test']],
    ['a public address in plain text', '93.184.215.14', 'none', ['mail.test']],
  ] as const)('%s is not connected to', async (_title, address, tls, egress) => {
    const receiver = await receive()
    const refusing = mailChannel({
      settings: { host: 'mail.test', port: receiver.port, tls, from: 'gatehouse@acme.example', arguments: 'omit' },
      egress,
      dialer: createDialer({ development: true, resolve: async () => [{ address, family: 4 }] }),
      mailOf: new Map([['maria', 'maria@acme.example']]),
    })
    const delivery = await refusing.send(message())
    expect(delivery).toMatchObject({ kind: 'later', why: expect.stringMatching(/refused|use TLS/) })
    expect(receiver.connections).toBe(0)
  })
})
