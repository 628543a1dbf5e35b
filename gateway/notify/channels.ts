import type { Dialer } from '../ports/dialer.ts'
import type { Notifications } from '../ports/notifier.ts'
import type { Channel } from './channel.ts'
import { mailChannel } from './mail.ts'
import { webhookChannel } from './webhook.ts'

/** The channels of a configuration: mail, then webhooks as they are listed. */
export function openChannels({ egress, smtp, webhooks, mailOf }: Notifications, dialer: Dialer): readonly Channel[] {
  return [
    ...(smtp ? [mailChannel({ settings: smtp, egress, dialer, mailOf })] : []),
    ...webhooks.map((settings) => webhookChannel(settings, egress, dialer)),
  ]
}
