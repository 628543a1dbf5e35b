import { type Command, InvalidArgumentError } from 'commander'
import { configOption, environment, run } from './command.ts'

const percent = (raw: string): number => {
  const number = Number(raw)
  if (!/^\d{1,3}$/.test(raw) || number > 100) throw new InvalidArgumentError('a percentage is a whole number from 0 to 100')
  return number
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
}
