import type { Environment } from '../../gateway/config/environment.ts'
import { type GatewayOptions, type RunningGateway, startGateway } from '../../gateway/main.ts'
import { type Acme, acmeConfiguration, startAcme } from './start.ts'

export interface OrganisationOptions extends Pick<GatewayOptions, 'dataDir' | 'host' | 'port' | 'logStream' | 'onStage' | 'mcpHoldWaitMs'> {
  environment: Environment
  /** Another configuration than Acme's own, over the same systems. */
  configFile?: string
  floodPerSecond?: number
}

export interface Organisation {
  gateway: RunningGateway
  acme: Acme
  /** Ends the gateway, then the systems. */
  close(): Promise<void>
}

/** Acme's systems with the gateway in front of them, credentials sealed. Resolves once it serves; throws what `startGateway` throws. */
export async function startOrganisation({
  environment,
  configFile,
  floodPerSecond,
  ...options
}: OrganisationOptions): Promise<Organisation> {
  const acme = await startAcme({ dataDir: options.dataDir, ...(floodPerSecond === undefined ? {} : { floodPerSecond }) })
  try {
    const gateway = await startGateway({
      ...options,
      configFile: configFile ?? acmeConfiguration(),
      environment: { ...environment, ...acme.env },
      async prepare(vault) {
        const sealed = new Set((await vault.list()).map(({ connector, credential }) => `${connector} ${credential}`))
        for (const { connector, credential, value } of acme.credentials) {
          if (!sealed.has(`${connector} ${credential}`)) await vault.set(connector, credential, value)
        }
      },
    })
    return {
      gateway,
      acme,
      async close() {
        await gateway.close()
        await acme.close()
      },
    }
  } catch (error) {
    await acme.close()
    throw error
  }
}
