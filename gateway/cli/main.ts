import { Argument, Command, CommanderError, Option } from 'commander'
import { agentCommands } from './agent-commands.ts'
import { auditCommands } from './audit-commands.ts'
import { configOption, environment, gateway, port, run } from './command.ts'
import { setCredential } from './credential.ts'
import { policyCommands } from './policy-commands.ts'
import { witnessCommand } from './witness-command.ts'
import { mintPersonToken, mintSignInLink } from './token.ts'

// Commands that need the engine, the database or a connector load them when they run: a token should not wait for all of that.

function program(): Command {
  const root = new Command('gatehouse')
  root
    .description('Autonomy gateway: every AI agent reaches enterprise systems through it')
    .option('--json', 'print JSON instead of text')
    .option('--data <dir>', 'data directory', '.gatehouse')
    .option('--url <url>', 'address of a running gateway, where the data directory is not at hand')
    .option('--token <token>', 'token for --url (or GATEHOUSE_TOKEN)')
    .exitOverride()
  root
    .command('serve')
    .description('run the gateway')
    .addOption(configOption())
    .option('--host <host>', 'address to listen on', '127.0.0.1')
    .option('--port <port>', 'port to listen on; 0 takes a free one', port, 4000)
    .option('--restored <why>', 'go on from a database that was put back to an older state; an entry says so')
    .action(
      run(async (output, options) => {
        const { serve } = await import('./serve.ts')
        const where = { config: String(options.config), host: String(options.host), port: Number(options.port) }
        const restored = options.restored === undefined ? {} : { restored: String(options.restored) }
        return await serve(output, { data: options.data, ...where, ...restored }, environment)
      }),
    )
  root
    .command('check')
    .description('check configuration, connectors, policies and policy tests; starts nothing')
    .addOption(configOption())
    .option('--strict', 'take warnings for errors')
    .action(
      run(async (output, options) => {
        const { check } = await import('./check.ts')
        return await check(output, String(options.config), environment, options.strict === true)
      }),
    )
  agentCommands(root.command('agent').description('the register of agents'))
  const token = root.command('token').description('development tokens')
  token
    .command('user')
    .description("print a person's token (development issuer only)")
    .argument('<name>')
    .option('--link', 'print a link that signs the person in once, in a browser, within ten minutes')
    .action(
      run((output, options, name: string) =>
        options.link === true ? mintSignInLink(output, gateway(options), name) : mintPersonToken(output, gateway(options), name),
      ),
    )
  credentialCommand(root.command('credential').description("connectors' credentials"))
  const connector = root.command('connector').description('connectors')
  importCommand(connector)
  refreshCommand(connector)
  policyCommands(root.command('policy').description('what policies do, before and after they are in force'))
  auditCommands(root.command('audit').description('the record: taken along, verified, decided again, and what is to go'))
  witnessCommand(root.command('witness'))
  return root
}

function credentialCommand(credential: Command): void {
  credential
    .command('set')
    .description('seal a credential; the secret is read from standard input, never from the command line')
    .argument('<connector>')
    .argument('<credential>')
    .addOption(new Option('--kind <kind>', 'how the system takes it').choices(['header', 'basic', 'query']).makeOptionMandatory())
    .option('--header <name>', 'kind header: the header')
    .option('--username <name>', 'kind basic: the user name')
    .option('--parameter <name>', 'kind query: the parameter')
    .action(
      run((output, options, connector: string, name: string) =>
        setCredential(output, gateway(options), process.stdin, connector, name, {
          kind: String(options.kind),
          header: options.header as string | undefined,
          username: options.username as string | undefined,
          parameter: options.parameter as string | undefined,
        }),
      ),
    )
}

function importCommand(connector: Command): void {
  connector
    .command('import')
    .description("read a system's own description into files for review")
    .addArgument(new Argument('<kind>', 'kind of the system').choices(['openapi', 'mcp']))
    .argument('<source>', 'openapi: a document; mcp: the address of a server, or its command')
    .argument('[args...]', 'mcp over stdio: arguments of the command')
    .requiredOption('--name <connector>', 'name of the connector')
    .option('--region <region>', 'where the system keeps its data', 'eu')
    .option('--out <dir>', 'folder to write the manifest into', '.')
    .option('--base-url <url>', 'openapi: address of the system')
    .option('--refresh', 'overwrite what is there')
    .action(
      run(async (output, options, kind: string, source: string, args: string[]) => {
        const { importConnector } = await import('./connector.ts')
        return await importConnector(output, {
          kind,
          source,
          args,
          name: String(options.name),
          region: String(options.region),
          out: String(options.out),
          baseUrl: options.baseUrl as string | undefined,
          refresh: options.refresh === true,
        })
      }),
    )
}

function refreshCommand(connector: Command): void {
  connector
    .command('refresh')
    .description("ask a configured connector's system for its description, and write it over the reviewed one for review")
    .argument('<connector>')
    .addOption(configOption())
    .action(
      run(async (output, options, name: string) => {
        const { refreshConnector } = await import('./connector-refresh.ts')
        return await refreshConnector(output, String(options.config), environment, name)
      }),
    )
}

try {
  await program().parseAsync(process.argv)
} catch (error) {
  if (!(error instanceof CommanderError)) throw error
  process.exitCode = error.exitCode === 0 ? 0 : 2
}
