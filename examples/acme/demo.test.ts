import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type RunningGateway, startGateway } from '../../gateway/main.ts'
import { ask, findGateway } from '../../gateway/cli/control-plane.ts'
import { runDemo } from './demo.ts'
import { type Acme, acmeConfiguration, startAcme } from './start.ts'
import type { RunningSystem } from './systems/system.ts'

const dataDir = mkdtempSync(join(tmpdir(), 'acme-demo-'))
let acme: Acme
let gateway: RunningGateway
let log = ''

beforeAll(async () => {
  acme = await startAcme({ dataDir })
  gateway = await startGateway({
    configFile: acmeConfiguration(),
    dataDir,
    host: '127.0.0.1',
    port: 0,
    environment: acme.env,
    logStream: {
      write: (text) => {
        log += text
      },
    },
    prepare: async (vault) => {
      for (const { connector, credential, value } of acme.credentials) await vault.set(connector, credential, value)
    },
  })
})

afterAll(async () => {
  await gateway?.close()
  await acme?.close()
  rmSync(dataDir, { recursive: true })
})

const mintPersonToken = async (person: string): Promise<string> => {
  const { userToken } = await ask(findGateway({ data: dataDir }), 'mutation ($person: String!) { userToken(person: $person) }', { person })
  return String(userToken)
}

/** One day; the lines it printed. */
async function day(auto = true): Promise<readonly string[]> {
  const lines: string[] = []
  const print = (line: string): void => {
    lines.push(line)
  }
  await runDemo({ url: gateway.url, auto, agentKeys: acme.keys, mintPersonToken, print, patienceMs: 50 })
  return lines
}

const executed = (system: RunningSystem, operation: string): number =>
  system.journal.entries({ operation }).filter(({ status }) => status !== null && status < 300).length

const wordsOf = (lines: readonly string[], word: string): readonly string[] => lines.filter((line) => line.startsWith(`  ${word} `))

const DAY = { token: 4, refused: 3, denied: 3, held: 3, rejected: 1, failed: 0, waiting: 0 }

test.each(['first', 'second'])('the %s day goes as the rules say', async () => {
  const { crm, erp } = acme.systems
  const before = [executed(crm, 'refundTicket'), executed(erp, 'releasePayment'), executed(erp, 'changeVendorBank')]
  const lines = await day()
  expect(Object.fromEntries(Object.keys(DAY).map((word) => [word, wordsOf(lines, word).length]))).toEqual(DAY)
  const after = [executed(crm, 'refundTicket'), executed(erp, 'releasePayment'), executed(erp, 'changeVendorBank')]
  expect(after).toEqual([(before[0] ?? 0) + 1, (before[1] ?? 0) + 2, 0])
  expect(readFileSync(join(acme.env.ACME_DOCS_DIR ?? '', 'notes/first-customer.md'), 'utf8')).toMatch(/^Welcome call/)
  expect(lines.join('\n')).toMatch(/call_[0-9a-z]{26} {2}[0-9a-f]{32} {2}pay INV-/)
})

test('without a script the day waits for people and says how they vote', async () => {
  const paid = executed(acme.systems.erp, 'releasePayment')
  const lines = await day(false)
  expect(wordsOf(lines, 'waiting')).toHaveLength(3)
  expect(lines.filter((line) => /approveHold\(id: \\"hold_[0-9a-z]{26}\\"\)/.test(line))).toHaveLength(3)
  expect(executed(acme.systems.erp, 'releasePayment')).toBe(paid + 1)
})

test('no secret of the systems is in the log', () => {
  expect(log).not.toBe('')
  for (const { value } of acme.credentials) expect(log).not.toContain(value.kind === 'header' ? value.value : value.password)
})
