import { type Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import type { Address } from '../config/address-file.ts'
import { readEnvironment } from '../config/environment.ts'
import { findGateway } from './control-plane.ts'
import { createOutput, type ExitCode, type Output } from './output.ts'

/** What the process was started with. */
export const environment = readEnvironment()

/** Options of every command. */
export interface Options {
  json?: boolean
  data: string
  url?: string
  token?: string
}

/** Runs a command of the tree: faults go to stderr, never as a stack, and decide the exit code; a CommanderError is wrong usage. */
export function run<A extends readonly unknown[]>(
  work: (output: Output, options: Options & Record<string, unknown>, ...args: A) => Promise<ExitCode>,
) {
  return async (...raw: unknown[]): Promise<void> => {
    const command = raw.at(-1) as Command
    const options = command.optsWithGlobals<Options>()
    const output = createOutput(options.json === true, process.stdout, process.stderr)
    try {
      process.exitCode = await work(output, options as Options & Record<string, unknown>, ...(raw.slice(0, -2) as unknown as A))
    } catch (error) {
      output.fail(error)
      process.exitCode = error instanceof CommanderError ? 2 : 1
    }
  }
}

/** The running gateway that a command is about. Throws CONFIG_INVALID. */
export const gateway = ({ url, token = environment.GATEHOUSE_TOKEN, data }: Options): Address =>
  findGateway({ data, ...(url === undefined ? {} : { url }), ...(token === undefined ? {} : { token }) })

export const configOption = (): Option => new Option('--config <file>', 'the configuration').default('examples/acme/gatehouse.yaml')

export const port = (raw: string): number => {
  const number = Number(raw)
  if (!/^\d{1,5}$/.test(raw) || number > 65_535) throw new InvalidArgumentError('a port is a number from 0 to 65535')
  return number
}

/** Collects the values of an option that may stand there several times. */
export const collected = (raw: string, before: readonly string[]): readonly string[] => [...before, raw]
