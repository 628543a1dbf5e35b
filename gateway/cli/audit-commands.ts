import { readFileSync } from 'node:fs'
import { type Command, CommanderError, InvalidArgumentError } from 'commander'
import { eraseCalls } from './audit-erase.ts'
import { collected, gateway, run } from './command.ts'

const words = (raw: string): readonly string[] => [...new Set(raw.split(',').map((word) => word.trim()))].filter((word) => word !== '')

const callIds = (raw: string): readonly string[] => {
  if (!raw.startsWith('@')) return words(raw)
  try {
    return words(readFileSync(raw.slice(1), 'utf8').replaceAll(/\s+/g, ','))
  } catch {
    throw new InvalidArgumentError(`the file \`${raw.slice(1)}\` cannot be read`)
  }
}

const count = (raw: string): number => {
  if (!/^[1-9]\d{0,5}$/.test(raw)) throw new InvalidArgumentError('give a number from 1 on')
  return Number(raw)
}

const time = (raw: string): string => {
  const at = new Date(raw)
  if (Number.isNaN(at.getTime())) throw new InvalidArgumentError('a time is written as `2026-01-31` or `2026-01-31T12:00:00Z`')
  return at.toISOString()
}

/** `audit ...`: the record taken along, verified, decided again, and what of it is to go. */
export function auditCommands(audit: Command): void {
  exportCommand(audit)
  eraseCommand(audit)
  audit
    .command('verify')
    .description('verify an export with nothing but its files and a key: no gateway, no database, no network')
    .argument('<dir>', 'the export')
    .option('--key <key>', "the log's key, or a file that has it; without it the enclosed one, which shows consistency only")
    .option('--since <file>', 'an older checkpoint, which the log has to go on from')
    .option('--allow-missing-sets', 'count decisions whose policy set is not enclosed, instead of calling that a fault')
    .option('--complete', 'call everything that cannot be checked a fault')
    .option('--witness <key>', 'key of a witness that must have cosigned, or a file of such keys; repeatable', collected, [])
    .option('--witnesses <count>', 'so many of them are enough; all without', count)
    .action(
      run(async (output, options, dir: string) => {
        const { verifyAudit } = await import('./audit-verify.ts')
        return await verifyAudit(output, dir, {
          key: (options.key as string | undefined) ?? null,
          since: (options.since as string | undefined) ?? null,
          allowMissingSets: options.allowMissingSets === true,
          complete: options.complete === true,
          witnesses: options.witness as readonly string[],
          needed: (options.witnesses as number | undefined) ?? null,
        })
      }),
    )
  audit
    .command('replay')
    .description("decide the record's decisions again with this engine, and tell which come out otherwise; for security and auditors")
    .option('--from <time>', 'written then or later', time)
    .option('--to <time>', 'written before', time)
    .action(
      run(async (output, options) => {
        const { replayAudit } = await import('./audit-replay.ts')
        return await replayAudit(output, gateway(options), {
          since: (options.from as string | undefined) ?? null,
          until: (options.to as string | undefined) ?? null,
        })
      }),
    )
}

function exportCommand(audit: Command): void {
  audit
    .command('export')
    .description('write the log of a running gateway into a folder that verifies alone; for security and auditors, with --url and a token')
    .requiredOption('--out <dir>', 'a folder that is not there yet')
    .option('--from <time>', 'only what was written then or later', time)
    .option('--to <time>', 'only what was written before', time)
    .option('--calls <ids>', 'only these calls, between commas, or `@<file>` that has them', callIds)
    .option('--sample <count>', 'only so many calls, drawn by --seed', count)
    .option('--seed <text>', 'what the sample is drawn by')
    .option('--no-payloads', 'leave payloads where they are: no decision can be decided again then')
    .action(
      run(async (output, options) => {
        const { exportAudit } = await import('./audit-export.ts')
        const parts = ['calls', 'sample'].filter((name) => options[name] !== undefined)
        if (options.from !== undefined || options.to !== undefined) parts.push('from')
        if (parts.length > 1) throw new InvalidArgumentError('take one of --from and --to, --calls, --sample')
        const sample = options.sample as number | undefined
        if ((sample === undefined) !== (options.seed === undefined))
          throw new InvalidArgumentError('--sample and --seed go together: who chooses the seed chooses the sample')
        return await exportAudit(output, gateway(options), {
          out: String(options.out),
          since: (options.from as string | undefined) ?? null,
          until: (options.to as string | undefined) ?? null,
          calls: (options.calls as readonly string[] | undefined) ?? null,
          sample: sample === undefined ? null : { count: sample, seed: String(options.seed) },
          payloads: options.payloads === true,
        })
      }),
    )
}

function eraseCommand(audit: Command): void {
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
