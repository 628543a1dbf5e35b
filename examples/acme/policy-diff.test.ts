import { expect, test } from 'vitest'
import { compileOrganisation } from '../../gateway/compile.ts'
import { loadConfiguration } from '../../gateway/config/load.ts'
import { instant } from '../../gateway/core/clock.ts'
import { changeOf, type Said, saidBy } from '../../gateway/core/decision-change.ts'
import { GatewayError } from '../../gateway/core/errors.ts'
import { NO_FACTS } from '../../gateway/core/facts.ts'
import type { OperationId } from '../../gateway/core/ids.ts'
import { atPointer, isJsonObject, type JsonObject, type JsonValue } from '../../gateway/core/json.ts'
import { type Operation, resourceOf } from '../../gateway/core/operation.ts'
import type { Agent } from '../../gateway/core/principal.ts'
import { createDialer } from '../../gateway/egress/dialer.ts'
import type { Decider, Question } from '../../gateway/ports/decider.ts'
import type { PolicySource } from '../../gateway/ports/policy-source.ts'
import { createDecider } from '../../policies/engine/decider.ts'
import { diffPolicies } from '../../policies/engine/diff.ts'
import { SchemaSamples } from '../../policies/engine/schema-samples.ts'
import { acmeConfiguration } from './start.ts'

/** Small edits of Acme's policies: where asking at random shows that an edit matters, the diff has found it. */

const configuration = loadConfiguration(acmeConfiguration(), {})
const { policySource: acme, validators } = compileOrganisation(configuration, createDialer({ development: true }))
const agents = configuration.agents.map((agent): Agent => ({ ...agent, status: 'active', epoch: 1 }))

/** What is edited, one place at a time: a pattern, and what stands in its place. */
const EDITS: readonly [what: string, pattern: RegExp, instead: (match: string) => string][] = [
  ['a threshold by a cent', /decimal\("(\d+)\.00"\)/g, (match) => match.replace('.00', '.01')],
  ['a number by one', /(?<=autonomy < )\d+/g, (match) => String(Number(match) + 1)],
  ['and for or', /&&/g, () => '||'],
  ['or for and', /\|\|/g, () => '&&'],
  ['equal for unequal', /(?<=context\.[a-zA-Z.]+) ==/g, () => ' !='],
  ['another role', /Role::"[a-z-]+"/g, (match) => (match.includes('onboarding') ? 'Role::"support-desk"' : 'Role::"onboarding"')],
  ['another group', /Group::"[a-z-]+"/g, (match) => (match.includes('sales') ? 'Group::"finance"' : 'Group::"sales"')],
  ['another approval', /@hold\("[a-z-]+"\)/g, (match) => (match.includes('cfo') ? '@hold("support-lead")' : '@hold("cfo-office")')],
  ['a hold made a denial', /@hold\("[a-z-]+"\)\n/g, () => ''],
  ['a shorter list', /"general", /g, () => ''],
  ['a wider pattern', /(?<=like "[a-z-]+)\//g, () => ''],
  ['an `unless` dropped', /\nunless \{[^}]*\}/g, () => ''],
  ['a `when` dropped', /\nwhen\s*\{[^}]*\}/g, () => ''],
  ['a policy removed', /@id\("[a-z-]+"\)(?:(?!;\n)[\s\S])*;\n/g, () => ''],
]

interface Mutant {
  title: string
  source: PolicySource
}

function mutants(): Mutant[] {
  return EDITS.flatMap(([what, pattern, instead]) =>
    acme.files.flatMap((file) =>
      [...file.text.matchAll(pattern)].map((match) => {
        const text = file.text.slice(0, match.index) + instead(match[0]) + file.text.slice(match.index + match[0].length)
        const line = file.text.slice(0, match.index).split('\n').length
        const files = acme.files.map((one) => (one === file ? { ...one, text } : one))
        return { title: `${what} at ${file.connector ?? 'org'}.cedar:${line}`, source: { ...acme, files } }
      }),
    ),
  )
}

const VALUES: Readonly<Record<string, readonly (JsonValue | undefined)[]>> = {
  amount: [10, 500, 500.01, 1000, 1000.01, 1000.02, 50_000, 50_000.01],
  currency: ['EUR', 'USD'],
  queue: ['general', 'orders', 'billing'],
  internal: [undefined, true, false],
  creditLimit: [undefined, 50_000, 50_000.01],
  path: ['hand-books', 'hand-books/a', 'hand-booksa', 'notes/a', 'notesa', 'contracts/a', 'notes/../a', 'notes/a\\b'],
}

/** Numbers that look random and are the same in every run. */
function* numbers(seed: number): Generator<number, never> {
  for (let state = seed; ; ) {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    yield state / 2_147_483_648
  }
}

const people = [undefined, ...configuration.people]
const operations = [...acme.catalogue.operations.values()]
const samples = new Map(operations.map((one) => [one.id, new SchemaSamples(one.inputSchema).sample()]))

function questions(count: number): Question[] {
  const random = numbers(7)
  const one = <T>(of: readonly T[]): T => of[Math.floor(random.next().value * of.length)] as T
  return Array.from({ length: count }, () => {
    const operation: Operation = one(operations)
    const agent = one(agents)
    const person = one(people)
    const plain = samples.get(operation.id)
    const input: JsonObject = isJsonObject(plain) ? { ...plain } : {}
    const { properties } = operation.inputSchema
    for (const name of Object.keys(isJsonObject(properties) ? properties : {})) {
      const value = VALUES[name] && one(VALUES[name])
      if (value !== undefined) input[name] = value
    }
    const resourceKey = resourceOf(operation, input, atPointer)
    const principal = { agent, actors: [agent.name], issuer: 'test', tokenExpiresAtMs: 0, ...(person ? { subject: person.name } : {}) }
    const facts = { ...NO_FACTS, labels: [], findings: [] }
    const now = instant(Date.UTC(2026, 0, 5, 12))
    return {
      operation,
      principal,
      input,
      now,
      door: 'mcp',
      facts,
      ...(person ? { person } : {}),
      ...(resourceKey === undefined ? {} : { resourceKey }),
    }
  })
}

const asked = questions(4_000)

/** Operation, before and after of what asking at random finds. */
function differences(before: readonly Said[], after: Decider): Set<string> {
  const found = new Set<string>()
  for (const [i, question] of asked.entries()) {
    const [one, other] = [before[i], saidBy(after.decide(question).verdict)]
    // Facts that only the gateway gathers are unknown here.
    if (!one || one.reason === 'policy_error' || other.reason === 'policy_error' || !changeOf(one, other)) continue
    found.add(`${question.operation.id} ${one.effect} ${one.approvals} ${other.effect} ${other.approvals}`)
  }
  return found
}

function deciderOf(source: PolicySource): Decider | undefined {
  try {
    return createDecider(source)
  } catch (error) {
    if (error instanceof GatewayError) return undefined
    throw error
  }
}

const all = mutants()
const SAMPLE = process.env.GATEHOUSE_ALL_MUTANTS ? 1 : 12

test('edits that matter are found', { timeout: 600_000 }, () => {
  const decider = createDecider(acme)
  const before = asked.map((question) => saidBy(decider.decide(question).verdict))
  let matter = 0
  const missed: string[] = []
  for (const { title, source } of all.filter((_, i) => i % SAMPLE === 0)) {
    const after = deciderOf(source)
    if (!after) continue
    const expected = differences(before, after)
    if (expected.size === 0) continue
    matter += 1
    const { changes, complete } = diffPolicies({ before: acme, after: source, agents })
    const found = new Set(
      changes.flatMap(({ operations: ids, before: old, after: now }) =>
        ids.map((id) => `${id} ${old.effect} ${old.approvals} ${now.effect} ${now.approvals}`),
      ),
    )
    for (const { example } of changes) {
      const operation = acme.catalogue.operations.get(example.operation as OperationId)
      if (operation) expect(() => validators.check(operation.id, example.input), `${title}: ${JSON.stringify(example.input)}`).not.toThrow()
    }
    if (!complete) missed.push(`${title}: not complete`)
    missed.push(...[...expected].filter((one) => !found.has(one)).map((one) => `${title}: ${one}`))
  }
  expect(missed).toEqual([])
  expect(matter).toBeGreaterThan(all.length / SAMPLE / 3)
})
