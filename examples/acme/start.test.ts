import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { isAbsolute, join, relative } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { loadConfiguration } from '../../gateway/config/load.ts'
import { ACME_AGENTS, acmeConfiguration, prepareAcme, startAcme } from './start.ts'

const root = mkdtempSync(join(tmpdir(), 'acme-start-'))
afterAll(() => rmSync(root, { recursive: true }))

const mode = (path: string): number => statSync(path).mode & 0o777

describe('a start', () => {
  test('a relative data directory, as `npm start` has it, is passed on as absolute paths', () => {
    const { env } = prepareAcme({ dataDir: relative(process.cwd(), join(root, 'relative')) })
    expect(Object.values(env).filter((path) => !isAbsolute(path))).toEqual([])
  })

  test('makes secrets, keys and documents once, and finds them again', async () => {
    const dataDir = join(root, 'twice')
    const first = await startAcme({ dataDir })
    writeFileSync(join(first.env.ACME_DOCS_DIR ?? '', 'notes/mine.md'), 'kept')
    await first.close()
    await first.close()
    const second = await startAcme({ dataDir })
    expect(second.credentials).toEqual(first.credentials)
    expect(second.keys).toEqual(first.keys)
    expect(readFileSync(join(second.env.ACME_DOCS_DIR ?? '', 'notes/mine.md'), 'utf8')).toBe('kept')
    await second.close()
  })

  test('keeps secrets to its user and publishes no private key', () => {
    const { env } = prepareAcme({ dataDir: join(root, 'modes') })
    expect(mode(join(root, 'modes/acme/secrets.json'))).toBe(0o600)
    for (const agent of ACME_AGENTS) {
      expect(mode(join(env.ACME_KEYS_DIR ?? '', `${agent}.private.jwk.json`))).toBe(0o600)
      const [key] = JSON.parse(readFileSync(join(env.ACME_KEYS_DIR ?? '', `${agent}.jwks.json`), 'utf8')).keys
      expect(Object.keys(key).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
    }
  })

  test('beside another has its own ports, secrets and rows', async () => {
    const [a, b] = await Promise.all([startAcme({ dataDir: join(root, 'a') }), startAcme({ dataDir: join(root, 'b') })])
    expect(a.env.ACME_CRM_URL).not.toBe(b.env.ACME_CRM_URL)
    expect(a.credentials).not.toEqual(b.credentials)
    const crossed = a.credentials.find((one) => one.connector === 'crm')?.value
    const key = crossed?.kind === 'header' ? crossed.value : ''
    const status = async (url = ''): Promise<number> => (await fetch(`${url}/customers`, { headers: { 'x-api-key': key } })).status
    expect([await status(a.env.ACME_CRM_URL), await status(b.env.ACME_CRM_URL)]).toEqual([200, 401])
    await Promise.all([a.close(), b.close()])
  })
})

describe('the configuration', () => {
  test('is whole, started or not', async () => {
    const cold = loadConfiguration(acmeConfiguration(), {})
    const { env } = prepareAcme({ dataDir: join(root, 'configured') })
    const warm = loadConfiguration(acmeConfiguration(), env)
    for (const { agents, manifests, approvals } of [cold, warm]) {
      expect(agents.map((agent) => agent.name)).toEqual([...ACME_AGENTS])
      expect(manifests.map((manifest) => manifest.connector)).toEqual(['crm', 'docs', 'erp'])
      expect([...approvals.keys()]).toEqual(['finance-manager', 'cfo-office', 'support-lead', 'security-review'])
    }
    expect(cold.clients.get('invoice-clerk')).toEqual({ kind: 'jwks', keys: [] })
    expect(warm.clients.get('invoice-clerk')).toMatchObject({ kind: 'jwks', keys: [{ kty: 'EC', crv: 'P-256', alg: 'ES256' }] })
    expect(agentsWith(warm, 'suspended')).toEqual(['intern-bot'])
  })

  test('no owner of an agent stands in a group that approves', () => {
    const { agents, people, approvals } = loadConfiguration(acmeConfiguration(), {})
    const approving = new Set([...approvals.values()].flatMap((approval) => approval.requires.map((one) => one.group)))
    const groupsOf = (name: string): readonly string[] | undefined => people.find((person) => person.name === name)?.groups
    for (const { owner } of agents) expect(groupsOf(owner)?.filter((group) => approving.has(group))).toEqual([])
  })
})

const agentsWith = (configuration: ReturnType<typeof loadConfiguration>, status: string): string[] =>
  configuration.agents.filter((agent) => agent.status === status).map((agent) => agent.name)
