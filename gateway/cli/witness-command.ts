import { type Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { collected, port, run } from './command.ts'

/** `HOST:PORT`, an IPv6 address in brackets. */
const listen = (raw: string): { host: string; port: number } => {
  const [, bracketed, plain, digits = ''] = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(raw) ?? []
  const host = bracketed ?? plain
  if (host === undefined) throw new InvalidArgumentError('write `HOST:PORT`, such as `127.0.0.1:4300` or `[::1]:4300`')
  return { host, port: port(digits) }
}

/** `witness`: a process of somebody else's that cosigns the checkpoints of logs. */
export function witnessCommand(witness: Command): void {
  witness
    .description('cosign the checkpoints of logs, each only where it goes on from the one before (C2SP tlog-witness)')
    .addOption(
      new Option('--listen <host:port>', 'address to listen on; port 0 takes a free one')
        .argParser(listen)
        .default({ host: '127.0.0.1', port: 4300 }, '127.0.0.1:4300'),
    )
    .option('--log <key>', 'key of a log, or a file of such keys, one a line; repeatable', collected, [])
    .option('--name <name>', "the witness's name, such as `witness.example/w1`; given once, it is part of the key")
    .action(
      run(async (output, options) => {
        const { serveWitness } = await import('./witness.ts')
        if (witness.getOptionValueSourceWithGlobals('data') === 'default')
          throw new CommanderError(2, 'usage', 'name the directory of the witness with --data: it is not that of a gateway')
        const { host, port: at } = options.listen as ReturnType<typeof listen>
        const logs = options.log as readonly string[]
        return await serveWitness(output, { host, port: at, data: options.data, logs, name: options.name as string | undefined })
      }),
    )
}
