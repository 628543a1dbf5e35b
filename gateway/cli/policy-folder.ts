import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { GatewayError } from '../core/errors.ts'
import type { JsonObject } from '../core/json.ts'
import { LIMITS } from '../limits.ts'

export interface NamedText extends JsonObject {
  name: string
  text: string
}

/** The texts of a folder of policies, as the control plane takes them. */
export interface PolicyFolder {
  files: NamedText[]
  /** Text of `facts.yaml`; null where there is none. */
  facts: string | null
  tests: NamedText[]
}

/** Reads `*.cedar`, `facts.yaml` and `tests/*.json`; nothing of it is checked. Throws CONFIG_INVALID where there is no folder or no policy in it. */
export function readPolicyFolder(folder: string): PolicyFolder {
  if (!existsSync(folder) || !statSync(folder).isDirectory()) throw new GatewayError('CONFIG_INVALID', `no such folder: \`${folder}\``)
  const read = (path: string): string => {
    if (statSync(path).size > LIMITS.policyFileBytesMax)
      throw new GatewayError('CONFIG_INVALID', `\`${path}\` is larger than ${LIMITS.policyFileBytesMax} bytes`)
    return readFileSync(path, 'utf8')
  }
  const ending = (where: string, end: string): NamedText[] =>
    existsSync(join(folder, where))
      ? readdirSync(join(folder, where))
          .filter((name) => name.endsWith(end))
          .sort()
          .map((name) => ({ name: join(where, name), text: read(join(folder, where, name)) }))
      : []
  const files = ending('', '.cedar')
  if (files.length === 0)
    throw new GatewayError('CONFIG_INVALID', `no policies in \`${folder}\`: expected \`org.cedar\` or \`<connector>.cedar\``)
  const facts = existsSync(join(folder, 'facts.yaml')) ? read(join(folder, 'facts.yaml')) : null
  return { files, facts, tests: ending('tests', '.json') }
}
