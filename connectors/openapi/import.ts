import { isJsonObject } from '../../gateway/core/json.ts'
import type { Manifest } from '../../gateway/ports/connector.ts'
import type { Outbound } from '../../gateway/ports/dialer.ts'
import { SourceFaults } from '../faults.ts'
import { type Imported, imported } from '../imported.ts'
import { parseOpenapi } from './document.ts'
import { openapiKind } from './kind.ts'

export interface OpenapiImport {
  connector: string
  region: string
  /** Path of the document as the manifest will name it, for messages too. */
  source: string
  text: string
  /** Default: the document's first server, where it is absolute. */
  baseUrl?: string
}

/**
 * A manifest for an OpenAPI document, with every operation that can be carried. Reads the text and nothing else. Throws CONFIG_INVALID with every fault,
 * also where no base address is known.
 */
export function importOpenapi({ connector, region, source, text, baseUrl }: OpenapiImport): Imported {
  const file = `${connector}.yaml`
  const faults = new SourceFaults({ file, source: { path: source, text } })
  const address = baseUrl ?? firstServer(source, text, faults)
  if (address === undefined && !faults.any) faults.source(['servers'], 'no absolute address; give the base address')
  faults.refuse()
  const manifest: Manifest = {
    connector,
    kind: 'openapi',
    file,
    source: { path: source, text },
    baseUrl: address ?? '',
    region,
    egress: [],
    operations: { overrides: {} },
  }
  return imported({ connector, kind: 'openapi', source, baseUrl: address ?? '', region }, openapiKind.load(manifest, NOWHERE))
}

function firstServer(path: string, text: string, faults: SourceFaults): string | undefined {
  const servers = parseOpenapi({ path, text }, faults)?.root.servers
  const first = Array.isArray(servers) ? servers[0] : undefined
  const url = isJsonObject(first) && typeof first.url === 'string' ? first.url : undefined
  return url !== undefined && /^https?:\/\//.test(url) && !url.includes('{') ? url : undefined
}

const refuse = (): never => {
  throw new Error('an import sends nothing')
}
const NOWHERE: Outbound = { request: refuse, fetch: refuse, close: () => Promise.resolve() }
