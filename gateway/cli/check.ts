import { runPolicyTests } from '../../policies/engine/policy-tests.ts'
import { compile } from '../compile.ts'
import type { Environment } from '../config/environment.ts'
import { loadConfiguration } from '../config/load.ts'
import { createDialer } from '../egress/dialer.ts'
import { checkIdentity } from './check-identity.ts'
import type { ExitCode, Output } from './output.ts'

/** Checks everything that a start would refuse, and runs the policy tests. Reads files only. */
export async function check(output: Output, config: string, environment: Environment): Promise<ExitCode> {
  const configuration = loadConfiguration(config, environment)
  const dialer = createDialer({ development: true })
  const { catalogue, connectors, decider, policySource } = compile(configuration, dialer, (cause) => output.fail(cause))
  await Promise.all([...connectors.values()].map((connector) => connector.close()))
  await checkIdentity(configuration, dialer)
  const tests = await runPolicyTests(policySource, configuration.policyTests)
  for (const { file, name, message } of tests.failed) output.remark(`${file}: ${name}: ${message}`)
  const facts = {
    connectors: catalogue.connectors.length,
    operations: catalogue.operations.size,
    policies: decider.policies().length,
    agents: configuration.agents.length,
    tests: { passed: tests.passed, failed: tests.failed },
  }
  output.print(
    `${facts.connectors} connectors, ${facts.operations} operations, ${facts.policies} policies, ${facts.agents} agents; ${tests.passed} policy tests passed, ${tests.failed.length} failed`,
    facts,
  )
  return tests.failed.length === 0 ? 0 : 1
}
