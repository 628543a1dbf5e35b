import { writeFileSync } from 'node:fs'
import { importMcp } from '../../connectors/mcp/import.ts'
import type { Environment } from '../config/environment.ts'
import { loadConfiguration } from '../config/load.ts'
import { GatewayError } from '../core/errors.ts'
import { createDialer } from '../egress/dialer.ts'
import type { Manifest } from '../ports/connector.ts'
import type { ExitCode, Output } from './output.ts'

/**
 * Asks the system of a configured connector for its description and writes that over the reviewed one, for people to review in version control; a start takes
 * it over. Throws CONFIG_INVALID for connectors whose description is a file of its own, and where the system cannot be reached.
 */
export async function refreshConnector(output: Output, config: string, environment: Environment, name: string): Promise<ExitCode> {
  const { manifests } = loadConfiguration(config, environment)
  const manifest = manifests.find(({ connector }) => connector === name)
  if (!manifest)
    throw new GatewayError('CONFIG_INVALID', `there is no connector \`${name}\`: there are ${manifests.map((m) => m.connector).join(', ')}`)
  if (manifest.kind !== 'mcp')
    throw new GatewayError(
      'CONFIG_INVALID',
      `the description of \`${name}\` is a file: replace \`${manifest.source.path}\` and review the difference`,
    )
  const text = await read(manifest)
  const { path } = manifest.source
  if (text === manifest.source.text) {
    output.print(`\`${path}\` is what the system says`, { file: path, changed: false })
    return 0
  }
  writeFileSync(path, text)
  output.print(`wrote \`${path}\`: review the difference, then start the gateway anew`, { file: path, changed: true })
  return 0
}

async function read({ connector, region, file, source, baseUrl, stdio, egress }: Manifest): Promise<string> {
  const hosts = [...egress, ...(baseUrl === undefined ? [] : [new URL(baseUrl).hostname.replace(/^\[|\]$/g, '')])]
  const outbound = createDialer({ development: true }).open({ hosts, privateHosts: hosts })
  try {
    const where = baseUrl === undefined ? { ...(stdio ? { stdio } : {}) } : { baseUrl }
    const { lock } = await importMcp({ connector, region, file, source: source.path, outbound, ...where })
    if (lock === undefined) throw new GatewayError('INTERNAL', 'the import gave no description')
    return lock
  } finally {
    await outbound.close()
  }
}
