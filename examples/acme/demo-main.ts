import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ask } from '../../gateway/cli/control-plane.ts'
import { type Address, readAddress } from '../../gateway/config/address-file.ts'
import { readEnvironment } from '../../gateway/config/environment.ts'
import { runDemo } from './demo.ts'
import { startOrganisation } from './organisation.ts'
import { prepareAcme } from './start.ts'

const USAGE = `usage: npm run demo -- [--auto] [--url URL] [--data .gatehouse]

Plays a day at Acme Components through the gateway that runs on the data directory, or, where none does, through one of its own.
--auto votes for the people; without it the demo waits for you and says how to vote.
`

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      auto: { type: 'boolean', default: false },
      url: { type: 'string' },
      data: { type: 'string', default: '.gatehouse' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(USAGE)
    return
  }
  const running = readAddress(values.data)
  if (running) return await play({ ...running, url: values.url?.replace(/\/$/, '') ?? running.url }, values.data, values.auto)
  if (values.url !== undefined)
    throw new Error(`no gateway runs on \`${values.data}\`: the demo needs the data directory of the gateway at ${values.url} (--data)`)
  const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-demo-'))
  const organisation = await startOrganisation({
    dataDir,
    host: '127.0.0.1',
    port: 0,
    environment: readEnvironment(),
    logStream: { write: () => {} },
  })
  try {
    const address = readAddress(dataDir)
    if (!address) throw new Error('the gateway did not say where it is')
    await play(address, dataDir, values.auto, true)
  } finally {
    await organisation.close()
    rmSync(dataDir, { recursive: true, force: true })
  }
}

async function play(address: Address, dataDir: string, auto: boolean, passing = false): Promise<void> {
  const mintPersonToken = async (person: string): Promise<string> =>
    String((await ask(address, 'mutation ($person: String!) { userToken(person: $person) }', { person })).userToken)
  await runDemo({ url: address.url, auto, mintPersonToken, agentKeys: prepareAcme({ dataDir }).keys, dataDir, passing })
}

try {
  await main()
} catch (error) {
  process.stderr.write(`demo: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
