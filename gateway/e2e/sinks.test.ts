import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { receiveHooks } from '../notify/test-receivers.ts'
import { startBed } from './harness.ts'
import { send } from './send.ts'

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const CANARY = 'ada.lovelace.canary@customers.example'

test('a sink that is refused for good stops and says so, while calls and the other sink go on', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-sinks-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const receiver = await receiveHooks(SECRET)
  onTestFinished(() => receiver.close())
  receiver.answer = (_request, response) => void response.writeHead(400).end()
  const path = join(folder, 'record.ndjson')
  const sinks = `
sinks:
  - { name: disk, kind: file, format: ocsf, path: "${path}" }
  - { name: siem, kind: webhook, url: "${receiver.url}", secret: "${SECRET}", egress: ["127.0.0.1"] }
`
  const bed = await startBed({ edits: { 'gatehouse.yaml': (text) => `${text}${sinks}` } })
  onTestFinished(() => bed.close())
  const metrics = async () => (await send(bed.url, { method: 'GET', path: '/metrics', headers: {} })).text
  await vi.waitFor(async () => expect(await metrics()).toContain('gatehouse_sinks_stopped{follower="sink:siem"} 1'), {
    timeout: 20_000,
    interval: 100,
  })
  expect(await metrics()).toContain('gatehouse_sinks_stopped{follower="sink:disk"} 0')
  expect(bed.log()).toContain('a sink stopped')
  const { length } = receiver.hooks
  const token = await bed.agentToken('support-triage', 'sam')
  const headers = { authorization: `Bearer ${token}` }
  const reply = await send(bed.url, { method: 'GET', path: `/proxy/crm/customers?q=${encodeURIComponent(CANARY)}`, headers })
  expect(reply.status, reply.text).toBe(200)
  const call = String(reply.headers['gatehouse-call'])
  const events = () =>
    readFileSync(path, 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as { metadata: { event_code: string; correlation_uid?: string }; api?: { operation: string } })
      .filter(({ metadata }) => metadata.correlation_uid === call)
  await vi.waitFor(() => expect(events().map(({ metadata }) => metadata.event_code)).toContain('outcome'), {
    timeout: 20_000,
    interval: 100,
  })
  const told = events().filter(({ metadata }) => ['decision', 'outcome'].includes(metadata.event_code))
  expect(new Set(told.map(({ api }) => api?.operation))).toEqual(new Set(['crm.searchCustomers']))
  expect(readFileSync(path, 'utf8')).not.toContain(CANARY)
  expect(receiver.hooks).toHaveLength(length)
}, 60_000)
