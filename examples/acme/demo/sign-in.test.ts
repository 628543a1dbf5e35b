import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { loadConfiguration } from '../../../gateway/config/load.ts'
import { instant } from '../../../gateway/core/clock.ts'
import { ClientAssertionChecker } from '../../../gateway/identity/client-assertion.ts'
import { ACME_AGENTS, acmeConfiguration, prepareAcme } from '../start.ts'
import { clientAssertion } from './sign-in.ts'

const dataDir = mkdtempSync(join(tmpdir(), 'acme-sign-in-'))
afterAll(() => rmSync(dataDir, { recursive: true }))

test('each agent proves itself with the key that its start made, once, and nobody else with it', async () => {
  const { env, keys } = prepareAcme({ dataDir })
  const { clients } = loadConfiguration(acmeConfiguration(), env)
  const checker = new ClientAssertionChecker({
    clients: new Map([...clients].map(([agent, client]) => [agent, client.kind === 'jwks' ? JSON.parse(JSON.stringify(client.keys)) : []])),
    audiences: new Set(['http://127.0.0.1:4000/oauth/token']),
    clock: { now: () => instant(Date.now()) },
  })
  for (const agent of ACME_AGENTS) {
    const key = keys[agent]
    if (!key) throw new Error(`no key for ${agent}`)
    const assertion = clientAssertion(agent, key, 'http://127.0.0.1:4000/oauth/token')
    expect(await checker.prove(assertion)).toBe(agent)
    await expect(checker.prove(assertion)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    const other = agent === 'intern-bot' ? 'invoice-clerk' : 'intern-bot'
    await expect(checker.prove(clientAssertion(other, key, 'http://127.0.0.1:4000/oauth/token'))).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
    })
  }
})
