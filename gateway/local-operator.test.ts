import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readAddress } from './config/address-file.ts'
import { GatewayError } from './core/errors.ts'
import { authenticateOperator, LocalOperator } from './local-operator.ts'
import type { Registry } from './ports/registry.ts'
import type { TokenVerifier } from './ports/token-verifier.ts'

const PEOPLE = new Map([['maria', { name: 'maria', groups: ['finance-managers'], roles: ['operator'] as const }]])
const registry = { person: (name: string) => PEOPLE.get(name) } as unknown as Registry
/** Knows one token of a person, one of nobody here, and none else; what it is asked for counts. */
const asked: string[] = []
const verifier: TokenVerifier = {
  async verify(token, audience) {
    asked.push(`${audience} ${token}`)
    const subject = token === 'marias' ? 'maria' : token === 'strangers' ? 'eve' : undefined
    if (token === 'agents' || (subject === undefined && token !== 'nobodys')) throw new GatewayError('UNAUTHENTICATED', 'not for people')
    return { issuer: 'x', actors: [], expiresAtMs: 0, audience, ...(subject === undefined ? {} : { subject }) }
  },
}

let folder: string
let local: LocalOperator
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-local-'))
  local = new LocalOperator()
  asked.length = 0
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const tokenOf = (operator: LocalOperator): string => {
  operator.publish(folder, 'http://127.0.0.1:1')
  return readAddress(folder)?.token ?? ''
}
const who = (authorization: string | undefined) => authenticateOperator({ verifier, registry, local }, authorization)

describe('the file', () => {
  test('is for its user alone, says where the gateway is, and goes with it', () => {
    const remove = local.publish(folder, 'http://127.0.0.1:4000')
    const file = join(folder, 'gateway.json')
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(readAddress(folder)).toMatchObject({ url: 'http://127.0.0.1:4000', token: expect.stringMatching(/^ghl_[\w-]{43}$/) })
    remove()
    remove()
    expect([existsSync(file), readAddress(folder)]).toEqual([false, undefined])
  })

  test('of an earlier start is replaced, and its mode with it', () => {
    const file = join(folder, 'gateway.json')
    writeFileSync(file, '{"url":"http://old","token":"old"}', { mode: 0o644 })
    local.publish(folder, 'http://127.0.0.1:4001')
    expect([statSync(file).mode & 0o777, readAddress(folder)?.url]).toEqual([0o600, 'http://127.0.0.1:4001'])
  })

  test.each(['', '{', '[]', 'null', '{"url":"x"}'])('that is none: %s', (text) => {
    writeFileSync(join(folder, 'gateway.json'), text)
    expect(readAddress(folder)).toBeUndefined()
  })
})

describe('who stands behind a token', () => {
  test('the local operator, and only with the credential of this start', async () => {
    expect(await who(`Bearer ${tokenOf(local)}`)).toEqual({ name: 'local', groups: [], roles: ['local'] })
    await expect(who(`Bearer ${tokenOf(new LocalOperator())}`)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    expect(asked).toEqual([])
  })

  test('a person of the configuration', async () => {
    expect(await who('bearer marias')).toEqual({ name: 'maria', groups: ['finance-managers'], roles: ['operator'] })
    expect(asked).toEqual(['people marias'])
  })

  test.each([
    ['no header', undefined],
    ['an empty one', ''],
    ['another scheme', 'Basic bWFyaWE6'],
    ['no token', 'Bearer '],
    ['two tokens', 'Bearer marias x'],
    ['a person who is not configured', 'Bearer strangers'],
    ['a token of no person', 'Bearer nobodys'],
    ['a token of an agent', 'Bearer agents'],
    ['a name in place of a token', 'Bearer local'],
    ['the prefix alone', 'Bearer ghl_'],
  ])('nobody: %s', async (_title, authorization) => {
    await expect(who(authorization)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  })

  test('its credential cannot be read off it', () => {
    const token = tokenOf(local)
    expect([JSON.stringify(local), String(local)].join()).not.toContain(token.slice(4))
  })
})
