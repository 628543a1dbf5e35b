import { type Command, InvalidArgumentError } from 'commander'
import { CHANGES, type Change } from '../core/decision-change.ts'
import { configOption, environment, run } from './command.ts'

const percent = (raw: string): number => {
  const number = Number(raw)
  if (!/^\d{1,3}$/.test(raw) || number > 100) throw new InvalidArgumentError('a percentage is a whole number from 0 to 100')
  return number
}

function changes(raw: string): readonly Change[] {
  return raw.split(',').map((name) => {
    const known = CHANGES.find((change) => change === name.trim())
    if (!known) throw new InvalidArgumentError(`there is no change \`${name}\`: name some of ${CHANGES.join(', ')}`)
    return known
  })
}

/** The commands about policies. Each loads what it needs when it runs. */
export function policyCommands(policy: Command): void {
  policy
    .command('test')
    .description('run the policy tests; reads files only')
    .addOption(configOption())
    .option('--policies <dir>', 'policies and tests to take instead of the configured ones')
    .option('--coverage', 'list for each policy how many tests it decided')
    .option('--min-coverage <percent>', 'exit with 1 where fewer of the policies decided a test', percent)
    .action(
      run(async (output, options) => {
        const { testPolicies } = await import('./policy-test.ts')
        return await testPolicies(output, environment, {
          config: String(options.config),
          policies: options.policies as string | undefined,
          coverage: options.coverage === true,
          minCoverage: options.minCoverage as number | undefined,
        })
      }),
    )
  policy
    .command('diff')
    .description('requests that two folders of policies decide differently; reads files only')
    .argument('<old>', 'folder of policies')
    .argument('<new>', 'folder of policies')
    .addOption(configOption())
    .option('--fail-on <changes>', `exit with 1 where there are any: ${CHANGES.join(', ')}`, changes, [])
    .action(
      run(async (output, options, before: string, after: string) => {
        const { diffPolicyFolders } = await import('./policy-diff.ts')
        const failOn = options.failOn as readonly Change[]
        return await diffPolicyFolders(output, environment, { config: String(options.config), before, after, failOn })
      }),
    )
  policy
    .command('library')
    .description('list the rules that can be used by name, with their parameters; reads files only')
    .argument('[rule]', 'only this one')
    .action(
      run(async (output, _options, rule?: string) => {
        const { listLibrary } = await import('./policy-library.ts')
        return await listLibrary(output, rule)
      }),
    )
}
