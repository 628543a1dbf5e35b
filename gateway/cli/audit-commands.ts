import { type Command, CommanderError, InvalidArgumentError } from 'commander'
import { eraseCalls } from './audit-erase.ts'
import { gateway, run } from './command.ts'

const time = (raw: string): string => {
  const at = new Date(raw)
  if (Number.isNaN(at.getTime())) throw new InvalidArgumentError('a time is written as `2026-01-31` or `2026-01-31T12:00:00Z`')
  return at.toISOString()
}

/** `audit ...`: the record. */
export function auditCommands(audit: Command): void {
  audit
    .command('erase')
    .description('destroy the payloads of calls that have ended; for security, with --url and a token of a person')
    .argument('[calls...]')
    .option('--subject <person>', 'all calls that acted for this person')
    .option('--object <key>', 'all calls about this business object: `Type:key`, or its key alone')
    .option('--before <time>', 'all calls made before', time)
    .requiredOption('--why <text>', 'stays in the record for good: name nothing of what is erased')
    .action(
      run((output, options, calls: string[]) => {
        const text = (name: string): string | undefined => options[name] as string | undefined
        const filter = { subject: text('subject'), object: text('object'), before: text('before') }
        if (calls.length > 0 === Object.values(filter).some((value) => value !== undefined))
          throw new CommanderError(2, 'usage', 'name calls, or say which by --subject, --object and --before: one of both')
        return eraseCalls(output, gateway(options), { calls, ...filter, why: String(options.why) })
      }),
    )
}
