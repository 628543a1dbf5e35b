import { createTransport } from 'nodemailer'
import { LIMITS } from '../limits.ts'
import { UpstreamError } from '../ports/connector.ts'
import type { Dialer } from '../ports/dialer.ts'
import type { MailSettings } from '../ports/notifier.ts'
import type { Channel, Delivery } from './channel.ts'
import type { Message } from './message.ts'
import { subjectOf, textOf } from './words.ts'

export interface MailOptions {
  settings: MailSettings
  egress: readonly string[]
  dialer: Dialer
  /** Person to address. */
  mailOf: ReadonlyMap<string, string>
}

/** Sends messages as plain-text mail, one connection each, over sockets of the dialer alone. */
export function mailChannel(options: MailOptions): Channel {
  return {
    name: 'mail',
    kind: 'mail',
    carriesArguments: options.settings.arguments === 'include',
    reaches: (person) => options.mailOf.has(person),
    send: (message) => deliver(options, message),
    close: () => Promise.resolve(),
  }
}

async function deliver({ settings, egress, dialer, mailOf }: MailOptions, message: Message): Promise<Delivery> {
  const address = mailOf.get(message.recipient)
  if (address === undefined) return { kind: 'refused', why: 'the recipient has no address' }
  const { host, port, tls, from } = settings
  const signal = AbortSignal.timeout(LIMITS.noticeSendMsMax)
  const rule = { hosts: [host], privateHosts: egress }
  try {
    const connection = await dialer.connect(rule, { host, port, plain: tls === 'none' }, signal)
    try {
      await transport(settings, connection).sendMail({
        from: { name: 'Gatehouse', address: from },
        to: { name: message.recipient, address },
        subject: subjectOf(message),
        text: textOf(message),
        // Nothing in the text is changed, wrapped or taken for a command.
        textEncoding: 'base64',
        messageId: `<${message.id}@${from.slice(from.lastIndexOf('@') + 1)}>`,
        date: new Date(message.at),
        headers: { 'Auto-Submitted': 'auto-generated' },
      })
      return { kind: 'taken' }
    } finally {
      connection.destroy()
    }
  } catch (error) {
    return failureOf(error)
  }
}

function transport({ host, port, tls, user, password }: MailSettings, connection: Awaited<ReturnType<Dialer['connect']>>) {
  return createTransport({
    host,
    port,
    secure: tls === 'implicit',
    requireTLS: tls === 'starttls',
    ignoreTLS: tls === 'none',
    getSocket: (_options, callback) => callback(null, { connection }),
    ...(user === undefined || password === undefined ? {} : { auth: { user, pass: password }, forceAuth: true }),
    connectionTimeout: LIMITS.noticeSendMsMax,
    greetingTimeout: LIMITS.noticeSendMsMax,
    socketTimeout: LIMITS.noticeSendMsMax,
    socketCloseTimeout: 0,
    maxResponseSize: LIMITS.noticeAnswerBytesMax,
    disableFileAccess: true,
    disableUrlAccess: true,
    logger: false,
  })
}

/** A server's own words may hold addresses and are left out. What it refuses for good about the recipient (RFC 5321 4.2.1: 5yz) is not tried again. */
function failureOf(error: unknown): Delivery {
  if (error instanceof UpstreamError) return { kind: 'later', why: error.message }
  const { code, responseCode } = error as { code?: unknown; responseCode?: unknown }
  const status = typeof responseCode === 'number' ? responseCode : undefined
  if (code === 'EENVELOPE' && status !== undefined && status >= 500)
    return { kind: 'refused', why: `the mail server refuses the recipient or the sender: ${status}` }
  const named = typeof code === 'string' && /^E[A-Z0-9]{2,20}$/.test(code) ? code : 'unknown'
  return { kind: 'later', why: `the mail server did not take it: ${status ?? named}` }
}
