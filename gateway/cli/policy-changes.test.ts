import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Writable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Address } from '../config/address-file.ts'
import { GatewayError } from '../core/errors.ts'
import { isJsonObject, type JsonObject } from '../core/json.ts'
import { type Bed, startBed } from '../e2e/harness.ts'
import { createOutput, type ExitCode, type Output } from './output.ts'
import { listPolicySets, listProposals, proposePolicies, reviewProposal, rollBack, showPolicySet } from './policy-changes.ts'

const SECURITY = '- { name: sana, groups: [finance, finance-managers], roles: [security], region: eu }\n'

let bed: Bed
let folder: string
beforeAll(async () => {
  const edits = { 'people.yaml': (text: string) => text + SECURITY, 'gatehouse.yaml': (text: string) => `${text}policyChanges: review\n` }
  bed = await startBed({ edits })
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-draft-'))
  cpSync(join(dirname(bed.configFile), 'policies'), folder, { recursive: true })
}, 60_000)
afterAll(async () => {
  await bed.close()
  rmSync(folder, { recursive: true, force: true })
})

const as = async (person: string): Promise<Address> => ({ url: bed.url, token: await bed.personToken(person) })

interface Told {
  exit: ExitCode | GatewayError
  printed: string
  remarked: string
}

async function told(json: boolean, work: (output: Output) => Promise<ExitCode>): Promise<Told> {
  const lines = { printed: '', remarked: '' }
  const into = (name: keyof typeof lines) =>
    new Writable({
      write(chunk, _encoding, done) {
        lines[name] += String(chunk)
        done()
      },
    })
  const exit = await work(createOutput(json, into('printed'), into('remarked'))).catch((error: unknown) => {
    if (error instanceof GatewayError) return error
    throw error
  })
  return { exit, ...lines }
}

const facts = async (work: (output: Output) => Promise<ExitCode>): Promise<JsonObject> => {
  const { printed } = await told(true, work)
  const read: unknown = JSON.parse(printed)
  return isJsonObject(read) ? read : {}
}

const add = (rule: string): void =>
  writeFileSync(join(folder, 'erp.cedar'), `${readFileSync(join(folder, 'erp.cedar'), 'utf8')}\n${rule}\n`)
const forbid = (id: string, amount: string): string =>
  `@id("${id}") forbid (principal, action == Erp::Action::"releasePayment", resource) when { context.input.amount == decimal("${amount}") };`

describe('policies that are reviewed', () => {
  test('edited files change nothing', async () => {
    const { active } = (await facts(async (output) => listPolicySets(output, await as('olga')))).status as JsonObject
    const file = join(dirname(bed.configFile), 'policies/erp.cedar')
    writeFileSync(file, `${readFileSync(file, 'utf8')}\n${forbid('erp-edited', '9.0')}\n`)
    await bed.reloadPolicies()
    expect(bed.log()).toContain('gatehouse policy propose')
    expect((await facts(async (output) => listPolicySets(output, await as('olga')))).status).toMatchObject({ active, decidesOn: active })
  })

  test('from a folder to the active set, and back', async () => {
    add(forbid('erp-not-9', '9.0'))
    const draft = { folder, note: 'nines are odd', base: 'active' }
    const proposed = await told(false, async (output) => proposePolicies(output, await as('aisha'), draft))
    expect(proposed.printed).toMatch(
      /^proposed `prop_[0-9a-z]{26}`: policy set [0-9a-f]{12} in place of [0-9a-f]{12}\nsomebody else reviews it: gatehouse policy review prop_/,
    )
    const id = /prop_[0-9a-z]{26}/.exec(proposed.printed)?.[0] ?? ''
    const listed = await told(false, async (output) => listProposals(output, await as('olga'), 'open'))
    expect(listed.printed).toMatch(new RegExp(`${id} +open +publish +aisha +- .*nines are odd`))

    const own = await told(false, async (output) => reviewProposal(output, await as('aisha'), id, 'APPROVE', undefined))
    expect(own.exit).toMatchObject({ code: 'NOT_ELIGIBLE' })
    const approved = await told(false, async (output) => reviewProposal(output, await as('sana'), id, 'APPROVE', 'agreed'))
    expect(approved.printed).toMatch(/^policy set [0-9a-f]{12} is active on every replica \(bound after \d+ ms\)\n$/)

    const history = await told(false, async (output) => listPolicySets(output, await as('lee')))
    const [head, first, second] = history.printed.split('\n')
    expect(head).toMatch(/SET +BEFORE +HOW +BY +REVIEWER +SINCE +WHY/)
    expect(first).toMatch(/^\* +[0-9a-f]{12} +[0-9a-f]{12} +review +aisha +sana .* agreed$/)
    expect(second).toMatch(/^ +[0-9a-f]{12} +- +files +gatehouse/)
    const before = /[0-9a-f]{12}/.exec(second ?? '')?.[0] ?? ''

    expect((await told(false, async (output) => showPolicySet(output, await as('lee'), 'active', 'erp.cedar'))).printed).toContain(
      'erp-not-9',
    )
    expect((await told(false, async (output) => showPolicySet(output, await as('lee'), before, 'erp.cedar'))).printed).not.toContain(
      'erp-not-9',
    )
    expect((await told(false, async (output) => showPolicySet(output, await as('lee'), before, undefined))).printed).toMatch(
      /^\/\/ .*org\.cedar$/m,
    )
    const nothing = await told(false, async (output) => showPolicySet(output, await as('lee'), 'ffffff', undefined))
    expect(nothing.exit).toMatchObject({ code: 'NOT_FOUND' })

    const asked = await told(false, async (output) => rollBack(output, await as('aisha'), before, { why: 'odd denials', emergency: false }))
    expect(asked.printed).toContain(`policy set ${before} again`)
    const emergency = await told(false, async (output) =>
      rollBack(output, await as('aisha'), before, { why: 'odd denials', emergency: true }),
    )
    expect(emergency.printed).toContain('nobody reviewed it, and the record says so')
    expect((await told(false, async (output) => listPolicySets(output, await as('lee')))).printed).toMatch(
      /roll-back \(emergency\) +aisha +- .*odd denials/,
    )
  })

  test('faults are told one a line, with their places in the folder; a stale base is refused', async () => {
    const good = readFileSync(join(folder, 'erp.cedar'), 'utf8')
    add('@id("x") permit (principal, action == Erp::Action::"payAll", resource);')
    add('@id("y") permit (principal, action == Erp::Action::"payNone", resource);')
    const faulty = await told(false, async (output) => proposePolicies(output, await as('aisha'), { folder, note: 'n', base: undefined }))
    expect(faulty.exit).toMatchObject({ code: 'BAD_INPUT' })
    expect(faulty.remarked.split('\n').filter((line) => line.startsWith(join(folder, 'erp.cedar:')))).toHaveLength(2)
    writeFileSync(join(folder, 'erp.cedar'), good)
    const { printed } = await told(true, async (output) => listProposals(output, await as('lee'), 'active'))
    const [{ policySet }] = JSON.parse(printed)
    const late = await told(false, async (output) =>
      proposePolicies(output, await as('aisha'), { folder, note: 'n', base: String(policySet) }),
    )
    expect(late.exit).toMatchObject({ code: 'POLICIES_CHANGED', message: expect.stringMatching(/is active now/) })
  })
})
