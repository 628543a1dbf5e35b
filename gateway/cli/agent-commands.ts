import { type Command, InvalidArgumentError } from 'commander'
import { activateAgent, listAgents, mintAgentToken, registerAgent, reinstateAgent, retireAgent, suspendAgent } from './agent.ts'
import { gateway, run } from './command.ts'

const words = (raw: string): readonly string[] =>
  raw
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '')

const level = (raw: string): number => {
  if (!/^[0-5]$/.test(raw)) throw new InvalidArgumentError('an autonomy is a number from 0 to 5')
  return Number(raw)
}

/** `agent ...`: the register and its life cycle. */
export function agentCommands(agent: Command): void {
  agent
    .command('list')
    .description('list agents')
    .action(run((output, options) => listAgents(output, gateway(options))))
  registerCommand(agent)
  const steps = [
    ['activate', 'let a proposed agent work; for security, with --url and a token of a person', activateAgent],
    ['suspend', 'stop an agent at every door at once', suspendAgent],
    ['reinstate', 'let a suspended agent work again', reinstateAgent],
  ] as const
  for (const [name, description, work] of steps)
    agent
      .command(name)
      .description(description)
      .argument('<name>')
      .option('--reason <text>', 'why, for the record')
      .action(run((output, options, of: string) => work(output, gateway(options), of, options.reason as string | undefined)))
  agent
    .command('retire')
    .description('end an agent for good: its tokens die, what it has waiting is cancelled, its name stays taken')
    .argument('<name>')
    .requiredOption('--reason <text>', 'why, for the record')
    .action(run((output, options, name: string) => retireAgent(output, gateway(options), name, String(options.reason))))
  agent
    .command('secret')
    .description('make a client secret, with the hash of it that goes into the agents file')
    .action(
      run(async (output) => {
        const { makeClientSecret } = await import('./secret.ts')
        return await makeClientSecret(output)
      }),
    )
  agent
    .command('token')
    .description("print an agent's token (development issuer only)")
    .argument('<name>')
    .option('--subject <person>', 'the person that the agent acts for')
    .action(run((output, options, name: string) => mintAgentToken(output, gateway(options), name, options.subject as string | undefined)))
}

function registerCommand(agent: Command): void {
  agent
    .command('register')
    .description('register an agent as proposed: it works once somebody else activates it')
    .argument('<name>')
    .requiredOption('--owner <person>', 'who answers for it')
    .requiredOption('--team <team>', 'where it belongs')
    .requiredOption('--region <region>', 'where it works')
    .requiredOption('--purpose <text>', 'what it is for, in a sentence')
    .option('--roles <roles>', 'roles that policies know, with commas between', words, [])
    .option('--clearance <classes>', 'data classes that it is cleared for, with commas between', words, [])
    .option('--autonomy <level>', 'from 0 to 5', level, 0)
    .option('--jwks <file>', 'its public keys as a JWK set, where it proves itself by private_key_jwt')
    .action(
      run((output, options, name: string) =>
        registerAgent(output, gateway(options), {
          name,
          owner: String(options.owner),
          team: String(options.team),
          region: String(options.region),
          purpose: String(options.purpose),
          roles: options.roles as readonly string[],
          clearance: options.clearance as readonly string[],
          autonomy: options.autonomy as number,
          jwks: options.jwks as string | undefined,
        }),
      ),
    )
}
