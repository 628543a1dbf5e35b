import { createHmac } from 'node:crypto'

/** The headers of Standard Webhooks 1.0: HMAC-SHA256 over `id.timestamp.body` under the bytes behind `whsec_`. `at` in milliseconds. */
export function signedHeaders(secret: string, id: string, at: number, body: string): Record<string, string> {
  const timestamp = String(Math.floor(at / 1_000))
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` }
}
