import { LIMITS } from '../limits.ts'
import { UpstreamError } from '../ports/connector.ts'
import type { Dialer, Outbound, OutboundResponse } from '../ports/dialer.ts'
import { visible } from '../core/visible-text.ts'
import type { WebhookSettings } from '../ports/notifier.ts'
import type { Channel, Delivery } from './channel.ts'
import type { Message } from './message.ts'
import { facts, subjectOf } from './words.ts'
import { signedHeaders } from './webhook-signature.ts'

/** Posts messages as JSON, signed by Standard Webhooks, through the dialer alone. */
export function webhookChannel(settings: WebhookSettings, egress: readonly string[], dialer: Dialer): Channel {
  const { name, url } = settings
  const host = new URL(url).hostname.replace(/^\[|\]$/g, '')
  const outbound = dialer.open({ hosts: [host], privateHosts: egress })
  return {
    name: `webhook:${name}`,
    kind: 'webhook',
    carriesArguments: settings.arguments === 'include',
    reaches: () => true,
    send: (message) => post(outbound, settings, message),
    close: () => outbound.close(),
  }
}

async function post(outbound: Outbound, { url, secret }: WebhookSettings, message: Message): Promise<Delivery> {
  const body = JSON.stringify(payloadOf(message))
  try {
    const response = await outbound.request({
      method: 'POST',
      url,
      headers: {
        'content-type': 'application/json',
        'user-agent': 'Gatehouse',
        ...signedHeaders(secret, message.id, message.now, body),
      },
      body,
      signal: AbortSignal.timeout(LIMITS.noticeSendMsMax),
      headersTimeoutMs: LIMITS.noticeSendMsMax,
      bodyTimeoutMs: LIMITS.noticeSendMsMax,
    })
    await drain(response).catch(() => undefined)
    return judge(response, message.now)
  } catch (error) {
    return { kind: 'later', why: error instanceof UpstreamError ? error.message : 'it could not be sent' }
  }
}

/** Reads the answer to its end, so that the connection can be used again; what is longer than it may be is left. */
async function drain({ body }: OutboundResponse): Promise<void> {
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.byteLength
    if (bytes > LIMITS.noticeAnswerBytesMax) return
  }
}

function judge({ status, headers }: OutboundResponse, now: number): Delivery {
  if (status >= 200 && status < 300) return { kind: 'taken' }
  if (status === 410) return { kind: 'refused', why: 'the receiver answered 410: it wants no more' }
  const afterMs = retryAfterMs(headers['retry-after'], now)
  return { kind: 'later', why: `the receiver answered ${status}`, ...(afterMs === undefined ? {} : { afterMs }) }
}

/** `Retry-After` in milliseconds from now, seconds or a date (RFC 9110 10.2.3). */
export function retryAfterMs(header: string | readonly string[] | undefined, now: number): number | undefined {
  if (typeof header !== 'string') return undefined
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1_000
  const at = header.endsWith('GMT') ? Date.parse(header) : Number.NaN
  return Number.isNaN(at) ? undefined : Math.max(0, at - now)
}

/** What a receiver gets. Texts of agents and people have their invisible characters escaped. */
function payloadOf(message: Message): object {
  const { kind, at, recipient, asked, about, link } = message
  return {
    type: kind,
    timestamp: new Date(at).toISOString(),
    data: {
      recipient,
      asked,
      title: subjectOf(message),
      facts: facts(message).map(([label, value]) => ({ label, value })),
      ...(about && {
        hold: { id: about.hold.id, state: about.hold.state, expiresAt: new Date(about.hold.expiresAt).toISOString() },
        call: { id: about.call.id, agent: about.call.agent, subject: about.call.subject, operation: about.call.operation },
        rationale: about.call.rationale === null ? null : { text: visible(about.call.rationale), verified: false },
        arguments: message.arguments,
      }),
      link,
    },
  }
}
