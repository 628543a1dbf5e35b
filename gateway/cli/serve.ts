import type { Environment } from '../config/environment.ts'
import { startGateway } from '../main.ts'
import type { ExitCode, Output } from './output.ts'

export interface ServeOptions {
  config: string
  data: string
  host: string
  port: number
  /** See `GatewayOptions.restored`. */
  restored?: string
}

/** Runs a gateway until SIGINT or SIGTERM, then drains it; SIGHUP has it look at the policy files. A second signal ends the process at once. */
export async function serve(output: Output, { config, data, ...asked }: ServeOptions, environment: Environment): Promise<ExitCode> {
  const gateway = await startGateway({ configFile: config, dataDir: data, ...asked, environment, logStream: process.stderr })
  // Listened for before the address is told: who reads it may end the process at once.
  const ended = untilSignal()
  for (const notice of gateway.notices) output.remark(notice)
  output.print(`gatehouse serves at ${gateway.url}`, { url: gateway.url })
  const reload = (): void => void gateway.reloadPolicies()
  process.on('SIGHUP', reload)
  await ended
  process.off('SIGHUP', reload)
  await gateway.close()
  return 0
}

/** Resolves at the first SIGINT or SIGTERM; the next one ends the process. */
export function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => {
        process.once(signal, () => process.exit(1))
        resolve()
      })
    }
  })
}
