import { join } from 'node:path'
import { ask } from '../../gateway/cli/control-plane.ts'
import { readAddress } from '../../gateway/config/address-file.ts'
import { startGateway } from '../../gateway/main.ts'
import { AGENT, apiKey } from '../organisation.ts'
import { ready } from './answers.ts'

/** The whole gateway as `serve` starts it, its credential sealed in the vault; says its address and an ES256 token of the agent. */
const [folder = '', databaseUrl = ''] = process.argv.slice(2)
const dataDir = join(folder, 'data')
const gateway = await startGateway({
  configFile: join(folder, 'gatehouse.yaml'),
  dataDir,
  host: '127.0.0.1',
  port: 0,
  environment: databaseUrl === '' ? {} : { DATABASE_URL: databaseUrl },
  logStream: { write: (text) => process.stderr.write(text) },
  prepare: async (vault) => {
    await vault.set('crm', 'service-key', { kind: 'header', header: 'X-Api-Key', value: apiKey })
  },
})
const address = readAddress(dataDir)
if (!address) throw new Error('the gateway has not said where it is')
const { agentToken } = await ask(address, `mutation { agentToken(agent: "${AGENT}") }`)
ready(gateway.url, { token: String(agentToken) }, () => gateway.close())
