import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { GatewayError } from '../core/errors.ts'
import { PLAIN_TERMS } from '../core/hold.ts'
import { durationMs } from '../core/duration.ts'
import { cosigner, noteSigner } from '../record/signed-note.ts'
import { loadConfiguration } from './load.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-config-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const FILES: Readonly<Record<string, string>> = {
  'gatehouse.yaml': `organisation: acme
issuers:
  - kind: built-in
connectors: [connectors]
policies: [policies]
approvals: approvals.yaml
people: people.yaml
agents: agents.yaml
`,
  'people.yaml': '- {name: maria, groups: [finance-managers]}\n',
  'agents.yaml': '- {name: clerk, owner: paul, team: finance, region: eu, roles: [clerk], client: {jwks: clerk.json}}\n',
  'clerk.json': '{"keys": [{"kty": "EC"}]}',
  'approvals.yaml': 'finance-manager: {requires: [{group: finance-managers, count: 1}], expires: 4h}\n',
  'connectors/erp.yaml': `connector: erp
kind: openapi
source: erp.json
baseUrl: \${ERP_URL:-http://127.0.0.1:1}
region: eu
egress: [127.0.0.1]
operations:
  overrides:
    releasePayment: {reversibility: irreversible, timeout: 10s, labels: [untrusted]}
`,
  'connectors/erp.json': '{}',
  'policies/erp.cedar': '',
  'policies/org.cedar': '',
}

function lay(changes: Readonly<Record<string, string | null>> = {}): string {
  for (const [name, text] of Object.entries({ ...FILES, ...changes })) {
    if (text === null) continue
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  return join(folder, 'gatehouse.yaml')
}

function faultsOf(file: string, environment = {}): string[] {
  try {
    loadConfiguration(file, environment)
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'CONFIG_INVALID')
      return error.faults.map((f) => `${f.pointer.split('/').at(-1)} ${f.message}`)
    throw error
  }
  return []
}

const PEOPLE_WITH_MAIL = '- {name: maria, groups: [finance-managers], mail: maria@acme.example}\n'
const notifying = (settings: string) => ({
  'gatehouse.yaml': `${FILES['gatehouse.yaml']}notifications: ${settings}\n`,
  'people.yaml': PEOPLE_WITH_MAIL,
})
const WEBHOOK_SECRET = `whsec_${'A'.repeat(32)}`
const hook = (url: string, name = 'ops', secret = WEBHOOK_SECRET) => `{name: ${name}, url: "${url}", secret: "${secret}"}`

describe('playbooks', () => {
  const REFUND = `name: refund
version: "1"
title: Refunds
procedure: |
  1. Look at the order.
outcomes: [refund, refuse]
record:
  type: object
  properties: {order: {type: string}}
`
  const books = (...texts: string[]) => ({
    'gatehouse.yaml': `${FILES['gatehouse.yaml']}playbooks: [books]\n`,
    ...Object.fromEntries(texts.map((text, i) => [`books/${i}.yaml`, text])),
  })

  test('come in with digests of what they say', () => {
    const read = (...texts: string[]) => loadConfiguration(lay(books(...texts)), {}).playbooks
    const [one] = read(REFUND)
    expect(one).toMatchObject({ name: 'refund', version: '1', outcomes: ['refund', 'refuse'], record: { type: 'object' } })
    const [other] = read(REFUND.replace('Look at', 'Read'))
    expect(other?.schema).toBe(one?.schema)
    expect(other?.digest).not.toBe(one?.digest)
    const [spaced] = read(`# Only a comment\n${REFUND.replace('[refund, refuse]', '[ refund, "refuse" ]')}`)
    expect(spaced?.digest).toBe(one?.digest)
  })

  const schema = (text: string): string => `${REFUND.slice(0, REFUND.indexOf('record:'))}record: ${text}\n`
  test.each<[string, string[], RegExp[]]>([
    ['two of one version', [REFUND, REFUND], [/^1\.yaml:2:1 version `1` of playbook `refund` stands already at .*0\.yaml:2:1/]],
    ['a version that is a number', [REFUND.replace('"1"', '1')], [/^0\.yaml:2:1 version: write the version in quotes/]],
    ['a version with a word', [REFUND.replace('"1"', '"1-rc"')], [/a version is one to three numbers with dots/]],
    ['a key that nobody knows', [`${REFUND}owner: maria\n`], [/^0\.yaml:10:1 unknown key `owner`/]],
    ['an outcome twice', [REFUND.replace('refuse]', 'refund]')], [/^0\.yaml:6:1 outcomes: an outcome stands there twice/]],
    ['no outcome', [REFUND.replace('[refund, refuse]', '[]')], [/outcomes: /]],
    ['a schema that is none', [schema('yes')], [/^0\.yaml:7:1 record: write a JSON Schema/]],
    ['a schema of something else', [schema('{type: array}')], [/^0\.yaml:7:10 record\.type: a decision record is an object/]],
    [
      'a schema that lies elsewhere',
      [schema('{type: object, properties: {a: {$ref: "https://evil.example/s.json"}, b: {$ref: "other.json#/x"}}}')],
      [/\$ref: a reference stays in its own schema/, /\$ref: a reference stays in its own schema/],
    ],
    [
      'a schema of another draft',
      [schema('{type: object, $schema: "http://json-schema.org/draft-07/schema#"}')],
      [/only JSON Schema 2020-12/],
    ],
    ['a schema with an address', [schema('{type: object, $id: "https://acme.example/s"}')], [/leave `\$id` out/]],
    ['a schema without end', [schema(`{type: object, ${'not: {'.repeat(40)}${'}'.repeat(40)}}`)], [/nests deeper than 32/]],
    ['a schema without measure', [schema(`{type: object, title: "${'x'.repeat(17_000)}"}`)], [/longer than 16384 characters/]],
    ['a number that JSON has not', [schema('{type: object, minProperties: .inf}')], [/minProperties: is no value of JSON/]],
  ])('with %s are refused', (_title, texts, expected) => {
    const faults = faultsOf(lay(books(...texts)))
    expect(faults).toHaveLength(expected.length)
    for (const [index, pattern] of expected.entries()) expect(faults[index]).toMatch(pattern)
  })

  test('of a folder that is not there are refused', () => {
    expect(faultsOf(lay({ 'gatehouse.yaml': `${FILES['gatehouse.yaml']}playbooks: [books]\n` }))).toEqual([
      expect.stringMatching(/^gatehouse\.yaml:9:\d+ no such folder: /),
    ])
  })
})

describe('witnesses', () => {
  const KEY = cosigner('witness.example/a', randomBytes(32)).vkey
  const witnesses = (text: string) => ({ 'gatehouse.yaml': `${FILES['gatehouse.yaml']}log:\n  witnesses: ${text}\n` })

  test('are told by their keys and addresses; there are none by default', () => {
    const file = lay(witnesses(`[{url: "https://witness.example/a/", key: "${KEY}"}]`))
    expect(loadConfiguration(file, {}).witnesses).toEqual([
      { name: 'witness.example/a', vkey: KEY, url: 'https://witness.example/a', egress: [] },
    ])
    expect(loadConfiguration(lay(), {}).witnesses).toEqual([])
  })

  test.each([
    ['no key', '[{url: "https://w.example", key: abc}]', 'no verifier key'],
    ['the key of a log', `[{url: "https://w.example", key: "${noteSigner('log', randomBytes(32)).vkey}"}]`, 'the key of a log'],
    ['a key id of another key', `[{url: "https://w.example", key: "${KEY.replace(/\+[0-9a-f]{8}\+/, '+00000000+')}"}]`, 'the key id of'],
    ['one twice', `[{url: "https://w.example", key: "${KEY}"}, {url: "https://v.example", key: "${KEY}"}]`, 'stands there twice'],
    ['plain text for anywhere', `[{url: "http://w.example", key: "${KEY}"}]`, 'would go in plain text'],
    ['a query', `[{url: "https://w.example/?a", key: "${KEY}"}]`, 'neither a query nor a fragment'],
    ['a user in the address', `[{url: "https://u:p@w.example", key: "${KEY}"}]`, 'an address takes no user'],
  ])('%s is a fault', (_title, text, fault) => expect(faultsOf(lay(witnesses(text))).join()).toContain(fault))
})

describe('sinks', () => {
  const sinks = (text: string) => ({ 'gatehouse.yaml': `${FILES['gatehouse.yaml']}sinks: ${text}\n` })
  const hookTo = (url: string, rest = '') => `{name: siem, kind: webhook, url: "${url}", secret: "${WEBHOOK_SECRET}"${rest}}`

  test('come in with paths beside the file, all kinds, and no payloads', () => {
    const file = lay(
      sinks(
        `[{name: disk, kind: file, path: out/record.ndjson}, ${hookTo('https://siem.acme.example/x', ', format: ocsf, kinds: [vote]')}]`,
      ),
    )
    expect(loadConfiguration(file, {}).sinks).toEqual([
      { name: 'disk', format: 'entry', kinds: 'all', payloads: false, to: { kind: 'file', path: join(folder, 'out/record.ndjson') } },
      {
        ...{ name: 'siem', format: 'ocsf', kinds: ['vote'], payloads: false },
        to: { kind: 'webhook', url: 'https://siem.acme.example/x', secret: WEBHOOK_SECRET, egress: [] },
      },
    ])
    expect(loadConfiguration(lay(), {}).sinks).toEqual([])
  })

  test.each([
    ['two of a name', '[{name: a, kind: file, path: x}, {name: a, kind: file, path: y}]', 'sink `a` stands there twice'],
    ['two into one file', '[{name: a, kind: file, path: x}, {name: b, kind: file, path: ./x}]', 'another sink writes into this file'],
    ['a kind that is none', '[{name: a, kind: file, path: x, kinds: [votes]}]', 'no such kind of entry'],
    ['plain text for anywhere', `[${hookTo('http://siem.acme.example/x')}]`, 'would go in plain text'],
    ['a user in the address', `[${hookTo('https://u:p@siem.acme.example/x')}]`, 'an address takes no user'],
    ['a file without a path', '[{name: a, kind: file}]', 'path'],
  ])('%s is a fault', (_title, text, fault) => expect(faultsOf(lay(sinks(text))).join()).toContain(fault))
})

describe('notifications', () => {
  test('come in with the usual port and with addresses apart from people', () => {
    const read = loadConfiguration(
      lay(
        notifying(
          `{egress: [10.0.0.7], smtp: {host: mail.acme.example, from: g@acme.example, user: g, password: "\${PW}"}, webhooks: [${hook('https://hooks.acme.example/x')}]}`,
        ),
      ),
      { PW: 'a: b # c' },
    )
    expect(read.notifications).toEqual({
      egress: ['10.0.0.7'],
      smtp: {
        host: 'mail.acme.example',
        port: 587,
        tls: 'starttls',
        from: 'g@acme.example',
        user: 'g',
        password: 'a: b # c',
        arguments: 'omit',
      },
      webhooks: [{ name: 'ops', url: 'https://hooks.acme.example/x', secret: WEBHOOK_SECRET, arguments: 'omit' }],
      mailOf: new Map([['maria', 'maria@acme.example']]),
    })
    expect(JSON.stringify(read.people)).not.toContain('@')
    expect(loadConfiguration(lay(), {}).notifications).toMatchObject({ smtp: null, webhooks: [] })
  })

  test.each([
    ['mail in plain text to just anywhere', '{smtp: {host: mail.acme.example, from: g@acme.example, tls: none}}', 'would go in plain text'],
    ['a webhook in plain text to just anywhere', `{webhooks: [${hook('http://hooks.acme.example/')}]}`, 'would go in plain text'],
    ['a user in an address', `{webhooks: [${hook('https://u:p@hooks.acme.example/')}]}`, 'an address takes no user'],
    ['a webhook twice', `{webhooks: [${hook('https://a.example/')}, ${hook('https://b.example/')}]}`, 'stands there twice'],
    ['a short secret', `{webhooks: [${hook('https://a.example/', 'ops', 'whsec_c2hvcnQ=')}]}`, 'base64 of 24 to 64 random bytes'],
    ['a secret in another form', `{webhooks: [${hook('https://a.example/', 'ops', 'A'.repeat(40))}]}`, 'base64 of 24 to 64 random bytes'],
    ['a user without a password', '{smtp: {host: m.example, from: g@acme.example, user: g}}', 'both `user` and `password`'],
    ['a sender with a line break', '{smtp: {host: m.example, from: "g@acme.example\\r\\nBcc: x@y.example"}}', 'Invalid email address'],
    ['a key that nobody knows', '{smtp: {host: m.example, from: g@acme.example, insecure: true}}', 'unknown key `insecure`'],
    ['another scheme', `{webhooks: [${hook('file:///etc/passwd')}]}`, 'Invalid'],
  ])('%s is refused', (_title, settings, message) => expect(faultsOf(lay(notifying(settings)))).toEqual([expect.stringContaining(message)]))

  test('plain text is taken for hosts that are named as private', () =>
    expect(
      faultsOf(
        lay(
          notifying(
            `{egress: [127.0.0.1, mail.internal], smtp: {host: mail.internal, from: g@acme.example, tls: none}, webhooks: [${hook('http://127.0.0.1:9/')}]}`,
          ),
        ),
      ),
    ).toEqual([]))

  test('an address that is none is refused', () => {
    const people = '- {name: maria, groups: [finance-managers], mail: "maria@acme.example\\nBcc: x@y.example"}\n'
    expect(faultsOf(lay({ 'people.yaml': people }))).toContainEqual(expect.stringContaining('Invalid email address'))
  })
})

describe('a whole configuration', () => {
  test('payloads and answers are kept for good, or as long as it says', () => {
    const kept = (more: string) => loadConfiguration(lay({ 'gatehouse.yaml': `${FILES['gatehouse.yaml']}${more}` }), {}).retention
    expect(kept('')).toEqual({})
    expect(kept('retention: {payloads: 400d, results: 30d}\n')).toEqual({ payloads: 400 * 86_400_000, results: 30 * 86_400_000 })
    expect(() => kept('retention: {payloads: 59m}\n')).toThrow(/retention\.payloads: at least 1h/)
    expect(kept('retention: {entries: 2557d, payloads: 400d}\n')).toEqual({ entries: 2_557 * 86_400_000, payloads: 400 * 86_400_000 })
    expect(() => kept('retention: {entries: 399d}\n')).toThrow(/retention\.entries: at least 400d: policies count over up to 365d/)
    expect(() => kept('retention: {entries: 400d, payloads: 401d}\n')).toThrow(/`entries` must be at least as long as `payloads`/)
    expect(() => kept('retention: {all: 7d}\n')).toThrow(/unknown key `all`/)
  })

  test('comes in with paths absolute, durations in milliseconds and variables filled in', () => {
    const read = loadConfiguration(lay(), { ERP_URL: 'http://127.0.0.1:9' })
    expect(read.manifests[0]).toMatchObject({
      connector: 'erp',
      baseUrl: 'http://127.0.0.1:9',
      source: { text: '{}' },
      operations: { overrides: { releasePayment: { reversibility: 'irreversible', timeoutMs: 10_000, labels: ['untrusted'] } } },
    })
    expect(read.labelWindowMs).toBe(86_400_000)
    expect(read.approvals.get('finance-manager')).toMatchObject({ expiresMs: 14_400_000, onApproval: 'execute' })
    expect(read.clients.get('clerk')).toEqual({ kind: 'jwks', keys: [{ kty: 'EC' }] })
    expect(read.policies.map((p) => p.connector)).toEqual(['erp', null])
    expect(read.facts).toBeUndefined()
  })
  test('an approval says all of its terms, and every one of them makes another version', () => {
    const approvalOf = (terms: string) =>
      loadConfiguration(
        lay({ 'approvals.yaml': `finance-manager: {requires: [{group: finance-managers, count: 1}], expires: 4h, ${terms}}\n` }),
        { ERP_URL: 'http://127.0.0.1:9' },
      ).approvals.get('finance-manager')
    const terms = [
      'deny_threshold: 1',
      'escalate: [{after: 2h, notify: [finance-managers]}, {after: 30m, to: finance-managers}]',
      'on_approval: claim',
      'edits: allowed',
      'excludes: [/lookup/vendor/createdBy, /input/requestedBy]',
    ]
    expect(approvalOf(terms.join(', '))).toMatchObject({
      denyThreshold: 1,
      escalate: [
        { afterMs: 1_800_000, to: 'finance-managers', notify: [] },
        { afterMs: 7_200_000, to: null, notify: ['finance-managers'] },
      ],
      onApproval: 'claim',
      edits: 'allowed',
      excludes: ['/input/requestedBy', '/lookup/vendor/createdBy'],
    })
    const plain = approvalOf('edits: forbidden')
    expect(plain).toMatchObject({ ...PLAIN_TERMS })
    const [same, ...others] = terms.map((one) => approvalOf(one)?.version)
    expect(same).toBe(plain?.version)
    expect(new Set([same, ...others]).size).toBe(terms.length)
  })
  test('what approvers may give with an approval; each part makes another version, and `none` is as if nothing was said', () => {
    const approvalOf = (standing: string) => {
      const terms = standing === '' ? '' : `, standing: ${standing}`
      const text = `finance-manager: {requires: [{group: finance-managers, count: 1}], expires: 4h${terms}}\n`
      return loadConfiguration(lay({ 'approvals.yaml': text }), {}).approvals.get('finance-manager')
    }
    const whole = approvalOf('{max_uses: 20, max_total: {of: /amount, value: "10000"}, until: 30d, pinned: [/vendor, /currency, /vendor]}')
    expect(whole?.standing).toEqual({
      maxUses: 20,
      totals: [{ of: '/amount', most: '10000' }],
      lifeMs: 30 * 86_400_000,
      pinned: ['/currency', '/vendor'],
    })
    expect(approvalOf('{max_uses: 1, until: 1h}')?.standing).toEqual({ maxUses: 1, totals: [], lifeMs: 3_600_000, pinned: [] })
    const none = approvalOf('')
    expect([none?.standing, approvalOf('none')?.version]).toEqual([null, none?.version])
    const versions = [
      '{max_uses: 20, until: 30d}',
      '{max_uses: 21, until: 30d}',
      '{max_uses: 20, until: 31d}',
      '{max_uses: 20, until: 30d, max_total: {of: /amount, value: "1"}}',
      '{max_uses: 20, until: 30d, max_total: {of: /sum, value: "1"}}',
      '{max_uses: 20, until: 30d, max_total: {of: /amount, value: "2"}}',
      '{max_uses: 20, until: 30d, pinned: [/currency]}',
    ].map((standing) => approvalOf(standing)?.version)
    expect(new Set([none?.version, ...versions]).size).toBe(versions.length + 1)
  })
  test('who may break the glass: for half an hour, with a review by security within a day, where nothing else is said', () => {
    const people =
      '- {name: maria, groups: [finance-managers, commanders]}\n- {name: aisha, roles: [security]}\n- {name: olga, roles: [operator]}\n'
    const ruleOf = (breakGlass: string) =>
      loadConfiguration(lay({ 'gatehouse.yaml': `${FILES['gatehouse.yaml']}${breakGlass}`, 'people.yaml': people }), {}).breakGlass
    expect(ruleOf('')).toBeUndefined()
    const review = { by: 'security', withinMs: 86_400_000 }
    expect(ruleOf('breakGlass: {group: commanders}\n')).toEqual({ group: 'commanders', lifeMs: 1_800_000, review })
    expect(ruleOf('breakGlass: {group: commanders, life: 5m, review: {by: operator, within: 2h}}\n')).toEqual({
      ...{ group: 'commanders', lifeMs: 300_000 },
      review: { by: 'operator', withinMs: 7_200_000 },
    })
  })
  test('facts stand beside the policies, in one file', () => {
    const facts = loadConfiguration(lay({ 'policies/facts.yaml': 'derived: {}\n' }), {}).facts
    expect(facts).toEqual({ path: join(folder, 'policies/facts.yaml'), text: 'derived: {}\n' })
    const twice = lay({
      'gatehouse.yaml': FILES['gatehouse.yaml']?.replace('[policies]', '[policies, more]') ?? '',
      'policies/facts.yaml': '',
      'more/facts.yaml': '',
    })
    expect(faultsOf(twice).join()).toMatch(/^facts\.yaml the facts stand already in .*policies\/facts\.yaml/)
  })
  test('a default stands in where the environment is silent, and DATABASE_URL overrides', () => {
    const read = loadConfiguration(lay(), { DATABASE_URL: 'postgres://x/y' })
    expect(read.manifests[0]?.baseUrl).toBe('http://127.0.0.1:1')
    expect(read.databaseUrl).toBe('postgres://x/y')
  })
  test('REDIS_URL overrides the file', () => {
    const folder = lay({ 'gatehouse.yaml': `${FILES['gatehouse.yaml']}redis: { url: 'redis://a:1' }\n` })
    expect(loadConfiguration(folder, {}).redisUrl).toBe('redis://a:1')
    expect(loadConfiguration(folder, { REDIS_URL: 'rediss://me:secret@b:2/3' }).redisUrl).toBe('rediss://me:secret@b:2/3')
    expect(loadConfiguration(lay(), {}).redisUrl).toBeUndefined()
  })
  test('an address that is none is a fault, and is not repeated', () => {
    expect(() => loadConfiguration(lay(), { REDIS_URL: 'http://me:secret@b:2' })).toThrow(/^(?!.*secret).*REDIS_URL.*redis:\/\/127/s)
  })
})

describe('faults', () => {
  test.each<[string, Record<string, string>, RegExp[]]>([
    ['an unknown key', { 'gatehouse.yaml': `${FILES['gatehouse.yaml']}databse: {}\n` }, [/^gatehouse\.yaml:9:1 unknown key `databse`/]],
    ['a key twice', { 'gatehouse.yaml': `${FILES['gatehouse.yaml']}agents: x\n` }, [/^gatehouse\.yaml:9:1 Map keys must be unique/]],
    [
      'a missing file',
      { 'gatehouse.yaml': FILES['gatehouse.yaml']?.replace('people.yaml', 'nobody.yaml') ?? '' },
      [/^gatehouse\.yaml:7:1 cannot read .*nobody\.yaml.* no such file/, /asks for 1 of group `finance-managers`, which has 0/],
    ],
    [
      'a variable without value or default',
      { 'connectors/erp.yaml': FILES['connectors/erp.yaml']?.replace(':-http://127.0.0.1:1', '') ?? '' },
      [/^erp\.yaml:4:1 the environment variable `ERP_URL` is not set/, /Invalid URL/],
    ],
    [
      'a hold that nobody could satisfy',
      { 'people.yaml': '- {name: maria}\n' },
      [/asks for 1 of group `finance-managers`, which has 0: nobody could satisfy it/],
    ],
    [
      'a private key among the public',
      { 'clerk.json': '{"keys": [{"kty": "EC", "d": "x"}]}' },
      [/^agents\.yaml:1:\d+ .*holds private or symmetric keys/],
    ],
    ['a policy file without connector', { 'policies/hr.cedar': '' }, [/^hr\.cedar there is no connector `hr`/]],
    [
      'a reserved connector name',
      { 'connectors/erp.yaml': FILES['connectors/erp.yaml']?.replace('connector: erp', 'connector: gatehouse') ?? '' },
      [/^erp\.yaml:1:1 connector: the name `gatehouse` is reserved/],
    ],
    [
      'a duration that is none',
      { 'approvals.yaml': 'finance-manager: {requires: [{group: finance-managers, count: 1}], expires: soon}\n' },
      [/`soon` is no duration/],
    ],
    ...(
      [
        ['more refusals than people', 'deny_threshold: 2', /approval `finance-manager` ends with 2 refusals, and 1 may vote/],
        ['an escalation after the end', 'escalate: [{after: 4h, to: finance-managers}]', /escalates when it has expired already/],
        ['an escalation to nobody', 'escalate: [{after: 1h, to: ghosts}]', /escalates to group `ghosts`, which has nobody/],
        ['an escalation that does nothing', 'escalate: [{after: 1h}]', /an escalation needs `to`, `notify` or both/],
        ['no use', 'standing: {max_uses: 0, until: 1d}', /standing\.max_uses: Too small/],
        ['uses that are no number', 'standing: {max_uses: "20", until: 1d}', /standing: write `none`, or bounds/],
        ['a part of a use', 'standing: {max_uses: 1.5, until: 1d}', /standing: write `none`, or bounds/],
        ['more uses than anybody counts', 'standing: {max_uses: 1000000, until: 1d}', /standing\.max_uses: Too big/],
        ['a grant without end', 'standing: {max_uses: 1}', /standing: write `none`, or bounds/],
        ['a grant for years', 'standing: {max_uses: 1, until: 900d}', /standing\.until: at most \d+d/],
        [
          'a total of nothing',
          'standing: {max_uses: 1, until: 1d, max_total: {of: /amount, value: "0"}}',
          /standing\.max_total\.value: an amount above zero with at most four decimal places/,
        ],
        [
          'a negative total',
          'standing: {max_uses: 1, until: 1d, max_total: {of: /amount, value: "-5"}}',
          /standing\.max_total\.value: an amount above zero with at most four decimal places/,
        ],
        [
          'a total that is no number',
          'standing: {max_uses: 1, until: 1d, max_total: {of: /amount, value: "NaN"}}',
          /standing\.max_total\.value: an amount above zero with at most four decimal places/,
        ],
        ['a total in YAML numbers', 'standing: {max_uses: 1, until: 1d, max_total: {of: /amount, value: 1e9}}', /standing: write `none`/],
        [
          'a total of everything',
          'standing: {max_uses: 1, until: 1d, max_total: {of: amount, value: "5"}}',
          /max_total\.of: name one argument by a pointer such as/,
        ],
        ['an unknown bound', 'standing: {max_uses: 1, until: 1d, max_amount: 5}', /unknown key `max_amount`/],
        ['an exclusion by history', 'excludes: [/history/paid1h]', /name a person by a pointer such as/],
      ] as const
    ).map(([title, line, expected]): [string, Record<string, string>, RegExp[]] => [
      title,
      { 'approvals.yaml': `finance-manager: {requires: [{group: finance-managers, count: 1}], expires: 4h, ${line}}\n` },
      [expected],
    ]),
    ...(
      [
        ['broken by nobody', 'group: ghosts', /nobody of group `ghosts` could break the glass/],
        ['broken by auditors alone', 'group: auditors', /nobody of group `auditors` could break the glass/],
        ['reviewed by nobody', 'group: commanders, review: {by: operator}', /nobody could review what `aisha` does with it/],
        ['reviewed by who did it', 'group: commanders', /nobody could review what `aisha` does with it: .* role `security`/],
        ['for a year', 'group: finance-managers, life: 365d', /breakGlass\.life: at most/],
        ['reviewed by approvers', 'group: finance-managers, review: {by: approver}', /breakGlass\.review\.by/],
      ] as const
    ).map(([title, rule, expected]): [string, Record<string, string>, RegExp[]] => [
      `a glass ${title}`,
      {
        'gatehouse.yaml': `${FILES['gatehouse.yaml']}breakGlass: {${rule}}\n`,
        'people.yaml':
          '- {name: maria, groups: [finance-managers]}\n- {name: aisha, groups: [commanders], roles: [security]}\n- {name: lee, groups: [auditors], roles: [auditor]}\n',
      },
      [expected],
    ]),
    [
      'groups that share their only member',
      {
        'approvals.yaml': 'finance-manager: {requires: [{group: finance-managers, count: 1}, {group: leads, count: 1}], expires: 4h}\n',
        'people.yaml': '- {name: maria, groups: [finance-managers, leads]}\n',
      },
      [/^approvals\.yaml:1:\d+ approval `finance-manager` needs more distinct people than its groups have together/],
    ],
    [
      'labels that stick for longer than is kept',
      { 'gatehouse.yaml': `${FILES['gatehouse.yaml']}labels: {window: 366d}\n` },
      [/^gatehouse\.yaml:9:\d+ labels\.window: at most 365d/],
    ],
    [
      'a label that is none',
      { 'connectors/erp.yaml': FILES['connectors/erp.yaml']?.replace('[untrusted]', '[Not Trusted]') ?? '' },
      [/a label is lower-case letters, digits and dashes/],
    ],
    ['two agents of one name', { 'agents.yaml': `${FILES['agents.yaml']}${FILES['agents.yaml']}` }, [/agent `clerk` stands already at/]],
    [
      'openapi without an address',
      { 'connectors/erp.yaml': FILES['connectors/erp.yaml']?.replace(/baseUrl.*\n/, '') ?? '' },
      [/needs `baseUrl`/],
    ],
  ])('%s', (_title, changes, expected) => {
    const faults = faultsOf(lay(changes))
    expect(faults).toHaveLength(expected.length)
    for (const [index, pattern] of expected.entries()) expect(faults[index]).toMatch(pattern)
  })
  test('all at once, from all files', () => {
    const faults = faultsOf(
      lay({ 'people.yaml': '- {name: MARIA}\n', 'agents.yaml': '- {name: clerk}\n', 'connectors/erp.yaml': 'connector: erp\n' }),
    )
    expect(faults.filter((f) => f.startsWith('people.yaml'))).toHaveLength(1)
    expect(faults.filter((f) => f.startsWith('agents.yaml')).length).toBeGreaterThan(2)
    expect(faults.filter((f) => f.startsWith('erp.yaml')).length).toBeGreaterThan(2)
  })
})

test.each([
  ['30s', 30_000],
  ['5m', 300_000],
  ['1h', 3_600_000],
  ['7d', 604_800_000],
  ['PT30M', 1_800_000],
  ['P1DT2H', 93_600_000],
  ['0s', undefined],
  ['1 h', undefined],
  ['-1h', undefined],
  ['P', undefined],
  ['99999999999999d', undefined],
])('the duration %s', (text, ms) => expect(durationMs(text)).toBe(ms))
