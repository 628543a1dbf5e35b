import { createHmac, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type AddressObject, type ParsedMail, simpleParser } from 'mailparser'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'

/** A mail server that keeps what it gets. */
export interface MailReceiver {
  port: number
  mails: ParsedMail[]
  /** Who signed in, and whether by then the connection was encrypted. */
  logins: { user: string; secure: boolean }[]
  connections: number
  close(): Promise<void>
}

export interface MailReceiverOptions extends SMTPServerOptions {
  port?: number
  /** What the server says to a recipient's address; undefined takes it. */
  refuse?: (address: string) => { code: number; message: string } | undefined
}

/** Listens on 127.0.0.1. Takes the password `open sesame` alone. */
export async function receiveMail({ port = 0, refuse, ...options }: MailReceiverOptions = {}): Promise<MailReceiver> {
  const receiver: MailReceiver = { port: 0, mails: [], logins: [], connections: 0, close: () => Promise.resolve() }
  const server = new SMTPServer({
    authOptional: true,
    logger: false,
    onConnect(_session, done) {
      receiver.connections++
      done()
    },
    onAuth({ username, password }, { secure }, done) {
      receiver.logins.push({ user: username ?? '', secure })
      if (password === 'open sesame') done(null, { user: username })
      else done(new Error('wrong password'))
    },
    onRcptTo({ address }, _session, done) {
      const refused = refuse?.(address)
      done(refused ? Object.assign(new Error(refused.message), { responseCode: refused.code }) : null)
    },
    onData(stream, _session, done) {
      simpleParser(stream).then(
        (mail) => {
          receiver.mails.push(mail)
          done()
        },
        (error: Error) => done(error),
      )
    },
    ...options,
  })
  server.on('error', () => undefined)
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  receiver.port = (server.server.address() as AddressInfo).port
  receiver.close = () => new Promise((resolve) => server.close(() => resolve()))
  return receiver
}

export const addressesOf = (to: AddressObject | AddressObject[] | undefined): string[] =>
  [to].flat().flatMap((each) => each?.value.map(({ address }) => address ?? '') ?? [])

export interface Hook {
  id: string
  verified: boolean
  body: { type: string; timestamp: string; data: Record<string, unknown> }
  headers: IncomingMessage['headers']
}

export interface HookReceiver {
  url: string
  port: number
  hooks: Hook[]
  /** How it answers from here on. */
  answer: (request: IncomingMessage, response: ServerResponse, hook: Hook) => void
  close(): Promise<void>
}

/** A receiver of webhooks on 127.0.0.1 that checks signatures by the words of the standard. Without an `answer` it takes them. */
export async function receiveHooks(secret: string, port = 0): Promise<HookReceiver> {
  const receiver: HookReceiver = {
    ...{ url: '', port: 0, hooks: [] },
    answer: (_request, response) => void response.writeHead(204).end(),
    close: () => Promise.resolve(),
  }
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString()
      const { headers } = request
      const hook = {
        id: String(headers['webhook-id']),
        verified: verified(secret, headers, text),
        body: JSON.parse(text) as Hook['body'],
        headers,
      }
      receiver.hooks.push(hook)
      receiver.answer(request, response, hook)
    })
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  receiver.port = (server.address() as AddressInfo).port
  receiver.url = `http://127.0.0.1:${receiver.port}/hooks`
  receiver.close = () =>
    new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  return receiver
}

function verified(secret: string, headers: IncomingMessage['headers'], text: string): boolean {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
  const expected = createHmac('sha256', key).update([headers['webhook-id'], headers['webhook-timestamp'], text].join('.')).digest()
  return String(headers['webhook-signature'])
    .split(' ')
    .some((each) => {
      const given = Buffer.from(each.replace(/^v1,/, ''), 'base64')
      return each.startsWith('v1,') && given.length === expected.length && timingSafeEqual(given, expected)
    })
}
