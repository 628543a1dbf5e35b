import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { tmpdir } from 'node:os'
import { Writable } from 'node:stream'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { acmeConfiguration } from '../../examples/acme/start.ts'
import { check } from './check.ts'
import { createOutput } from './output.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-check-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const FILES: Readonly<Record<string, string>> = {
  'gatehouse.yaml':
    'organisation: acme\nissuers:\n  - kind: built-in\nconnectors: [connectors]\npolicies: [policies]\nagents: agents.yaml\n',
  'agents.yaml': '- { name: clerk, owner: paul, team: finance, region: eu }\n',
  'clerk.json': '{"keys": []}',
  'connectors/erp.yaml': 'connector: erp\nkind: openapi\nsource: erp.json\nbaseUrl: https://erp.example\nregion: eu\n',
  'connectors/erp.json': JSON.stringify({
    openapi: '3.1.0',
    info: { title: 'erp', version: '1' },
    paths: { '/vendors': { get: { operationId: 'listVendors', responses: { 200: { description: 'ok' } } } } },
  }),
  'policies/tests/erp.json': JSON.stringify([
    {
      name: 'the clerk reads',
      request: {
        principal: 'Gatehouse::Agent::"clerk"',
        action: 'Erp::Action::"listVendors"',
        resource: 'Gatehouse::Connector::"erp"',
        context: {},
      },
      entities: [],
      decision: 'allow',
    },
  ]),
  'policies/erp.cedar': '@id("reads")\npermit (principal, action == Erp::Action::"listVendors", resource);\n',
}

function lay(changes: Readonly<Record<string, string>>): string {
  for (const [name, text] of Object.entries({ ...FILES, ...changes })) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  return join(folder, 'gatehouse.yaml')
}

async function checked(config: string): Promise<{ exit: number; printed: string }> {
  let printed = ''
  const stream = new Writable({
    write(chunk, _encoding, done) {
      printed += String(chunk)
      done()
    },
  })
  return { exit: await check(createOutput(false, stream, stream), config, {}, false), printed }
}

const CLERK = '- { name: clerk, owner: paul, team: finance, region: eu, client: CLIENT }\n'
const external = (jwks: string): string =>
  `${FILES['gatehouse.yaml']?.replace('  - kind: built-in\n', `  - { kind: external, issuer: https://id.example, audience: a, algorithms: [ES256], jwks: ${jwks} }\n`)}`

const library = (use: string): string => `${FILES['gatehouse.yaml']}library:\n  - ${use}\n`

test('rules of the library are policies like any other', async () => {
  const use = '{ rule: working-hours, name: office, with: { operations: [read], zone: Europe/Berlin, from: "08:00", to: "18:00" } }'
  expect(await checked(lay({ 'gatehouse.yaml': library(use), 'policies/tests/erp.json': '[]' }))).toMatchObject({
    exit: 0,
    printed: expect.stringContaining(
      '1 connectors, 1 operations, 2 policies, 1 agents; 0 policy tests passed, 0 failed; 0 errors, 1 warning',
    ),
  })
})

test.each([
  ['{ rule: autonomi, name: x }', 'gatehouse.yaml:8:7: the library has no rule `autonomi`: did you mean `autonomy`?'],
  ['{ rule: autonomy, name: x }', 'gatehouse.yaml:8:5: rule `autonomy` needs `least`: the autonomy it takes, 0 to 5'],
  ['{ rule: autonomy, name: x, with: { least: much } }', 'gatehouse.yaml:8:40: `least`: `much` is no whole number: write `10`'],
])('a faulty use is told with its place: %s', async (use, fault) => {
  await expect(checked(lay({ 'gatehouse.yaml': library(use) }))).rejects.toThrow(fault)
})

test.each<[string, Record<string, string>]>([
  ['a small organisation', {}],
  ['an agent whose keys are made later', { 'agents.yaml': CLERK.replace('CLIENT', '{ jwks: clerk.json }') }],
  ['an external issuer', { 'gatehouse.yaml': external('https://id.example/keys') }],
])('%s passes', async (_title, changes) => {
  expect(await checked(lay(changes))).toEqual({
    exit: 0,
    printed: '1 connectors, 1 operations, 1 policies, 1 agents; 1 policy tests passed, 0 failed\n',
  })
})

test.each<[string, Record<string, string>, RegExp]>([
  ['keys by plain http', { 'gatehouse.yaml': external('http://id.example/keys') }, /needs a JWK set by https/],
  [
    'a malformed secret hash',
    { 'agents.yaml': CLERK.replace('CLIENT', '{ secretHash: "scrypt$1$2" }') },
    /secret hash of client `clerk` is not of the form/,
  ],
  [
    'keys that verify nothing',
    { 'agents.yaml': CLERK.replace('CLIENT', '{ jwks: clerk.json }'), 'clerk.json': '{"keys": [{"kty": "EC"}]}' },
    /keys of client `clerk` hold no public signature key/,
  ],
])('%s is found, as a start would', async (_title, changes, message) => {
  await expect(checked(lay(changes))).rejects.toThrow(message)
})

const ESCALATING = {
  'people.yaml': '- { name: maria, groups: [leads] }\n- { name: cfo, groups: [chiefs], MAIL }\n',
  'approvals.yaml': 'lead: { requires: [{ group: leads, count: 1 }], expires: 1h, escalate: [{ after: 5m, to: chiefs }] }\n',
}
const telling = (mail: string, notifications = '') => ({
  ...ESCALATING,
  'people.yaml': ESCALATING['people.yaml'].replace(', MAIL', mail),
  'gatehouse.yaml': `${FILES['gatehouse.yaml']}people: people.yaml\napprovals: approvals.yaml\n${notifications}`,
})
const SMTP = 'notifications: { smtp: { host: mail.acme.example, from: g@acme.example } }\n'

test.each([
  [
    'no channel',
    telling(''),
    'approvals.yaml:1:1: remark: approval `lead`: it escalates, and `notifications` in gatehouse.yaml names no channel',
  ],
  ['nobody with an address', telling('', SMTP), 'it escalates to group `chiefs`, in which nobody has `mail` in people.yaml'],
  ['an address', telling(', mail: cfo@acme.example', SMTP), undefined],
])('an escalation and %s: a remark at most, and no fault', async (_title, changes, remark) => {
  const { exit, printed } = await checked(lay(changes))
  expect(exit).toBe(0)
  if (remark === undefined) expect(printed).not.toContain('remark')
  else expect(printed).toContain(remark)
})

test('the example passes as it stands in a checkout', async () => {
  expect(await checked(acmeConfiguration())).toMatchObject({ exit: 0 })
})
