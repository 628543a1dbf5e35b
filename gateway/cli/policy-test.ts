import { createWorkshop } from '../../policies/engine/workshop.ts'
import { compileOrganisation } from '../compile.ts'
import type { Environment } from '../config/environment.ts'
import { loadConfiguration } from '../config/load.ts'
import { createDialer } from '../egress/dialer.ts'
import { type ExitCode, type Output, table } from './output.ts'

export interface PolicyTestOptions {
  config: string
  policies: string | undefined
  /** Lists every policy. */
  coverage: boolean
  /** Whole per cent of the policies that must have decided a test. */
  minCoverage: number | undefined
}

/** Runs the policy tests and says which policies they cover. Reads files only. Throws CONFIG_INVALID where something else is faulty. */
export async function testPolicies(output: Output, environment: Environment, options: PolicyTestOptions): Promise<ExitCode> {
  const configuration = loadConfiguration(options.config, environment, options.policies === undefined ? {} : { policies: options.policies })
  const { connectors, policySource } = compileOrganisation(configuration, createDialer({ development: true }))
  await Promise.all([...connectors.values()].map((connector) => connector.close()))
  const workshop = createWorkshop()
  const { passed, failed, coverage } = await workshop.run('test', { source: policySource, files: configuration.policyTests })
  for (const { file, name, message } of failed) output.remark(`${file}: ${name}: ${message}`)
  const decided = coverage.filter((policy) => policy.decided > 0).length
  const untested = coverage.filter((policy) => policy.decided === 0 && policy.near === 0)
  // Rounded down, so that 100 means all.
  const share = coverage.length === 0 ? 100 : Math.floor((decided * 100) / coverage.length)
  const enough = options.minCoverage === undefined || share >= options.minCoverage
  const lines = [
    ...(options.coverage ? [listing(coverage)] : []),
    `${passed} policy tests passed, ${failed.length} failed; ${decided} of ${coverage.length} policies decided a test (${share} %)`,
    ...untested.map(({ policy, file, line }) => `${file}:${line}: \`${policy}\` neither decided a test nor came near it`),
    ...(enough ? [] : [`coverage is ${share} %, ${options.minCoverage} % is asked for: add tests that the policies without one decide`]),
  ]
  output.print(lines.join('\n'), { passed, failed, coverage: { decided, policies: coverage.length, percent: share, byPolicy: coverage } })
  return failed.length === 0 && enough ? 0 : 1
}

function listing(coverage: readonly { policy: string; decided: number; near: number; file: string; line: number }[]): string {
  const rows = coverage.map(({ policy, decided, near, file, line }) => [policy, String(decided), String(near), `${file}:${line}`])
  return table(['POLICY', 'DECIDED', 'NEAR', 'PLACE'], rows)
}
