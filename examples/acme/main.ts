import { parseArgs } from 'node:util'
import { untilSignal } from '../../gateway/cli/serve.ts'
import { readEnvironment } from '../../gateway/config/environment.ts'
import { GatewayError } from '../../gateway/core/errors.ts'
import type { RunningGateway } from '../../gateway/main.ts'
import { startOrganisation } from './organisation.ts'
import { acmeConfiguration } from './start.ts'

const USAGE = `usage: npm start -- [--port 4000] [--host 127.0.0.1] [--data .gatehouse] [--config FILE]

Runs the example organisation Acme Components: its systems on free ports, and the gateway in front of them.
`

/** `npm start`: the systems of Acme and the gateway in front of them, until SIGINT or SIGTERM. */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '4000' },
      host: { type: 'string', default: '127.0.0.1' },
      data: { type: 'string', default: '.gatehouse' },
      config: { type: 'string', default: acmeConfiguration() },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(USAGE)
    return
  }
  const { gateway, close } = await startOrganisation({
    dataDir: values.data,
    configFile: values.config,
    host: values.host,
    port: Number(values.port),
    environment: readEnvironment(),
    logStream: process.stderr,
  })
  const ended = untilSignal()
  process.stdout.write(nextSteps(gateway.url, gateway.notices, values.data, await signInLinks(gateway)))
  await ended
  await close()
}

/** Links for one who approves and one who operates; nothing where a configuration has no such people, or no development issuer. */
async function signInLinks(gateway: RunningGateway): Promise<string> {
  try {
    const [maria, olga] = [await gateway.signInLink('maria'), await gateway.signInLink('olga')]
    return `Sign in with a browser, each link once and within ten minutes:

  maria, who approves payments  ${maria}
  olga, who operates            ${olga}

`
  } catch (error) {
    if (error instanceof GatewayError) return ''
    throw error
  }
}

function nextSteps(url: string, notices: readonly string[], data: string, links: string): string {
  const where = data === '.gatehouse' ? '' : ` --data ${data}`
  return `
Gatehouse serves Acme Components at ${url}
${notices.map((notice) => `  (${notice})\n`).join('')}
DEVELOPMENT issuer: anyone with your user account can mint tokens here. State is in ${data}.

${links}another link:  npm run --silent gatehouse -- token user NAME --link${where}

Try it, in another terminal:

  TOKEN=$(npm run --silent gatehouse -- agent token invoice-clerk${where})
  curl -s ${url}/graphql -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' \\
    -d '{"query":"{ whoami { name roles } erp_listInvoices(limit: 2) { items { id amount currency status } } }"}'

Then watch a whole day of it:  npm run demo -- --auto --url ${url}${where}
`
}

try {
  await main()
} catch (error) {
  process.stderr.write(`gatehouse: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS') ? 2 : 1
}
