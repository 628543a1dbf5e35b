import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join, relative, resolve } from 'node:path'
import type { Imported } from '../../connectors/imported.ts'
import { importMcp } from '../../connectors/mcp/import.ts'
import { importOpenapi } from '../../connectors/openapi/import.ts'
import { GatewayError } from '../core/errors.ts'
import { createDialer } from '../egress/dialer.ts'
import type { ExitCode, Output } from './output.ts'

export interface ImportOptions {
  kind: string
  source: string
  args: readonly string[]
  name: string
  region: string
  /** Folder of the manifests. */
  out: string
  baseUrl: string | undefined
  /** Writes over the reviewed description (not the manifest): what changed shows in version control. */
  refresh: boolean
}

/**
 * Reads a system's own description into files for review: a manifest, and for live kinds the lock file with what the server said. Prints every operation
 * with its defaults, so that a reviewer sees what still has to be marked. Throws CONFIG_INVALID where a file exists and --refresh is not given.
 */
export async function importConnector(output: Output, options: ImportOptions): Promise<ExitCode> {
  const manifestFile = join(options.out, `${options.name}.yaml`)
  const { files, imported } = options.kind === 'openapi' ? fromOpenapi(options, manifestFile) : await fromMcp(options, manifestFile)
  for (const { path } of files) {
    if (!options.refresh && existsSync(path))
      throw new GatewayError('CONFIG_INVALID', `\`${path}\` exists: give --refresh to write over the reviewed description`)
  }
  mkdirSync(options.out, { recursive: true })
  // A manifest carries people's decisions: a refresh leaves it.
  const written = files.filter(({ path }) => path !== manifestFile || !existsSync(path))
  for (const { path, text } of written) writeFileSync(path, text)
  const facts = { files: written.map(({ path }) => path), operations: imported.operations }
  output.print(listing(facts.files, imported), facts)
  return 0
}

interface Read {
  imported: Imported
  files: { path: string; text: string }[]
}

function fromOpenapi({ name, region, source, baseUrl, out }: ImportOptions, manifestFile: string): Read {
  let text: string
  try {
    text = readFileSync(source, 'utf8')
  } catch {
    throw new GatewayError('CONFIG_INVALID', `cannot read \`${source}\`: give the path of an OpenAPI document`)
  }
  const imported = importOpenapi({
    connector: name,
    region,
    source: relative(resolve(out), resolve(source)),
    text,
    ...(baseUrl === undefined ? {} : { baseUrl }),
  })
  return { imported, files: [{ path: manifestFile, text: imported.manifest }] }
}

async function fromMcp({ name, region, source, args, out }: ImportOptions, manifestFile: string): Promise<Read> {
  const lockFile = join(out, `${name}.lock.json`)
  const url = /^https?:\/\//.test(source) ? source : undefined
  const host = url === undefined ? [] : [new URL(url).hostname]
  const outbound = createDialer({ development: true }).open({ hosts: host, privateHosts: host })
  try {
    const where = url === undefined ? { stdio: { command: source, args: args.map((arg) => fromManifest(out, arg)) } } : { baseUrl: url }
    const imported = await importMcp({ connector: name, region, file: manifestFile, source: basename(lockFile), outbound, ...where })
    const lock = imported.lock === undefined ? [] : [{ path: lockFile, text: imported.lock }]
    return { imported, files: [...lock, { path: manifestFile, text: imported.manifest }] }
  } finally {
    await outbound.close()
  }
}

/** A relative path as the command line means it, as the manifest has to write it. */
function fromManifest(out: string, arg: string): string {
  if (!/^\.{1,2}\//.test(arg)) return arg
  const path = relative(resolve(out), resolve(arg))
  return path.startsWith('../') ? path : `./${path}`
}

function listing(files: readonly string[], { operations }: Imported): string {
  const lines = operations.map(
    ({ name, mode, reversibility, description }) =>
      `  ${mode.padEnd(5)} ${reversibility.padEnd(21)} ${name}  ${(description.split('\n')[0] ?? '').slice(0, 80)}`,
  )
  return `wrote ${files.join(' and ')}; review ${operations.length} operations and mark what the defaults get wrong:\n${lines.join('\n')}`
}
