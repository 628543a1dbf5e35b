import type { Address } from '../config/address-file.ts'
import { GatewayError } from '../core/errors.ts'
import { isJsonObject } from '../core/json.ts'
import type { FactsFile, PolicyFile } from '../ports/policy-source.ts'
import { ask } from './control-plane.ts'

/** The texts of a policy set that a running gateway keeps. Throws NOT_FOUND. */
export async function storedTexts(address: Address, hash: string): Promise<{ files: PolicyFile[]; facts: FactsFile | null }> {
  const query = 'query ($hash: ID!) { policySet(hash: $hash) { files { path connector text } facts } }'
  const { policySet } = await ask(address, query, { hash })
  if (!isJsonObject(policySet)) throw new GatewayError('NOT_FOUND', `no policy set \`${hash}\`: list them with \`gatehouse policy sets\``)
  const { files, facts } = policySet
  return {
    files: (Array.isArray(files) ? files.filter(isJsonObject) : []).map(({ path, connector, text }) => ({
      path: String(path),
      connector: typeof connector === 'string' ? connector : null,
      text: String(text),
    })),
    facts: typeof facts === 'string' ? { path: 'facts.yaml', text: facts } : null,
  }
}
