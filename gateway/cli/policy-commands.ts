import { type Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { CHANGES, type Change, CLASS_CHANGES, type ClassChange } from '../core/decision-change.ts'
import { durationMs } from '../core/duration.ts'
import { GatewayError } from '../core/errors.ts'
import { LIMITS } from '../limits.ts'
import { configOption, environment, gateway, type Options, run } from './command.ts'
import type { PoliciesFrom } from './policy-diff.ts'

const percent = (raw: string): number => {
  const number = Number(raw)
  if (!/^\d{1,3}$/.test(raw) || number > 100) throw new InvalidArgumentError('a percentage is a whole number from 0 to 100')
  return number
}

const chosenOf =
  <T extends string>(known: readonly T[]) =>
  (raw: string): readonly T[] =>
    raw.split(',').map((name) => {
      const chosen = known.find((one) => one === name.trim())
      if (chosen === undefined) throw new InvalidArgumentError(`there is no change \`${name}\`: name some of ${known.join(', ')}`)
      return chosen
    })

/** What stands on both sides of a difference: named sets, and folders for the others, in order. Throws CommanderError where that is not two. */
function bothOf(options: Options & Record<string, unknown>, folders: readonly string[]): [PoliciesFrom, PoliciesFrom] {
  const left = [...folders]
  const [before, after] = [options.oldSet, options.newSet].map((set): PoliciesFrom | undefined => {
    if (typeof set === 'string') return { set, address: gateway(options) }
    const folder = left.shift()
    return folder === undefined ? undefined : { folder }
  })
  if (!before || !after || left.length > 0)
    throw new CommanderError(2, 'usage', 'two sides are compared: give two folders, or --old-set, --new-set and a folder for the other')
  return [before, after]
}

const failOnOption = (known: readonly string[]): Option =>
  new Option('--fail-on <changes>', `exit with 1 where there are any: ${known.join(', ')}`).argParser(chosenOf(known)).default([], 'none')

function duration(raw: string): number {
  const ms = durationMs(raw)
  if (ms === undefined) throw new InvalidArgumentError('a duration is written as `12h`, `30d` or in ISO 8601')
  return ms
}

function callCount(raw: string): number {
  const number = Number(raw)
  if (!/^\d{1,6}$/.test(raw) || number < 1 || number > LIMITS.simulatedCallsMax)
    throw new InvalidArgumentError(`a number of calls is from 1 to ${LIMITS.simulatedCallsMax}`)
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
  policy
    .command('explain')
    .description('why a call was decided as it was: policies, reasons, permits that were near')
    .argument('<call>', 'id of the call')
    .option('--payloads', 'with arguments and facts, where you may see them; the look is recorded')
    .action(
      run(async (output, options, call: string) => {
        const { explainCall } = await import('./policy-explain.ts')
        return await explainCall(output, gateway(options), call, options.payloads === true)
      }),
    )
  policy
    .command('diff')
    .description('requests that two folders of policies, or stored policy sets, decide differently')
    .argument('[folders...]', 'the old folder of policies, then the new one')
    .addOption(configOption())
    .option('--old-set <set>', 'a set of a running gateway in place of the old folder: `active`, or its hash')
    .option('--new-set <set>', 'the same in place of the new folder')
    .addOption(failOnOption([...CHANGES, ...CLASS_CHANGES]))
    .option('--since <duration>', 'ask both about the recorded calls of a running gateway, too, as far back: 30d', duration)
    .action(
      run(async (output, options, folders: readonly string[]) => {
        const { diffPolicySets } = await import('./policy-diff.ts')
        const [before, after] = bothOf(options, folders)
        const failOn = options.failOn as readonly (Change | ClassChange)[]
        const recorded = typeof options.since === 'number' ? { sinceMs: options.since, address: gateway(options) } : undefined
        return await diffPolicySets(output, environment, { config: String(options.config), before, after, failOn, recorded })
      }),
    )
  policy
    .command('simulate')
    .description('what a folder of policies would have said to the recorded calls of a running gateway')
    .requiredOption('--policies <dir>', 'the draft')
    .addOption(new Option('--since <duration>', 'how far back').argParser(duration).default(durationMs('30d'), '30d'))
    .option('--first <calls>', `at most so many calls, newest first: 1 to ${LIMITS.simulatedCallsMax}`, callCount)
    .addOption(failOnOption(CHANGES))
    .action(
      run(async (output, options) => {
        const { simulatePolicyFolder } = await import('./policy-simulate.ts')
        return await simulatePolicyFolder(output, gateway(options), {
          policies: String(options.policies),
          sinceMs: Number(options.since),
          first: options.first as number | undefined,
          failOn: options.failOn as readonly Change[],
        })
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
  changeCommands(policy)
}

/** How policies change in a running gateway: proposal, review, roll-back. */
function changeCommands(policy: Command): void {
  const work = () => import('./policy-changes.ts')
  policy
    .command('propose')
    .description('propose the policies, facts and tests of a folder in place of the active ones')
    .argument('<dir>', 'folder of policies')
    .requiredOption('--note <text>', 'why, for the reviewer')
    .option('--base <set>', 'the policy set that the folder was built upon; refused where another one is active')
    .action(
      run(async (output, options, folder: string) => {
        const draft = { folder, note: String(options.note), base: options.base as string | undefined }
        return (await work()).proposePolicies(output, gateway(options), draft)
      }),
    )
  policy
    .command('proposals')
    .description('list proposals, newest first')
    .addOption(new Option('--state <state>', 'only those').choices(['open', 'active', 'rejected']))
    .action(run(async (output, options) => (await work()).listProposals(output, gateway(options), options.state as string | undefined)))
  policy
    .command('review')
    .description("approve or reject somebody else's proposal")
    .argument('<proposal>')
    .addOption(new Option('--approve', 'make it the active set').conflicts('reject'))
    .option('--reject', 'end it')
    .option('--comment <text>', 'what you say about it')
    .action(
      run(async (output, options, id: string) => {
        if (options.approve !== true && options.reject !== true) {
          output.fail(new GatewayError('BAD_INPUT', 'a review says --approve or --reject'))
          return 2
        }
        const verdict = options.approve === true ? 'APPROVE' : 'REJECT'
        return (await work()).reviewProposal(output, gateway(options), id, verdict, options.comment as string | undefined)
      }),
    )
  policy
    .command('sets')
    .description('list which policy sets were active, newest first')
    .action(run(async (output, options) => (await work()).listPolicySets(output, gateway(options))))
  policy
    .command('rollback')
    .description('put an earlier policy set back')
    .argument('<set>', 'its hash, or the first digits of it')
    .requiredOption('--why <text>', 'the reason, for the record')
    .option('--emergency', 'at once, without a review; the record says so')
    .action(
      run(async (output, options, set: string) => {
        const how = { why: String(options.why), emergency: options.emergency === true }
        return (await work()).rollBack(output, gateway(options), set, how)
      }),
    )
  policy
    .command('show')
    .description('print the texts of a policy set')
    .argument('<set>', 'its hash, the first digits of it, or `active`')
    .argument('[file]', 'one file alone')
    .action(
      run(async (output, options, set: string, file: string | undefined) =>
        (await work()).showPolicySet(output, gateway(options), set, file),
      ),
    )
}
