import { LIMITS } from '../limits.ts'
import { UpstreamError } from '../ports/connector.ts'
import type { Dialer, Outbound } from '../ports/dialer.ts'
import { visible } from '../core/visible-text.ts'
import type { WebhookSettings } from '../ports/notifier.ts'
import type { Channel, Delivery } from './channel.ts'
import type { Message } from './message.ts'
import { facts, subjectOf } from './words.ts'
import { type Answered, openReceiver, signedPost } from './signed-post.ts'

/** Posts messages as JSON, signed by Standard Webhooks, through the dialer alone. */
export function webhookChannel(settings: WebhookSettings, egress: readonly string[], dialer: Dialer): Channel {
  const { name, url } = settings
  const outbound = openReceiver(dialer, url, egress)
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
  const { id, now } = message
  const body = JSON.stringify(payloadOf(message))
  try {
    return judge(await signedPost(outbound, { url, secret, id, now, body, timeoutMs: LIMITS.noticeSendMsMax }))
  } catch (error) {
    return { kind: 'later', why: error instanceof UpstreamError ? error.message : 'it could not be sent' }
  }
}

function judge({ status, afterMs }: Answered): Delivery {
  if (status >= 200 && status < 300) return { kind: 'taken' }
  if (status === 410) return { kind: 'refused', why: 'the receiver answered 410: it wants no more' }
  return { kind: 'later', why: `the receiver answered ${status}`, ...(afterMs === undefined ? {} : { afterMs }) }
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
