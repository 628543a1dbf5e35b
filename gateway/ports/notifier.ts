/** A mail server, as `gatehouse.yaml` has it. */
export interface MailSettings {
  host: string
  port: number
  /** `none`: in plain text, to private and loopback addresses alone. */
  tls: 'starttls' | 'implicit' | 'none'
  from: string
  user?: string | undefined
  password?: string | undefined
  arguments: 'omit' | 'include'
}

/** A receiver of webhooks. */
export interface WebhookSettings {
  name: string
  url: string
  /** `whsec_` and base64 (Standard Webhooks). */
  secret: string
  arguments: 'omit' | 'include'
}

/** How people are told. Without `smtp` and `webhooks` nobody is. */
export interface Notifications {
  /** Hosts that may lead to private addresses. */
  egress: readonly string[]
  smtp: MailSettings | null
  webhooks: readonly WebhookSettings[]
  /** Person to address, for those who have one. */
  mailOf: ReadonlyMap<string, string>
}
