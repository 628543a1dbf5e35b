import type { Finding, PolicyTestResult } from '../ports/policy-drafts.ts'
import { createWorkshop } from '../../policies/engine/workshop.ts'
import { compileOrganisation } from '../compile.ts'
import type { Environment } from '../config/environment.ts'
import { type Configuration, loadConfiguration } from '../config/load.ts'
import { unheard } from '../config/notifications.ts'
import { GatewayError } from '../core/errors.ts'
import { createDialer } from '../egress/dialer.ts'
import { knownOrganisation } from '../known-organisation.ts'
import type { PolicySource } from '../ports/policy-source.ts'
import { checkIdentity } from './check-identity.ts'
import type { ExitCode, Output } from './output.ts'

/** One line of a check: a finding, or a fault of a policy that a start would refuse. */
type Line = Omit<Finding, 'rule'> & { rule: Finding['rule'] | 'invalid' }

interface Checked {
  policies: number
  tests: Pick<PolicyTestResult, 'passed' | 'failed'>
  lines: readonly Line[]
}

/**
 * Checks everything that a start would refuse, runs the policy tests and looks for rules that do less than they say. Reads files only. Exit 1 for an
 * error or a failed test; `strict` makes every warning an error. Throws CONFIG_INVALID where something else than a policy is faulty.
 */
export async function check(output: Output, config: string, environment: Environment, strict: boolean): Promise<ExitCode> {
  const configuration = loadConfiguration(config, environment)
  const dialer = createDialer({ development: true })
  const { catalogue, connectors, policySource } = compileOrganisation(configuration, dialer)
  await Promise.all([...connectors.values()].map((connector) => connector.close()))
  await checkIdentity(configuration, dialer)
  const { policies, tests, lines } = await checkPolicies(policySource, configuration)
  const findings = strict ? lines.map((line): Line => ({ ...line, severity: 'error' })) : lines
  for (const { place, severity, rule, policy, message } of findings)
    output.remark(`${place}: ${severity}: ${policy === null ? '' : `\`${policy}\`: `}${message} [${rule}]`)
  const remarks = unheard(configuration.approvals, configuration.notifications, configuration.people).map(({ approval, message }) => ({
    place: configuration.approvalPlaces.get(approval) ?? configuration.file,
    message: `approval \`${approval}\`: ${message}`,
  }))
  for (const { place, message } of remarks) output.remark(`${place}: remark: ${message}`)
  for (const { file, name, message } of tests.failed) output.remark(`${file}: ${name}: ${message}`)
  const facts = {
    connectors: catalogue.connectors.length,
    operations: catalogue.operations.size,
    policies,
    agents: configuration.agents.length,
    tests: { passed: tests.passed, failed: tests.failed },
    findings,
    remarks,
  }
  const errors = findings.filter(({ severity }) => severity === 'error').length
  const found = findings.length === 0 ? '' : `; ${counted(errors, 'error')}, ${counted(findings.length - errors, 'warning')}`
  output.print(
    `${facts.connectors} connectors, ${facts.operations} operations, ${facts.policies} policies, ${facts.agents} agents; ${tests.passed} policy tests passed, ${tests.failed.length} failed${found}`,
    facts,
  )
  return tests.failed.length === 0 && errors === 0 ? 0 : 1
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`

async function checkPolicies(source: PolicySource, configuration: Configuration): Promise<Checked> {
  const workshop = createWorkshop()
  try {
    const organisation = knownOrganisation(configuration)
    const { policies, tested, findings } = await workshop.run('inspect', { source, tests: configuration.policyTests, organisation })
    return { policies: policies.length, tests: tested, lines: findings }
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'CONFIG_INVALID') throw error
    const lines = error.faults.map(
      ({ pointer, message }): Line => ({ place: pointer, severity: 'error', rule: 'invalid', policy: null, message }),
    )
    return { policies: 0, tests: { passed: 0, failed: [] }, lines }
  } finally {
    await workshop.close()
  }
}
